import { reads, store } from "./main.js";
import { gettext, interpolate } from "./texts.js";

const AT_MOST = 200; // as many as the server takes at once
let last;

store.addEventListener("change", show);
document.addEventListener("reset", () => setTimeout(show)); // the boxes are empty only after the event
document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-selection]")) return;
  event.preventDefault();
  readSelected();
});

/** A box was ticked or emptied; with `range` all boxes between it and the one before get what it has. */
export function select(box, range) {
  const all = boxes();
  const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((a, b) => a - b);
  if (range && from >= 0) for (const other of all.slice(from, to + 1)) other.checked = box.checked;
  last = box;
  show();
}

/** Whether there was anything to read. */
export function readSelected() {
  const ids = selected().map((box) => Number(rowOf(box).dataset.id));
  if (ids.length) reads.many(ids.slice(0, AT_MOST));
  return ids.length > 0;
}

/** What is read meanwhile, here or elsewhere, is not selected any more. */
function show() {
  for (const box of boxes()) if (rowOf(box).dataset.state !== "unread") box.checked = false;
  const text = interpolate(gettext("Mark %(count)s read"), { count: selected().length });
  // Only the history has boxes; the keys, which know them too, go through every list.
  for (const place of document.querySelectorAll("[data-selection-text]")) place.textContent = text;
}

function boxes() {
  return [...document.querySelectorAll("[data-list] [data-select]")];
}

function selected() {
  return boxes().filter(({ checked }) => checked);
}

function rowOf(box) {
  return box.closest("[data-notification]");
}
