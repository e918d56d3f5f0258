import { startPausing } from "./pausing.js";
import { fromTemplate, stateOf } from "./rows.js";

const AT_MOST = 40;
const STEPS = { ArrowDown: 1, ArrowUp: -1 };
const panel = document.querySelector("[data-bell-panel]");

/** The bell's panel, a popover: the browser opens and closes it, and brings the focus back. It may be open already. */
export function startPanel(store) {
  const button = document.querySelector("[data-bell-button]");
  const take = (items) => {
    for (const item of items) if (item?.title) add(item);
  };
  const toggled = (open) => button.setAttribute("aria-expanded", open);
  panel.addEventListener("beforetoggle", ({ newState }) => newState === "open" && arrange());
  panel.addEventListener("toggle", ({ newState }) => toggled(newState === "open"));
  panel.addEventListener("keydown", moveFocus);
  startPausing(panel);
  store.addEventListener("change", ({ detail }) => take(detail.ids.map((id) => store.item(id))));
  take(store.items.reverse());
  if (!panel.matches(":popover-open")) return;
  arrange();
  toggled(true);
}

/** Unread ones first. From then on each keeps its place until the panel opens again. */
function arrange() {
  for (const item of items().slice(AT_MOST)) item.remove();
  for (const item of items()) group(item.dataset.state).append(item);
}

/** Unless it is shown already, or belongs behind all that are. */
function add(notification) {
  const shown = items().map(({ dataset }) => Number(dataset.id));
  const { id, quiet } = notification; // a quiet one takes the place of the one before it
  if (quiet || id < shown.at(-1) || shown.includes(id)) return;
  const place = group(stateOf(notification));
  const next = [...place.children].find(({ dataset }) => dataset.id < notification.id);
  place.insertBefore(fromTemplate("bell", notification), next ?? null);
}

/** Newest first. */
function items() {
  return [...panel.querySelectorAll("[data-notification]")].sort((a, b) => b.dataset.id - a.dataset.id);
}

function group(state) {
  return panel.querySelector(`[data-bell-list="${state === "unread" ? "unread" : "earlier"}"]`);
}

function moveFocus(event) {
  const links = [...panel.querySelectorAll("[data-open]")];
  const at = links.indexOf(document.activeElement.closest("[data-notification]")?.querySelector("[data-open]"));
  const to = links[at + STEPS[event.key]];
  if (!to) return;
  event.preventDefault();
  to.focus();
}
