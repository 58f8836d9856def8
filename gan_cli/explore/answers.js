// What the model makes of examples that a person gives it.

import { answer, complain, latest, save } from "./ask.js";
import { $, address, choices, command, make } from "./parts.js";

const TITLES = { given: "given", result: "result", truth: "truth" };

export function build(model) {
  const section = $("given");
  section.hidden = model.asks.length === 0;
  if (section.hidden) return;
  let file = null; // as it is sent: name, and data in base64; null: examples of the run's own data
  const chosen = () => model.asks.find((ask) => ask.name === $("ask").value);

  const redraw = latest(async (wanted) => {
    section.setAttribute("aria-busy", "true");
    try {
      const made = await answer(wanted);
      $("answers").replaceChildren(...rows(made, model));
      $("answered").textContent = `${made.names.length} in ${made.milliseconds.toFixed(1)} ms`;
      command(section, made.command, "");
    } finally {
      section.removeAttribute("aria-busy");
    }
  });
  const update = () => redraw({ ask: $("ask").value, raw: $("answer-weights").value === "raw", file });

  function describe() {
    const ask = chosen();
    const kinds = ask.accepts.includes(".png") ? "An image, or an .npz file" : "An .npz file";
    $("upload").accept = ask.accepts.join(",");
    $("given-hint").textContent = `${ask.name}: ${ask.given} become ${ask.made}. ${kinds} of up to ${model.most.given}; it stays on this machine.`;
  }

  choices($("ask"), model.asks.map((ask) => [ask.name, ask.name]), model.asks[0].name);
  $("ask").addEventListener("change", () => {
    describe();
    if ($("answers").childElementCount) update();
  });
  $("answer-weights").addEventListener("change", () => $("answers").childElementCount && update());
  $("own").addEventListener("click", () => {
    file = null;
    $("upload").value = "";
    update();
  });
  $("upload").addEventListener("change", async () => {
    const [picked] = $("upload").files;
    if (!picked) return;
    if (picked.size > model.most.bytes) {
      complain(`${picked.name}: ${model.most.bytes / 2 ** 20} MiB are the most`, "upload");
      file = null;
      $("upload").value = "";
      return;
    }
    complain("", "upload");
    file = { name: picked.name, data: await base64(picked) };
    update();
  });
  describe();
}

function base64(file) {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => failed(new Error(`${file.name}: cannot be read`));
    reader.readAsDataURL(file);
  });
}

// A row an example, or of points a plot for all of them.
function rows(made, model) {
  const kinds = Object.keys(TITLES).filter((kind) => made[kind]?.images);
  const count = Math.max(...kinds.map((kind) => made[kind].images.length), made.classes?.length ?? 0);
  return Array.from({ length: count }, (_, i) => {
    const name = made.names[i];
    const shown = kinds.filter((kind) => i < made[kind].images.length).map((kind) => figure(TITLES[kind], name, made[kind], i, model));
    if (made.classes) shown.push(classes(made, i));
    return make("li", {}, ...shown);
  });
}

function figure(title, name, shown, i, model) {
  const src = address(shown.images[i]);
  const picture = make("img", { className: "pixels", alt: `${title}, ${name}`, src });
  const sounds = shown.sounds.slice(i, i + 1).map((sound) => make("audio", { controls: true, src: `data:audio/wav;base64,${sound}` }));
  const texts = shown.texts.slice(i, i + 1).map((line) => make("p", {}, make("code", {}, line)));
  const caption = make("figcaption", {}, title === TITLES.given ? `${title}: ${name}` : title);
  if (title === TITLES.result) {
    const png = make("button", { type: "button", "aria-label": `Save the result of ${name}` }, "Save");
    png.addEventListener("click", () => save(src, `${model.name}-${name.replace(/\.[^.]*$/, "")}.${src.includes("/gif") ? "gif" : "png"}`));
    caption.append(" ", png);
  }
  return make("figure", {}, picture, ...sounds, ...texts, caption);
}

function classes(made, i) {
  const lines = made.classes[i].map(([name, share]) => make("li", {}, make("b", {}, name), ` ${(100 * share).toFixed(1)} %`));
  const truth = made.true_classes ? [make("figcaption", {}, `truth: ${made.true_classes[i]}`)] : [];
  return make("figure", {}, make("ol", {}, ...lines), ...truth);
}
