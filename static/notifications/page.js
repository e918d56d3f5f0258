import { fill, remark, showState, stateOf } from "./rows.js";
import { gettext, interpolate, ngettext } from "./texts.js";

const BADGE_MAX = 99;
const LIGHTS = {
  connecting: gettext("Connecting"),
  live: gettext("Live"),
  reconnecting: gettext("Reconnecting"),
  offline: gettext("Offline"),
  "signed-out": gettext("Signed out"),
};
const title = document.title;

/** The parts of the store that the server already rendered: enough to follow what becomes of each. */
export function renderedItems(elements = document.querySelectorAll("[data-notification][data-id]")) {
  return [...elements].map(({ dataset }) => ({
    id: Number(dataset.id),
    seq: Number(dataset.seq) || null, // none while quiet hours hold it back
    read: dataset.state === "read",
    expired_at: dataset.state === "expired" || null,
    superseded_by: dataset.state === "superseded" || null,
  }));
}

/** What any page shows of the store and the socket, and what it takes to mark notifications read. */
export function startPage({ store, reads, socket }) {
  const count = () => showCount(store.unreadCount, reads.undoable);
  const read = (shown) => shown?.dataset.state === "unread" && reads.one(Number(shown.dataset.id));
  store.addEventListener("change", ({ detail }) => {
    showChanged(detail.ids, store);
    count();
  });
  reads.addEventListener("undoable", count);
  socket.addEventListener("state", () => showLight(socket.state));
  const stopped = document.querySelector("[data-brake]");
  socket.addEventListener("sending", ({ detail }) => (stopped.hidden = !detail));
  // Links open as ever; buttons and forms, which work alone, here do the same without leaving the page.
  document.addEventListener("click", (event) => {
    const marks = event.target.closest("[data-mark-read]");
    const more = event.target.closest("[data-more]");
    if (marks || more) event.preventDefault();
    if (more) import("./more.js").then(({ showMore }) => showMore(more));
    if (marks || event.target.closest("[data-open]")) read(event.target.closest("[data-notification]"));
  });
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-mark-all]")) return;
    event.preventDefault();
    if (reads.undoable) reads.undo();
    else reads.all();
  });
  count();
  read(document.querySelector("[data-insight]"));
}

function showChanged(ids, store) {
  const changed = new Map(ids.map((id) => [String(id), store.item(id)]));
  for (const shown of document.querySelectorAll("[data-notification][data-id]")) {
    const notification = changed.get(shown.dataset.id);
    if (!notification) continue;
    if (notification.title && !shown.matches("[data-insight]")) fill(shown, notification);
    else {
      shown.dataset.seq = notification.seq;
      showState(shown, stateOf(notification));
      if (notification.title) remark(shown, notification);
    }
  }
}

function showCount(count, undoable) {
  const shown = count > BADGE_MAX ? `${BADGE_MAX}+` : `${count}`;
  const badge = document.querySelector("[data-badge]");
  badge.textContent = shown;
  badge.hidden = count === 0;
  const label = ngettext("Notifications, %(count)s unread", "Notifications, %(count)s unread", count);
  badge.parentElement.setAttribute("aria-label", interpolate(label, { count }));
  document.title = count ? `(${shown}) ${title}` : title;
  for (const place of document.querySelectorAll("[data-unread-count-text]")) place.textContent = count;
  for (const button of document.querySelectorAll("[data-mark-all] button")) {
    button.disabled = !count && !undoable && button !== document.activeElement; // else the focus would be nowhere
  }
  document.documentElement.toggleAttribute("data-undoable", undoable > 0); // the same buttons then say "Undo"
}

/** The connection light: what the socket is doing, in a word and a colour; signed out asks for more than a word. */
function showLight(state) {
  const light = document.querySelector("[data-light]");
  light.dataset.light = state;
  light.querySelector("[data-light-text]").textContent = LIGHTS[state];
  document.querySelector("[data-signed-out]").hidden = state !== "signed-out";
}
