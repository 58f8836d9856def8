// What the page shows, kept in its address: seeds, settings, pins and what is done with them.

const LARGEST_SEED = 2 ** 32 - 1;
export const STEPS = [8, 16, 32, 64];
export const COUNTS = [1, 4, 16, 64];
const PATHS = ["spherical", "linear"];
const ROLES = ["", "A", "B", "C"];

export function fresh(model) {
  return {
    seed: 0,
    n: 16,
    raw: false,
    truncation: null,
    values: {},
    pins: [],
    walk: { from: 0, to: 1, path: model.prior === "normal" ? "spherical" : "linear", steps: 16, at: 50 },
  };
}

// The state in an address. It may come from a stranger, or from another model: what does not fit is left out.
export function read(hash, model) {
  const state = fresh(model);
  let found;
  try {
    found = JSON.parse(decodeURIComponent(hash.replace(/^#/, "")));
  } catch {
    return state;
  }
  if (!isTable(found)) return state;
  state.seed = whole(found.seed, 0, LARGEST_SEED, state.seed);
  state.n = COUNTS.includes(found.n) ? found.n : state.n;
  state.raw = found.raw === true;
  Object.assign(state, setting(found, model));
  for (const pin of Array.isArray(found.pins) && !model.points ? found.pins.slice(0, model.most.pins) : []) {
    if (!isTable(pin) || whole(pin.seed, 0, LARGEST_SEED, -1) < 0) continue;
    state.pins.push({ seed: pin.seed, ...setting(pin, model), role: ROLES.includes(pin.role) ? pin.role : "" });
  }
  const walk = isTable(found.walk) ? found.walk : {};
  state.walk = {
    from: whole(walk.from, 0, model.most.pins - 1, 0),
    to: whole(walk.to, 0, model.most.pins - 1, 1),
    path: PATHS.includes(walk.path) ? walk.path : state.walk.path,
    steps: STEPS.includes(walk.steps) ? walk.steps : state.walk.steps,
    at: whole(walk.at, 0, 100, state.walk.at),
  };
  return state;
}

let later = 0;

// Browsers allow an address to change only so often.
export function keep(state) {
  clearTimeout(later);
  later = setTimeout(() => history.replaceState(null, "", "#" + encodeURIComponent(JSON.stringify(state))), 200);
}

export function asked(pin) {
  return { seed: pin.seed, truncation: pin.truncation, values: pin.values };
}

export function same(a, b) {
  return key(a) === key(b);
}

function key(pin) {
  return JSON.stringify([pin.seed, pin.truncation, Object.entries(pin.values).sort()]);
}

export function said(pin, model) {
  const parts = [`seed ${pin.seed}`];
  for (const control of model.controls) {
    if (control.name in pin.values) parts.push(`${control.name} ${nameOf(control, pin.values[control.name])}`);
  }
  if (pin.truncation !== null) parts.push(`truncation ${pin.truncation}`);
  return parts.join(", ");
}

export function nameOf(control, value) {
  return control.categories && control.names.length ? control.names[value] : String(value);
}

function setting(found, model) {
  const values = {};
  const given = isTable(found.values) ? found.values : {};
  for (const control of model.controls) {
    const value = Object.hasOwn(given, control.name) ? given[control.name] : null;
    const fits = control.categories
      ? whole(value, 0, control.categories - 1, -1) >= 0
      : Number.isFinite(value) && Math.abs(value) <= 1e6;
    if (fits) values[control.name] = value;
  }
  const truncation = found.truncation;
  const truncated = model.truncatable && Number.isFinite(truncation) && truncation >= 0.01 && truncation <= 10;
  return { truncation: truncated ? truncation : null, values };
}

function whole(value, low, high, otherwise) {
  return Number.isInteger(value) && value >= low && value <= high ? value : otherwise;
}

function isTable(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
