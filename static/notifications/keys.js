import { reads } from "./main.js";
import { fromTemplate } from "./rows.js";
import { readSelected, select } from "./selection.js";
import { Shared } from "./shared.js";

const FIELDS = "input:not([type=checkbox]), select, textarea, [contenteditable], dialog, [popover]";
const off = new Shared("keys-off");
let sheet;

const ACTS = {
  j: () => go(1),
  k: () => go(-1),
  o: () => current()?.querySelector("[data-open]").click(),
  x: () => tick(current()?.querySelector("[data-select]")),
  r: () => readSelected() || (current() && reads.one(idOf(current()))),
  u: () => current() && reads.unread(idOf(current())),
  "/": () => document.querySelector("[data-search]")?.focus(),
  "?": showSheet,
};

document.addEventListener("keydown", press);

/** A key that acts on the list, unless somebody types, means another one by it, or has switched the keys off. */
export function press(event) {
  const { key, target, ctrlKey, metaKey, altKey, isComposing } = event;
  if (!Object.hasOwn(ACTS, key) || ctrlKey || metaKey || altKey || isComposing) return;
  if (off.get() || target.closest(FIELDS)) return;
  event.preventDefault();
  ACTS[key]();
}

/** What the keys do, and the switch that turns them off (WCAG 2.1.4). */
export function showSheet() {
  sheet ??= makeSheet();
  sheet.showModal();
}

function makeSheet() {
  const made = fromTemplate("keys");
  const use = made.querySelector("[data-keys-use]");
  use.checked = !off.get();
  use.addEventListener("change", () => off.set(!use.checked));
  document.body.append(made);
  return made;
}

/** The focus goes to the next row, or to the first one in sight. */
function go(step) {
  const all = rows();
  const at = all.indexOf(current());
  const inSight = all.find((row) => row.getBoundingClientRect().bottom > innerHeight / 4) ?? all[0];
  const row = at < 0 ? inSight : all[at + step];
  row?.querySelector("[data-open]").focus();
}

function tick(box) {
  if (!box || getComputedStyle(box).visibility === "hidden") return;
  box.checked = !box.checked;
  select(box, false);
}

function current() {
  return document.activeElement.closest("[data-list] > [data-notification]");
}

function rows() {
  return [...document.querySelectorAll("[data-list] > [data-notification]")];
}

function idOf(row) {
  return Number(row.dataset.id);
}
