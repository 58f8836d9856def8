// The page: the grid of samples, the pins, and what holds the views together.

import { build as buildAnswers } from "./answers.js";
import { complain, draw, latest, save, say } from "./ask.js";
import { POINTS, build as buildControls } from "./controls.js";
import { $, address, command, downloads, make, show } from "./parts.js";
import { asked, keep, nameOf, read, said, same } from "./state.js";
import { build as buildSums } from "./sums.js";
import { build as buildWalks } from "./walks.js";

const WIDE = "40rem";
const CLASS = "class"; // the name of the control that is the class

async function start() {
  const answer = await fetch("model.json");
  const model = await answer.json();
  const state = read(location.hash, model);
  describe(model);
  buildAnswers(model);
  if (!model.draws) {
    document.querySelectorAll(".drawing, .images").forEach((element) => (element.hidden = true));
    document.querySelector("main").classList.add("alone");
    return;
  }
  for (const kind of model.files) {
    $("files").firstElementChild.append(make("button", { type: "button", "data-file": kind }, kind.toUpperCase()));
  }
  if (model.points) document.querySelectorAll(".images, #hint").forEach((element) => (element.hidden = true));

  const updateControls = buildControls(model, state, () => changed("samples"));
  const updateWalk = buildWalks(model, state, changed);
  const updateSum = buildSums(model, state, changed);
  const samples = buildSamples(model, state, toggle);
  const pins = buildPins(model, state, toggle, updateSum);
  let raw = state.raw;

  // `what` has changed: samples, pins, walk (the default), sum or place.
  function changed(what = "walk") {
    keep(state);
    if (what === "samples") samples();
    if (what === "pins") samples.mark();
    if (what === "pins" || raw !== state.raw) pins();
    if (what === "pins" || what === "walk" || raw !== state.raw) updateWalk();
    if (what === "sum") updateSum.again();
    raw = state.raw;
  }

  function toggle(pin) {
    const place = state.pins.findIndex((other) => same(other, pin));
    if (place >= 0) {
      state.pins.splice(place, 1);
      say(`Unpinned ${said(pin, model)}`);
    } else if (state.pins.length === model.most.pins) {
      complain(`${model.most.pins} pins are the most; remove one first`, "pins");
      return;
    } else {
      state.pins.push({ ...pin, role: "" });
      say(`Pinned ${said(pin, model)}`);
    }
    complain("", "pins");
    for (const end of ["from", "to"]) {
      if (place >= 0 && state.walk[end] > place) state.walk[end] -= 1;
    }
    if (state.pins.length === 2) [state.walk.from, state.walk.to] = [0, 1];
    changed("pins");
  }

  addEventListener("hashchange", () => {
    const other = read(location.hash, model);
    for (const key of Object.keys(state)) delete state[key];
    Object.assign(state, other);
    all();
  });
  function all() {
    updateControls();
    samples();
    if (model.points) return;
    pins();
    updateWalk();
  }
  all();
}

function describe(model) {
  document.title = `${model.name} - gan explore`;
  $("name").textContent = model.name;
  const scores = Object.entries(model.scores).slice(0, 2).map(([name, value]) => `${name} ${Number(value.toPrecision(4))}`);
  let size = `${model.many} of ${model.shape.join(" × ")}`;
  if (model.points) size = `points in ${model.shape[0]} dimensions`;
  if (model.medium === "image") size = `${model.shape[1]} × ${model.shape[0]}, ${model.shape[2]} channels`;
  $("facts").textContent = [`step ${model.step}`, model.play, size.replace("1 channels", "grey"), ...scores, model.path].join(" · ");
}

// The grid. Returns what redraws it; its `mark` shows anew which samples are pinned.
function buildSamples(model, state, toggle) {
  const grid = $("grid");
  const ask = () => ({
    view: "samples",
    raw: state.raw,
    seed: state.seed,
    n: state.n,
    truncation: state.truncation,
    values: { ...state.values },
  });
  let shown = [];

  const redraw = latest(async (wanted) => {
    const began = performance.now();
    const made = await draw(wanted);
    if (model.points) await plot(grid, made.images[0]);
    else await tiles(wanted, made);
    const all = performance.now() - began;
    grid.dataset.asked = JSON.stringify(wanted);
    $("took").textContent = `drawn in ${made.milliseconds.toFixed(1)} ms, here after ${all.toFixed(0)} ms`;
    $("took").dataset.all = all;
    $("took").dataset.server = made.milliseconds;
    command($("files"), made.command, "");
  });

  async function tiles(wanted, made) {
    const { n } = wanted;
    grid.style.setProperty("--columns", Math.ceil(Math.sqrt(n)));
    grid.style.setProperty("--width", n === 1 ? "20rem" : WIDE);
    grid.toggleAttribute("data-many", n > 16);
    while (grid.children.length > n) grid.lastChild.remove();
    while (grid.children.length < n) {
      const tile = make("button", { type: "button", className: "tile" }, make("img", { className: "pixels", alt: "" }), make("span"));
      const place = grid.children.length;
      tile.addEventListener("click", () => toggle(shown[place]));
      grid.append(tile);
    }
    shown = Array.from({ length: n }, (_, i) => ({ seed: wanted.seed + i, truncation: wanted.truncation, values: wanted.values }));
    await Promise.all(
      made.images.map((image, i) => {
        const drawn = facts(model, wanted, made, i);
        const [img, caption] = grid.children[i].children;
        caption.replaceChildren(make("span", { className: "word" }, "seed "), `${wanted.seed + i}`, ...drawn.slice(0, 1).flatMap(after));
        grid.children[i].title = [`seed ${wanted.seed + i}`, ...drawn.map((pair) => pair.join(" ")), ...made.texts.slice(i, i + 1)].join(", ");
        grid.children[i].setAttribute("aria-label", `Pin ${grid.children[i].title}`);
        return show(img, image, "");
      }),
    );
    mark();
  }

  function mark() {
    shown.forEach((pin, i) => grid.children[i].setAttribute("aria-pressed", state.pins.some((other) => same(other, pin))));
  }

  const n = () => (model.points ? POINTS : state.n);
  const seeds = () => (n() > 1 ? `seeds${state.seed}-${state.seed + n() - 1}` : `seed${state.seed}`);
  downloads($("files"), ask, () => `${model.name}-${seeds()}`);
  const update = () => redraw(ask());
  update.mark = mark;
  return update;
}

async function plot(grid, image) {
  if (!$("plot")) grid.replaceChildren(make("img", { id: "plot", className: "pixels" }));
  grid.style.setProperty("--columns", 1);
  await show($("plot"), image, "plot of 500 samples");
}

// What a caption says after the seed; a class with a name needs no more than that.
function after([name, text]) {
  const isNamed = name === CLASS && !/^\d+$/.test(text);
  const word = make("span", { className: "control" }, isNamed ? "" : `${name} `);
  return [" · ", make("span", { className: "value" }, word, text)];
}

// What was drawn for sample i that nobody set: categories by name, and numbers.
function facts(model, wanted, made, i) {
  return model.controls
    .filter((control) => !(control.name in wanted.values))
    .map((control) => {
      const value = made.values[control.name][i];
      return [control.name, nameOf(control, control.categories ? value : Number(value.toFixed(2)))];
    });
}

// The pins. Returns what redraws them.
function buildPins(model, state, toggle, done) {
  let images = [];
  let made = { images, sounds: [], texts: [] };
  const redraw = latest(async (wanted) => {
    made = wanted.pins.length ? await draw(wanted) : { images: [], sounds: [], texts: [] };
    images = made.images;
    if (images.length !== state.pins.length) return; // others are wanted meanwhile
    $("no-pins").hidden = images.length > 0;
    $("tray").replaceChildren(...state.pins.map((pin, i) => card(pin, i)));
    done(images);
  });

  function card(pin, i) {
    const text = said(pin, model);
    const png = make("button", { type: "button", "aria-label": `Save ${text} as PNG` }, "PNG");
    png.addEventListener("click", () => save(address(images[i]), `${model.name}-seed${pin.seed}.png`));
    const remove = make("button", { type: "button", "aria-label": `Unpin ${text}` }, "×");
    remove.addEventListener("click", () => {
      toggle(pin);
      $("pins-title").focus(); // the button will be gone
    });
    const picture = make("img", { className: "pixels", alt: text, src: address(images[i]) });
    const sounds = made.sounds.slice(i, i + 1).map((sound) => make("audio", { controls: true, src: `data:audio/wav;base64,${sound}` }));
    const texts = made.texts.slice(i, i + 1).map((line) => make("p", {}, make("code", {}, line)));
    const head = make("p", {}, `${i + 1}: ${text}`);
    return make("li", {}, picture, ...sounds, ...texts, head, make("div", { className: "actions" }, png, remove));
  }

  return () => redraw({ view: "pins", raw: state.raw, pins: state.pins.map(asked) });
}

start().catch((error) => complain(error.message, "page"));
