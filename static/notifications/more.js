import { api, reads, store } from "./main.js";
import { fromTemplate } from "./rows.js";
import { gettext, interpolate } from "./texts.js";

const HOURS = { symbol: 4, strategy: null }; // a symbol calms down; a strategy is muted until it is taken back
const LABELS = { symbol: gettext("Mute %(name)s for 4 h"), strategy: gettext("Mute the strategy %(name)s") };
const DONE = { symbol: gettext("%(name)s is muted for 4 h"), strategy: gettext("The strategy %(name)s is muted") };
let menu;

/** The menu of the notification in which this button is, at the button. */
export function showMore(button) {
  menu?.remove();
  menu = fromTemplate("more");
  const names = namesOf(button);
  for (const item of menu.querySelectorAll("[data-mute]")) {
    const name = names[item.dataset.mute];
    item.hidden = !name;
    item.querySelector("span").textContent = interpolate(LABELS[item.dataset.mute], { name });
    item.addEventListener("click", () => mute(item.dataset.mute, name));
  }
  menu.addEventListener("toggle", ({ newState }) => newState === "closed" && button.focus());
  // Inside whatever is open already, which would close when a menu beside it opens.
  (button.closest("[popover]") ?? document.body).append(menu);
  menu.showPopover();
  place(menu, button.getBoundingClientRect());
  menu.querySelector("button:not([hidden])").focus();
}

function namesOf(button) {
  const known = store.item(Number(button.closest("[data-notification]").dataset.id));
  return known?.title ? known : button.dataset;
}

/** Under the button where there is room, else over it. */
function place(box, { top, bottom, right }) {
  const below = bottom + box.offsetHeight < innerHeight;
  box.style.inset = "auto";
  box.style.top = `${below ? bottom : Math.max(0, top - box.offsetHeight)}px`;
  box.style.left = `${Math.max(8, right - box.offsetWidth)}px`;
}

async function mute(kind, name) {
  menu.hidePopover();
  try {
    const { mute: made, replaced } = await api("mutes/", { kind, name, for_h: HOURS[kind] });
    tell("noticed", { title: interpolate(DONE[kind], { name }), undo: () => unmute(made, replaced) });
  } catch ({ message }) {
    tell("failed", { message });
  }
}

/** With the end that the mute had before, if it was there. */
function unmute({ id, kind, name }, replaced) {
  const undone = replaced ? api("mutes/", { kind, name, ...replaced }) : api(`mutes/${id}/`, {}, "DELETE");
  undone.catch(({ message }) => tell("failed", { message }));
}

function tell(type, detail) {
  reads.dispatchEvent(new CustomEvent(type, { detail }));
}
