import { Api } from "./api.js";
import { Bell } from "./bell.js";
import { Following } from "./following.js";
import { followSocket } from "./light.js";
import { Page, renderedItems } from "./page.js";
import { Reads } from "./reads.js";
import { refreshAges } from "./rows.js";
import { InsightSocket } from "./socket.js";
import { Store } from "./store.js";
import { startThemeSwitch } from "./theme.js";

const AGES_EVERY_MS = 30_000;

startThemeSwitch();
refreshAges();
setInterval(refreshAges, AGES_EVERY_MS);
const region = document.querySelector("[data-app]");

/** What a page's own module imports and goes on with; null when nobody is signed in. */
export const live = region ? startLive(region) : null;

/** For a signed-in user: everything goes on from the state that the server rendered. */
function startLive(region) {
  const { userId, epoch, stream, api: root } = region.dataset;
  const lastSeq = Number(region.dataset.lastSeq);
  const following = new Following(userId);
  const store = new Store({
    position: following.since(lastSeq, epoch),
    known: lastSeq,
    epoch,
    unreadCount: Number(region.dataset.unreadCount),
    items: renderedItems(),
  });
  const api = new Api(root);
  const socket = new InsightSocket({ store, api, address: socketAddress(stream), following });
  const reads = new Reads({ api, store, socket });
  followSocket(socket);
  loadToastsWithTheFirst({ region, store, reads });
  new Bell({ store, api, reads });
  new Page({ store, reads });
  socket.start();
  return { api, reads, region, store };
}

function loadToastsWithTheFirst(live) {
  let toasts;
  const tell = async ({ type, detail }) => {
    try {
      const { Toasts } = await import("./toasts.js");
      toasts ??= new Toasts(live);
    } catch (error) {
      return console.warn("Toasts could not be loaded:", error.message); // the bell and the light still tell
    }
    toasts[type](detail);
  };
  for (const type of ["arrived", "missed", "brief"]) live.store.addEventListener(type, tell);
  for (const type of ["failed", "undoable"]) live.reads.addEventListener(type, tell);
}

function socketAddress(path) {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
}
