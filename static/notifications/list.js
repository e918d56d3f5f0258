import { live } from "./main.js";
import { renderedItems } from "./page.js";
import { fill, fromTemplate, refreshAges, showState, stateOf } from "./rows.js";

const AT_MOST = 200; // rows that a list without pages keeps when it grows all day
const STILL_MS = 2000; // a pointer that rested this long aims at nothing
const HEADER_PX = 64;
const AFTER_MS = 1000; // an insight seldom comes alone; spread, so that not every trader asks at the same instant
const SPREAD_MS = 2000;
const EVERY_MS = 300_000; // outcomes and midnight send no frame
const AGAIN_MS = 5000;
const AHEAD = { rootMargin: "1000px" };

/** The list of the dashboard and the history: what arrives, what it is narrowed to, the pages behind. */
class List {
  #store;
  #waiting = new Map();
  #pointedAt = -STILL_MS;
  #settling;
  #refreshing;
  #turn = 0;
  #end = new IntersectionObserver(([{ isIntersecting, target }]) => isIntersecting && this.#append(target), AHEAD);

  constructor({ store }) {
    this.#store = store;
    store.addEventListener("change", ({ detail }) => this.#changed(detail.ids));
    document.addEventListener("pointermove", ({ target }) => {
      if (target.closest("[data-list]")) this.#pointedAt = performance.now();
    });
    document.addEventListener("click", ({ target }) => target.closest("[data-bring-in]") && this.#follow());
    one("[data-filters]").addEventListener("change", ({ currentTarget }) => this.#narrow(currentTarget));
    this.#watchEnd();
    document.addEventListener("visibilitychange", () => this.#refresh());
    setInterval(() => this.#refresh(), EVERY_MS);
  }

  #changed(ids) {
    for (const id of ids.filter((id) => !rowOf(id))) {
      const notification = this.#store.item(id);
      if (!notification?.title) continue;
      this.#refreshSoon();
      if (this.#belongs(notification)) this.#waiting.set(id, notification);
      else this.#waiting.delete(id);
    }
    this.#settle();
  }

  /** Newer than all that is shown, since older ones belong to the pages behind, and what the filters let through. */
  #belongs(notification) {
    const list = one("[data-list]");
    const newest = Number(list.querySelector("[data-notification]")?.dataset.id ?? 0);
    return "live" in list.dataset && notification.id > newest && matches(notification);
  }

  #settle() {
    clearTimeout(this.#settling);
    one("[data-bring-in]").hidden = !this.#waiting.size;
    if (!this.#waiting.size) return;
    if (!this.#beingRead) return this.#bringIn();
    one("[data-waiting-text]").textContent = `${this.#waiting.size} new`;
    this.#settling = setTimeout(() => this.#settle(), STILL_MS);
  }

  get #beingRead() {
    const list = one("[data-list]");
    const aimedAt = performance.now() - this.#pointedAt < STILL_MS;
    return aimedAt || list.getBoundingClientRect().top < HEADER_PX || list.querySelector(":focus-visible") !== null;
  }

  #bringIn() {
    const list = one("[data-list]");
    for (const id of [...this.#waiting.keys()].sort((a, b) => a - b)) {
      const row = fromTemplate("row");
      fill(row, this.#store.item(id));
      row.classList.add("is-arriving");
      list.prepend(row);
    }
    this.#waiting.clear();
    one("[data-bring-in]").hidden = true;
    one("[data-empty]")?.remove();
    while (!one("[data-pager]") && list.children.length > AT_MOST) list.lastElementChild.remove();
  }

  #follow() {
    this.#bringIn();
    one("[data-list]").scrollIntoView();
    one("[data-list] [data-open]").focus({ preventScroll: true });
  }

  #refreshSoon() {
    this.#refreshing ??= setTimeout(() => this.#refresh(), AFTER_MS + Math.random() * SPREAD_MS);
  }

  /** The figures, and the sparklines and outcomes of rows, as the server renders them now. */
  async #refresh() {
    this.#refreshing = null;
    if (document.hidden) return;
    const page = await read(location.href);
    for (const part of page?.querySelectorAll("main [data-fresh]") ?? []) {
      const id = part.closest("[data-notification]")?.dataset.id;
      (id ? rowOf(id) : one("main"))?.querySelector(`[data-fresh="${part.dataset.fresh}"]`)?.replaceWith(part);
    }
  }

  async #narrow(form) {
    const turn = ++this.#turn;
    const chosen = [...new FormData(form)].filter(([, value]) => value);
    const address = chosen.length ? `?${new URLSearchParams(chosen)}` : location.pathname;
    const page = await read(address);
    if (turn !== this.#turn) return;
    if (!page) return form.submit(); // the plain way says what is wrong
    history.replaceState(null, "", address);
    this.#waiting.clear();
    const items = renderedItems(page);
    one("[data-results]").replaceWith(page.querySelector("[data-results]"));
    one("[data-clear-filters]").hidden = chosen.length === 0;
    this.#take(page, items);
    say(`${items.length || "No"} insights match${one("a[rel=next]") ? ", and more" : ""}.`);
  }

  async #append(link) {
    this.#end.unobserve(link);
    const page = await read(link.href);
    if (!link.isConnected) return;
    if (!page) return setTimeout(() => this.#watchEnd(), AGAIN_MS);
    const items = renderedItems(page);
    one("[data-list]").append(...page.querySelectorAll("[data-list] > [data-notification]"));
    one("[data-pager]").replaceWith(page.querySelector("[data-pager]"));
    this.#take(page, items);
    say(`${items.length} older insights loaded.`);
  }

  /** Let the store follow the rows that came with another page; what it knows better shows in them. */
  #take(page, items) {
    const { epoch, lastSeq, unreadCount } = page.querySelector("[data-app]").dataset;
    for (const { id, seq } of items) {
      const known = this.#store.item(id);
      if (known?.seq > seq) showState(rowOf(id), stateOf(known));
      refreshAges(rowOf(id));
    }
    const notifications = items.filter(({ id }) => !this.#store.item(id));
    this.#store.merge({ notifications, epoch, last_seq: Number(lastSeq), unread_count: Number(unreadCount) });
    this.#watchEnd();
  }

  #watchEnd() {
    const link = one("a[rel=next]");
    if (link) this.#end.observe(link);
  }
}

function one(selector) {
  return document.querySelector(selector);
}

function rowOf(id) {
  return one(`[data-list] > [data-id="${id}"]`);
}

function say(text) {
  one("[data-list-note]").textContent = text;
}

/** Whether the filters, as the form shows them, let it through. */
function matches(notification) {
  return [...new FormData(one("[data-filters]"))].every(
    ([name, wanted]) => !wanted || (name === "unread" ? stateOf(notification) === name : notification[name] === wanted),
  );
}

/** Another page of ours as a document that runs nothing; null when it cannot be had, or somebody signed out. */
async function read(address) {
  const response = await fetch(address).catch(() => null);
  if (!response?.ok || response.redirected) return null;
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

if (live) new List(live);
