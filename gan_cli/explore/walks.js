// From one pin to another.

import { draw, latest } from "./ask.js";
import { STEPS, asked, said } from "./state.js";
import { $, choices, command, downloads, fill, show } from "./parts.js";

const PLACES = 101; // of the slider

export function build(model, state, changed) {
  const section = $("walk");
  const ask = (steps, at = null) => ({
    view: "walk",
    raw: state.raw,
    pins: [state.walk.from, state.walk.to].map((i) => asked(state.pins[i])),
    path: state.walk.path,
    steps,
    at,
  });
  const live = latest(async (wanted) => {
    const made = await draw(wanted);
    await show($("between"), made.images[0], `sample at ${wanted.at / (PLACES - 1)} of the way`);
  });
  const strip = latest(async (wanted) => {
    const made = await draw(wanted);
    await fill($("strip"), made.images, made.names);
    command(section, made.command, "No single command: the pins differ in truncation, class or codes.");
  });

  choices($("steps"), STEPS.map((n) => [n, n]), state.walk.steps);
  $("held").hidden = !model.controls.some((control) => control.categories);
  for (const [id, key, read] of [["from", "from", Number], ["to", "to", Number], ["path", "path", String], ["steps", "steps", Number]]) {
    $(id).addEventListener("change", () => {
      state.walk[key] = read($(id).value);
      changed();
    });
  }
  $("swap").addEventListener("click", () => {
    [state.walk.from, state.walk.to] = [state.walk.to, state.walk.from];
    changed();
  });
  $("place").addEventListener("input", () => {
    state.walk.at = $("place").valueAsNumber;
    place(state);
    live(ask(PLACES, state.walk.at));
    changed("place");
  });
  downloads(section, () => ask(state.walk.steps), () => `${model.name}-walk`);

  return () => {
    const enough = state.pins.length > 1;
    $("no-walk").hidden = enough;
    $("walking").hidden = !enough;
    if (!enough) return;
    const last = state.pins.length - 1;
    state.walk.from = Math.min(state.walk.from, last);
    state.walk.to = Math.min(state.walk.to, last);
    const names = state.pins.map((pin, i) => [i, `${i + 1}: ${said(pin, model)}`]);
    choices($("from"), names, state.walk.from);
    choices($("to"), names, state.walk.to);
    $("path").value = state.walk.path;
    $("steps").value = state.walk.steps;
    place(state);
    live(ask(PLACES, state.walk.at));
    strip(ask(state.walk.steps));
  };
}

function place(state) {
  $("place").value = state.walk.at;
  $("place-said").textContent = (state.walk.at / (PLACES - 1)).toFixed(2);
}
