import { store } from "./main.js";
import { fromTemplate, stateOf } from "./rows.js";
import { gettext, interpolate } from "./texts.js";

const AT_MOST = 200; // rows that a list without pages keeps when it grows all day
const STILL_MS = 2000; // a pointer that rested this long aims at nothing
const HEADER_PX = 64;
const AFTER_MS = 1000; // an insight seldom comes alone; spread, so that not every trader asks at the same instant
const SPREAD_MS = 2000;
const EVERY_MS = 120_000; // outcomes and midnight send no frame
const AHEAD = { rootMargin: "1000px" };
const ABOVE = 10;

const end = new IntersectionObserver(([{ isIntersecting, target }]) => {
  if (!isIntersecting) return;
  end.unobserve(target);
  further(({ append }) => append(target));
}, AHEAD);
export const waiting = new Set();
let pointedAt = -STILL_MS;
let settling;
let refreshing;

/** The list of the dashboard and the history: what arrives, what it is narrowed to, the pages behind. */
function startList() {
  store.addEventListener("change", ({ detail }) => take(detail.ids));
  document.addEventListener("pointermove", ({ target }) => {
    if (target.closest("[data-list]")) pointedAt = performance.now();
  });
  document.addEventListener("keydown", (event) => import("./keys.js").then(({ press }) => press(event)), {
    once: true,
  });
  document.addEventListener("click", ({ target, shiftKey }) => {
    const box = target.closest("[data-select]");
    if (box) import("./selection.js").then(({ select }) => select(box, shiftKey));
    else if (target.closest("[data-keys]")) import("./keys.js").then(({ showSheet }) => showSheet());
    else if (target.closest("[data-bring-in]")) follow();
    else if (target.closest("[data-list] [data-open]")) remember(target.closest("[data-notification]"));
  });
  one("[data-filters]").addEventListener("change", ({ currentTarget }) =>
    further(({ narrow }) => narrow(currentTarget)),
  );
  document.addEventListener("visibilitychange", refresh);
  setInterval(refresh, EVERY_MS);
  watchEnd();
  returnTo(history.state);
}

/** What takes another page of the server's is loaded with the first one. */
function further(act) {
  import("./further.js").then(act).catch(console.warn);
}

function take(ids) {
  for (const id of ids) {
    const notification = store.item(id);
    if (!notification?.title || rowOf(id)) continue;
    refreshing ??= setTimeout(refresh, AFTER_MS + Math.random() * SPREAD_MS);
    if (isNew(id) && matches(notification)) waiting.add(id);
    else waiting.delete(id);
  }
  settle();
}

/** Newer than all that is shown, since older ones belong to the pages behind. */
export function isNew(id) {
  const list = one("[data-list]");
  const newest = Number(list.querySelector("[data-notification]")?.dataset.id ?? 0);
  return "live" in list.dataset && id > newest && store.item(id)?.title && !store.item(id).quiet;
}

/** Whether the filters, as the form shows them, let it through; about words, days and outcomes the server is asked. */
function matches(notification) {
  return [...new FormData(one("[data-filters]"))].every(
    ([name, wanted]) => !wanted || (name === "state" ? stateOf(notification) : notification[name]) === wanted,
  );
}

export function settle() {
  clearTimeout(settling);
  one("[data-bring-in]").hidden = !waiting.size;
  if (!waiting.size) return;
  if (!isBeingRead(one("[data-list]"))) return bringIn();
  one("[data-waiting-text]").textContent = interpolate(gettext("%(count)s new"), { count: waiting.size });
  settling = setTimeout(settle, STILL_MS);
}

function isBeingRead(list) {
  const aimedAt = performance.now() - pointedAt < STILL_MS;
  return aimedAt || list.getBoundingClientRect().top < HEADER_PX || list.querySelector(":focus-visible");
}

function bringIn() {
  const list = one("[data-list]");
  for (const id of [...waiting].sort((a, b) => a - b)) {
    const row = fromTemplate("row", store.item(id));
    row.classList.add("is-arriving");
    list.prepend(row);
  }
  waiting.clear();
  one("[data-bring-in]").hidden = true;
  one("[data-empty]")?.remove();
  while (!one("[data-pager]") && list.children.length > AT_MOST) list.lastElementChild.remove();
}

function follow() {
  bringIn();
  one("[data-list]").scrollIntoView();
  one("[data-list] [data-open]").focus({ preventScroll: true });
}

function refresh() {
  clearTimeout(refreshing);
  refreshing = null;
  if (!document.hidden) further((pages) => pages.refresh());
}

export function watchEnd() {
  const link = one("a[rel=next]");
  if (link) end.observe(link);
}

/** For the way back from the row's insight: an address whose page begins a little above it, however far down it is. */
function remember(row) {
  const rows = [...row.parentElement.children];
  const above = one("[data-pager]") && rows[rows.indexOf(row) - ABOVE];
  if (!above) return;
  const address = new URL(location);
  address.searchParams.set("before", above.dataset.id);
  history.replaceState({ id: row.dataset.id, top: row.getBoundingClientRect().top }, "", address);
  history.scrollRestoration = "manual";
}

function returnTo(place) {
  const row = place && rowOf(place.id);
  if (row) scrollBy({ top: row.getBoundingClientRect().top - place.top, behavior: "instant" });
}

export function one(selector) {
  return document.querySelector(selector);
}

export function rowOf(id) {
  return one(`[data-list] > [data-id="${id}"]`);
}

if (store) startList();
if (store) navigator.serviceWorker?.register("/sw.js").catch(console.warn);
