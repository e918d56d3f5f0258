import { freshen, one, read, waiting, watchEnd } from "./list.js";
import { store } from "./main.js";
import { renderedItems } from "./page.js";
import { refreshAges, showState, stateOf } from "./rows.js";
import { interpolate, ngettext } from "./texts.js";

const AGAIN_MS = 5000;
let narrowed = 0;

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
