import { store } from "./main.js";
import { renderedItems } from "./page.js";
import { fromTemplate, refreshAges, showState, stateOf } from "./rows.js";

const AT_MOST = 200; // rows that a list without pages keeps when it grows all day
const STILL_MS = 2000; // a pointer that rested this long aims at nothing
const HEADER_PX = 64;
const AFTER_MS = 1000; // an insight seldom comes alone; spread, so that not every trader asks at the same instant
const SPREAD_MS = 2000;
const EVERY_MS = 120_000; // outcomes and midnight send no frame
const AGAIN_MS = 5000;
const AHEAD = { rootMargin: "1000px" };
const ABOVE = 10;

const end = new IntersectionObserver(([{ isIntersecting, target }]) => isIntersecting && append(target), AHEAD);
const waiting = new Set();
let pointedAt = -STILL_MS;
let settling;
let refreshing;
let narrowed = 0;

/** The list of the dashboard and the history: what arrives, what it is narrowed to, the pages behind. */
function startList() {
  store.addEventListener("change", ({ detail }) => take(detail.ids));
  document.addEventListener("pointermove", ({ target }) => {
    if (target.closest("[data-list]")) pointedAt = performance.now();
  });
  document.addEventListener("click", ({ target }) => {
    if (target.closest("[data-bring-in]")) follow();
    else if (target.closest("[data-list] [data-open]")) remember(target.closest("[data-notification]"));
  });
  one("[data-filters]").addEventListener("change", ({ currentTarget }) => narrow(currentTarget));
  document.addEventListener("visibilitychange", refresh);
  setInterval(refresh, EVERY_MS);
  watchEnd();
  returnTo(history.state);
}

function take(ids) {
  for (const id of ids) {
    const notification = store.item(id);
    if (!notification?.title || rowOf(id)) continue;
    refreshing ??= setTimeout(refresh, AFTER_MS + Math.random() * SPREAD_MS);
    if (belongs(notification)) waiting.add(id);
    else waiting.delete(id);
  }
  settle();
}

/** Newer than all that is shown, since older ones belong to the pages behind, and what the filters let through. */
function belongs(notification) {
  const list = one("[data-list]");
  const newest = Number(list.querySelector("[data-notification]")?.dataset.id ?? 0);
  return "live" in list.dataset && notification.id > newest && matches(notification);
}

/** Whether the filters, as the form shows them, let it through. */
function matches(notification) {
  return [...new FormData(one("[data-filters]"))].every(
    ([name, wanted]) => !wanted || (name === "unread" ? stateOf(notification) === name : notification[name] === wanted),
  );
}

function settle() {
  clearTimeout(settling);
  one("[data-bring-in]").hidden = !waiting.size;
  if (!waiting.size) return;
  if (!isBeingRead(one("[data-list]"))) return bringIn();
  one("[data-waiting-text]").textContent = `${waiting.size} new`;
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

/** The figures, and the sparklines and outcomes of rows, as the server renders them now. */
async function refresh() {
  clearTimeout(refreshing);
  refreshing = null;
  const page = !document.hidden && (await read(location.href));
  for (const part of page ? page.querySelectorAll("main [data-fresh]") : []) {
    const id = part.closest("[data-notification]")?.dataset.id;
    (id ? rowOf(id) : one("main"))?.querySelector(`[data-fresh="${part.dataset.fresh}"]`)?.replaceWith(part);
  }
}

async function narrow(form) {
  const turn = ++narrowed;
  const chosen = [...new FormData(form)].filter(([, value]) => value);
  const address = chosen.length ? `?${new URLSearchParams(chosen)}` : location.pathname;
  const page = await read(address);
  if (turn !== narrowed) return;
  if (!page) return form.submit(); // the plain way says what is wrong
  history.replaceState(null, "", address);
  waiting.clear();
  const rows = [...page.querySelectorAll("[data-list] > *")];
  one("[data-results]").replaceWith(page.querySelector("[data-results]"));
  one("[data-clear-filters]").hidden = !chosen.length;
  welcome(rows, page, `${rows.length || "No"} insights match`);
}

async function append(link) {
  end.unobserve(link);
  const page = await read(link.href);
  if (!link.isConnected) return;
  if (!page) return setTimeout(watchEnd, AGAIN_MS);
  const rows = [...page.querySelectorAll("[data-list] > *")];
  one("[data-list]").append(...rows);
  one("[data-pager]").replaceWith(page.querySelector("[data-pager]"));
  welcome(rows, page, `${rows.length} older insights loaded`);
}

/** Let the store follow the rows that came with another page; what it knows better shows in them. */
function welcome(rows, page, said) {
  const { epoch, lastSeq, unreadCount } = page.querySelector("[data-app]").dataset;
  const items = renderedItems(rows);
  for (const [index, { id, seq }] of items.entries()) {
    const known = store.item(id);
    if (known?.seq > seq) showState(rows[index], stateOf(known));
    refreshAges(rows[index]);
  }
  const notifications = items.filter(({ id }) => !store.item(id));
  store.merge({ notifications, epoch, last_seq: Number(lastSeq), unread_count: Number(unreadCount) });
  one("[data-list-note]").textContent = `${said}.`;
  watchEnd();
}

function watchEnd() {
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

function one(selector) {
  return document.querySelector(selector);
}

function rowOf(id) {
  return one(`[data-list] > [data-id="${id}"]`);
}

/** Another page of ours as a document that runs nothing; null when it cannot be had, or somebody signed out. */
async function read(address) {
  const response = await fetch(address).catch(() => null);
  if (!response?.ok || response.redirected) return null;
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

if (store) startList();
if (store) navigator.serviceWorker?.register("/sw.js").catch(console.warn);
