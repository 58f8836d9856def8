// The form beside the samples: seeds, how many, weights, truncation, classes and codes.

import { COUNTS, nameOf } from "./state.js";
import { $, choices, make } from "./parts.js";

const SEEDS = 2 ** 32;
export const POINTS = 500; // in a plot
const TRUNCATION = { low: 0.1, high: 2, step: 0.05, usual: 1 };

export function build(model, state, changed) {
  const step = () => (model.points ? POINTS : state.n);
  const seed = (value) => {
    state.seed = Math.min(Math.max(0, value), SEEDS - step());
    $("seed").value = state.seed;
    changed();
  };
  $("seed").addEventListener("input", () => {
    const value = $("seed").valueAsNumber;
    if (Number.isInteger(value) && value >= 0 && value < SEEDS) {
      state.seed = Math.min(value, SEEDS - step());
      changed();
    }
  });
  $("seed").addEventListener("change", () => ($("seed").value = state.seed));
  $("controls").addEventListener("submit", (event) => {
    event.preventDefault(); // Enter in the box
    seed(Number.isInteger($("seed").valueAsNumber) ? $("seed").valueAsNumber : state.seed);
  });
  $("previous").addEventListener("click", () => seed(state.seed - step()));
  $("next").addEventListener("click", () => seed(state.seed + step()));
  $("random").addEventListener("click", () => seed(crypto.getRandomValues(new Uint32Array(1))[0]));
  choices($("count"), COUNTS.map((n) => [n, n]), state.n);
  $("count-row").hidden = model.points;
  $("count").addEventListener("change", () => {
    state.n = Number($("count").value);
    seed(state.seed);
  });
  $("weights").addEventListener("change", () => {
    state.raw = $("weights").value === "raw";
    changed();
  });

  const settings = model.controls.map((control) =>
    control.categories ? category(control, state, changed) : number(control, state, changed),
  );
  if (model.truncatable) settings.unshift(truncation(state, changed));
  $("settings").replaceChildren(...settings.map((one) => one.element));
  $("reset").parentElement.hidden = settings.length === 0;
  $("reset").addEventListener("click", () => {
    state.truncation = null;
    state.values = {};
    settings.forEach((one) => one.update());
    changed();
  });

  return () => {
    $("seed").value = state.seed;
    $("count").value = state.n;
    $("weights").value = state.raw ? "raw" : "average";
    settings.forEach((one) => one.update());
  };
}

function category(control, state, changed) {
  const id = `set-${control.name}`;
  const select = make("select", { id });
  const numbers = Array.from({ length: control.categories }, (_, i) => [i, nameOf(control, i)]);
  choices(select, [["", "as drawn"], ...numbers], "");
  select.addEventListener("change", () => {
    if (select.value === "") delete state.values[control.name];
    else state.values[control.name] = Number(select.value);
    changed();
  });
  const label = make("label", { for: id }, control.name);
  const element = make("div", { className: "setting" }, make("div", { className: "row" }, label, select));
  return { element, update: () => (select.value = state.values[control.name] ?? "") };
}

function number(control, state, changed) {
  const { low, high, name } = control;
  return slider(name, `set ${name}`, low, high, (high - low) / 100, (low + high) / 2, "as drawn", () => state.values[name] ?? null, (value) => {
    if (value === null) delete state.values[name];
    else state.values[name] = value;
    changed();
  });
}

function truncation(state, changed) {
  const { low, high, step, usual } = TRUNCATION;
  return slider("truncation", "truncate the latents", low, high, step, usual, "off", () => state.truncation, (value) => {
    state.truncation = value;
    changed();
  });
}

// A number that can also be left alone: a box that sets it, and a slider that ticks the box when it moves.
function slider(name, aria, low, high, step, middle, unset, get, set) {
  const id = `set-${name}`;
  const box = make("input", { type: "checkbox", id: `${id}-on`, "aria-label": aria });
  const range = make("input", { type: "range", id, min: low, max: high, step });
  const said = make("output", { for: id });
  const rounded = () => Number((low + Math.round((range.valueAsNumber - low) / step) * step).toPrecision(6));
  const update = () => {
    const value = get();
    box.checked = value !== null;
    range.value = value ?? middle;
    range.classList.toggle("unset", value === null);
    said.textContent = value === null ? unset : String(value);
  };
  range.addEventListener("input", () => {
    set(rounded());
    update();
  });
  box.addEventListener("change", () => {
    set(box.checked ? rounded() : null);
    update();
  });
  update();
  const head = make("div", { className: "head" }, box, make("label", { for: id }, name), said);
  return { element: make("div", { className: "setting" }, head, range), update };
}
