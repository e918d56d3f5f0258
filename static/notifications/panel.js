import { fill, fromTemplate } from "./rows.js";
import { isUnread } from "./store.js";

const SHOWN = 20;

/** The bell's panel: the latest notifications, unread ones first. */
export class Panel {
  #store;
  #api;
  #reads;
  #button;
  #panel;
  #markAll;
  #loaded = false;

  constructor({ store, api, reads, button, root }) {
    this.#store = store;
    this.#api = api;
    this.#reads = reads;
    this.#button = button;
    this.#panel = root.querySelector("[data-bell-panel]");
    this.#markAll = root.querySelector("[data-mark-all]");
    this.#listen(root);
    this.#showMarkAll();
  }

  toggle(open = !this.#open, { focus = true } = {}) {
    this.#button.setAttribute("aria-expanded", String(open));
    this.#panel.hidden = !open;
    if (open) {
      this.#arrange();
      this.#title.focus();
      if (!this.#loaded) this.#load();
    } else if (focus) this.#button.focus();
  }

  get #open() {
    return this.#button.getAttribute("aria-expanded") === "true";
  }

  get #title() {
    return this.#panel.querySelector("h2");
  }

  #listen(root) {
    this.#store.addEventListener("change", ({ detail }) => {
      this.#showMarkAll();
      if (this.#open) for (const id of detail.ids) this.#update(this.#store.item(id));
    });
    this.#store.addEventListener("stale", () => {
      this.#loaded = false;
    });
    this.#reads.addEventListener("undoable", () => this.#showMarkAll());
    this.#panel.addEventListener("click", (event) => this.#clicked(event));
    this.#panel.addEventListener("keydown", (event) => this.#moveFocus(event));
    root.addEventListener("keydown", ({ key }) => key === "Escape" && this.#open && this.toggle(false));
    for (const type of ["click", "focusin"]) {
      root.addEventListener(type, ({ target }) => this.#leaves(target) && this.toggle(false, { focus: false }));
    }
  }

  #leaves(target) {
    return this.#open && target.isConnected && !target.closest("[data-bell], [data-bell-panel], [data-toast]");
  }

  async #load() {
    try {
      // Two questions: what is unread may be older than the latest.
      const wanted = [{ limit: SHOWN }, { limit: SHOWN, unread_only: true }];
      for (const list of await Promise.all(wanted.map((each) => this.#api.list(each)))) this.#store.merge(list);
      this.#loaded = true;
      this.#arrange();
    } catch (error) {
      this.#say(error.message);
    }
  }

  /** Unread ones, then the latest of the others. From then on each keeps its place until the panel opens again. */
  #arrange() {
    const focused = this.#focused?.dataset.id;
    const items = this.#store.items.filter(({ title }) => title);
    const unread = items.filter(isUnread).slice(0, SHOWN);
    const others = items.filter((item) => !isUnread(item)).slice(0, SHOWN - unread.length);
    this.#group("unread").replaceChildren(...unread.map(bellItem));
    this.#group("earlier").replaceChildren(...others.map(bellItem));
    if (focused) this.#shown(focused)?.querySelector("[data-open]").focus();
    if (items.length) this.#say("");
    else this.#say(this.#loaded ? "Nothing yet. New insights show up here the moment they are made." : "Loading…");
  }

  #update(item) {
    const shown = item && this.#shown(item.id);
    if (shown) {
      const focused = shown === this.#focused;
      fill(shown, item);
      if (focused && !isUnread(item)) shown.querySelector("[data-open]").focus(); // its button has gone
    } else if (item?.title && isUnread(item) && item.id > this.#newestShown) {
      this.#group("unread").prepend(bellItem(item));
      this.#say("");
    }
  }

  #group(name) {
    return this.#panel.querySelector(`[data-bell-list="${name}"]`);
  }

  #shown(id) {
    return this.#panel.querySelector(`[data-notification][data-id="${id}"]`);
  }

  get #focused() {
    return document.activeElement?.closest("[data-bell-panel] [data-notification]");
  }

  get #newestShown() {
    const shown = [...this.#panel.querySelectorAll("[data-notification]")];
    return Math.max(0, ...shown.map(({ dataset }) => Number(dataset.id)));
  }

  #say(text) {
    const note = this.#panel.querySelector("[data-bell-note]");
    note.textContent = text;
    note.hidden = !text;
  }

  #clicked({ target }) {
    if (target.closest("[data-mark-all]")) return this.#reads.undoable ? this.#reads.undo() : this.#reads.all();
    const item = target.closest("[data-notification]");
    if (item && target.closest("[data-open], [data-mark-read]")) this.#reads.one(Number(item.dataset.id));
  }

  #moveFocus(event) {
    const links = [...this.#panel.querySelectorAll("[data-open]")];
    const at = links.indexOf(this.#focused?.querySelector("[data-open]"));
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: links.length - 1 }[event.key];
    if (!links[to]) return;
    event.preventDefault();
    links[to].focus();
  }

  /** One button, so that the focus and the thumb find the way back where they were. */
  #showMarkAll() {
    const { undoable } = this.#reads;
    const idle = !undoable && !this.#store.unreadCount;
    this.#markAll.disabled = idle && document.activeElement !== this.#markAll; // else the focus would be nowhere
    this.#markAll.textContent = undoable ? "Undo" : "Mark all read";
  }
}

function bellItem(notification) {
  const item = fromTemplate("bell");
  fill(item, notification);
  return item;
}
