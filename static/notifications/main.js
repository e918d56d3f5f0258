import { apiAt } from "./api.js";
import { Presence } from "./attention.js";
import { renderedItems, startPage } from "./page.js";
import { Reads } from "./reads.js";
import { refreshAges } from "./rows.js";
import { Following } from "./shared.js";
import { InsightSocket } from "./socket.js";
import { Store } from "./store.js";
import { startThemeSwitch } from "./theme.js";

const AGES_EVERY_MS = 30_000;
const TOLD = ["arrived", "missed", "brief", "failed", "noticed", "undoable"];

startThemeSwitch();
refreshAges();
setInterval(refreshAges, AGES_EVERY_MS);
setInterval(() => import("./notes.js").then(({ refreshLeft }) => refreshLeft()).catch(console.warn), AGES_EVERY_MS);
const region = document.querySelector("[data-app]");

/** What a page's own module goes on with; undefined when nobody is signed in. */
export const { store, reads, api } = region ? startLive(region) : {};

/** For a signed-in user: everything goes on from the state that the server rendered. */
function startLive(region) {
  const { userId, epoch, stream, api: root, lastSeq, unreadCount } = region.dataset;
  const known = Number(lastSeq);
  const following = new Following(userId);
  const presence = new Presence();
  const position = following.since(known, epoch);
  const store = new Store({ position, known, epoch, unreadCount: Number(unreadCount), items: renderedItems() });
  const api = apiAt(root);
  const address = `${location.origin.replace("http", "ws")}${stream}`;
  const socket = new InsightSocket({ store, api, address, following, presence });
  const reads = new Reads({ api, store, socket });
  startPage({ store, reads, socket });
  bringPanel(store);
  bringToasts({ store, reads }, presence);
  socket.start();
  return { store, reads, api };
}

/** Toasts come with the first event that asks for one: most pages are left before. */
function bringToasts(live, presence) {
  let toasts;
  const tell = ({ type, detail }) => {
    toasts ??= import("./toasts.js").then(({ startToasts }) => startToasts(live));
    toasts.then((told) => told[type](detail)).catch(() => (toasts = null)); // the next event tries again
  };
  for (const type of TOLD) for (const source of [live.store, live.reads]) source.addEventListener(type, tell);
  presence.onReturn(() => toasts?.then(({ collapse }) => collapse()));
}

/** The panel's script comes when somebody reaches for the bell: without it the panel opens all the same. */
function bringPanel(store) {
  const bell = document.querySelector("[data-bell-button]");
  let panel;
  const bring = () => {
    panel ??= import("./panel.js").then(({ startPanel }) => startPanel(store)).catch(() => (panel = null));
  };
  for (const sign of ["pointerenter", "focus", "click"]) bell.addEventListener(sign, bring);
}
