import { isNew, one, rowOf, settle, waiting, watchEnd } from "./list.js";
import { store } from "./main.js";
import { renderedItems } from "./page.js";
import { refreshAges, showState, stateOf } from "./rows.js";
import { interpolate, ngettext } from "./texts.js";

const AGAIN_MS = 5000;
let narrowed = 0;

/** The figures, and the sparklines and outcomes of rows, as the server renders them now, and what is new to the list. */
export async function refresh() {
  const page = await read(location.href);
  if (!page) return;
  freshen(page);
  for (const { id } of renderedItems(page.querySelectorAll("[data-list] > *"))) if (isNew(id)) waiting.add(id);
  settle();
}

/** Show what the form says, and say so in the address. */
export async function narrow(form) {
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
  freshen(page);
  welcome(rows, page, ngettext("%(count)s insight matches.", "%(count)s insights match.", rows.length));
}

/** The page behind the link, at the end of the list. */
export async function append(link) {
  const page = await read(link.href);
  if (!link.isConnected) return;
  if (!page) return setTimeout(watchEnd, AGAIN_MS);
  const rows = [...page.querySelectorAll("[data-list] > *")];
  one("[data-list]").append(...rows);
  one("[data-pager]").replaceWith(page.querySelector("[data-pager]"));
  welcome(rows, page, ngettext("%(count)s older insight loaded.", "%(count)s older insights loaded.", rows.length));
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
  one("[data-list-note]").textContent = interpolate(said, { count: rows.length });
  watchEnd();
}

/** Show another page's fresh parts in this one. */
function freshen(page) {
  for (const part of page.querySelectorAll("main [data-fresh]")) {
    const id = part.closest("[data-notification]")?.dataset.id;
    (id ? rowOf(id) : one("main"))?.querySelector(`[data-fresh="${part.dataset.fresh}"]`)?.replaceWith(part);
  }
}

/** Another page of ours as a document that runs nothing; null when it cannot be had, or somebody signed out. */
async function read(address) {
  const response = await fetch(address).catch(() => null);
  if (!response?.ok || response.redirected) return null;
  return new DOMParser().parseFromString(await response.text(), "text/html");
}
