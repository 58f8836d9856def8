// Pieces of the page that several views have in common.

import { file, guarded, save, say } from "./ask.js";

export const $ = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "for") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

const GIF = "R0lGOD"; // how its base64 begins

export function address(image) {
  return `data:image/${image.startsWith(GIF) ? "gif" : "png"};base64,${image}`;
}

// Show a picture, and wait until it can be seen.
export async function show(img, image, alt) {
  img.src = address(image);
  img.alt = alt;
  await img.decode();
}

// Pictures in a row, each made once and then changed.
export async function fill(strip, images, names, captions = []) {
  while (strip.children.length > images.length) strip.lastChild.remove();
  while (strip.children.length < images.length) {
    strip.append(make("figure", {}, make("img", { className: "pixels" }), make("figcaption")));
  }
  await Promise.all(
    images.map((image, i) => {
      const [img, caption] = strip.children[i].children;
      caption.textContent = captions[i] ?? "";
      caption.hidden = !captions[i];
      return show(img, image, names[i]);
    }),
  );
}

export function choices(select, values, chosen) {
  select.replaceChildren(...values.map(([value, text]) => new Option(text, value, false, String(value) === String(chosen))));
}

// The command that makes the same, with a button that copies it.
export function command(section, text, otherwise) {
  const place = section.querySelector(".command");
  if (place.dataset.text === (text || otherwise)) return;
  place.dataset.text = text || otherwise;
  if (!text) {
    place.replaceChildren(make("p", { className: "quiet" }, otherwise));
    return;
  }
  const code = make("code", {}, text);
  const copy = make("button", { type: "button" }, "Copy");
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      say("The command is copied");
      copy.textContent = "Copied";
      setTimeout(() => (copy.textContent = "Copy"), 1500);
    } catch {
      getSelection().selectAllChildren(code);
      say("The command is selected: copy it with the keyboard");
    }
  });
  place.replaceChildren(code, copy);
}

// The buttons of a section: files made by the server, and pictures that are shown.
export function downloads(section, ask, name) {
  for (const button of section.querySelectorAll("[data-file]")) {
    const kind = button.dataset.file;
    const fetched = async () => {
      save(await file(ask(), kind), `${name()}.${kind}`);
      say(`Saved ${name()}.${kind}`);
    };
    button.addEventListener("click", () => guarded(fetched));
  }
  for (const button of section.querySelectorAll("[data-image]")) {
    button.addEventListener("click", () => save($(button.dataset.image).src, `${name()}-image.png`));
  }
}
