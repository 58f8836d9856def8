// Sums and differences of pins.

import { draw, latest } from "./ask.js";
import { asked, said } from "./state.js";
import { $, address, command, downloads, fill, make, show } from "./parts.js";

const NEIGHBOURS = 8;
const LETTERS = ["A", "B", "C"];

// Returns what shows other pins; its `again` draws the sum of those that are shown.
export function build(model, state, changed) {
  const section = $("sum");
  const of = (letter) => state.pins.filter((pin) => pin.role === letter).map(asked);
  const ask = () => ({ view: "sum", raw: state.raw, plus: of("A"), minus: of("B"), also: of("C") });
  const redraw = latest(async (wanted) => {
    const made = await draw(wanted);
    const letters = [["A", wanted.plus], ["B", wanted.minus], ["C", wanted.also]].filter(([, pins]) => pins.length);
    if (!wanted.plus.length) letters.reverse(); // what is added comes first
    const result = made.images.length - 1 - NEIGHBOURS;
    const means = made.images.slice(result - letters.length, result);
    $("formula").textContent = formula(letters.map(([letter]) => letter));
    await Promise.all([
      show($("result"), made.images[result], "result of the sum"),
      fill($("means"), means, letters.map(([letter]) => `mean of ${letter}`), letters.map(([letter]) => `mean(${letter})`)),
      fill($("around"), made.images.slice(result + 1), made.names.slice(result + 1)),
    ]);
    command(section, made.command, "No single command: the pins differ in truncation, class or codes.");
  });
  downloads(section, ask, () => `${model.name}-sum`);

  const update = (images) => {
    $("no-sum").hidden = state.pins.length > 0;
    $("parts").replaceChildren(...state.pins.map((pin, i) => part(pin, i, images[i], model, changed)));
    update.again();
  };
  update.again = () => {
    const ready = state.pins.some((pin) => pin.role === "A" || pin.role === "C");
    $("summing").hidden = !ready;
    if (ready) redraw(ask());
  };
  return update;
}

function formula(letters) {
  const text = letters.map((letter, i) => `${letter === "B" ? " − " : i ? " + " : ""}mean(${letter})`).join("");
  return `${text} =`;
}

function part(pin, i, image, model, changed) {
  const text = `${i + 1}: ${said(pin, model)}`;
  const letters = ["", ...LETTERS].map((letter) => {
    const input = make("input", { type: "radio", name: `part-${i}`, value: letter, checked: pin.role === letter });
    input.addEventListener("change", () => {
      pin.role = letter;
      changed("sum");
    });
    return make("label", {}, input, letter || "off");
  });
  const img = make("img", { className: "pixels", alt: "" });
  if (image) img.src = address(image);
  return make("fieldset", { className: "part" }, make("legend", {}, text), img, make("div", {}, ...letters));
}
