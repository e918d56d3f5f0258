import { fill, fromTemplate } from "./rows.js";

const SHOWN = 20;
const BADGE_MAX = 99;

/** The bell: the badge with the unread count, and the panel with the latest notifications. */
export class Bell {
  #store;
  #api;
  #reads;
  #button;
  #badge;
  #panel;
  #list;
  #note;
  #title = document.title;
  #loaded = false;

  constructor({ store, api, reads, root = document }) {
    this.#store = store;
    this.#api = api;
    this.#reads = reads;
    this.#button = root.querySelector("[data-bell-button]");
    this.#badge = root.querySelector("[data-badge]");
    this.#panel = root.querySelector("[data-bell-panel]");
    this.#list = root.querySelector("[data-bell-list]");
    this.#note = root.querySelector("[data-bell-note]");
    this.#listen(root);
    this.#count(store.unreadCount);
  }

  #listen(root) {
    this.#store.addEventListener("change", ({ detail }) => {
      this.#count(detail.count);
      if (this.#open) this.#render();
    });
    this.#store.addEventListener("stale", () => (this.#loaded = false));
    this.#button.addEventListener("click", (event) => {
      event.preventDefault();
      this.#toggle(!this.#open);
    });
    this.#panel.addEventListener("click", (event) => this.#clicked(event));
    root.addEventListener("keydown", (event) => event.key === "Escape" && this.#open && this.#toggle(false));
    root.addEventListener(
      "click",
      ({ target }) => this.#open && this.#outside(target) && this.#toggle(false, { focus: false }),
    );
  }

  get #open() {
    return this.#button.getAttribute("aria-expanded") === "true";
  }

  #outside(target) {
    return target.isConnected && !target.closest("[data-bell], [data-bell-panel], [data-toast]");
  }

  #toggle(open, { focus = true } = {}) {
    this.#button.setAttribute("aria-expanded", String(open));
    this.#panel.hidden = !open;
    if (open) {
      this.#render();
      this.#panel.querySelector("h2").focus();
      if (!this.#loaded) this.#load();
    } else if (focus) this.#button.focus();
  }

  async #load() {
    try {
      this.#store.merge(await this.#api.list({ limit: SHOWN }));
      this.#loaded = true;
      this.#render();
    } catch (error) {
      this.#say(error.message);
    }
  }

  #render() {
    const focused = document.activeElement?.closest("[data-notification]")?.dataset.id;
    const items = this.#store.items.filter((item) => item.title).slice(0, SHOWN);
    this.#list.replaceChildren(...items.map((item) => bellItem(item)));
    if (focused) this.#list.querySelector(`[data-id="${focused}"] a`)?.focus();
    if (items.length) this.#say("");
    else this.#say(this.#loaded ? "Nothing yet. New insights show up here the moment they are made." : "Loading…");
  }

  #say(text) {
    this.#note.textContent = text;
    this.#note.hidden = !text;
  }

  #clicked({ target }) {
    if (target.closest("[data-mark-all]")) return this.#reads.all();
    const item = target.closest("[data-notification]");
    if (item && target.closest("[data-open], [data-mark-read]")) this.#reads.one(Number(item.dataset.id));
  }

  #count(count) {
    const shown = count > BADGE_MAX ? `${BADGE_MAX}+` : String(count);
    this.#badge.textContent = shown;
    this.#badge.hidden = count === 0;
    this.#button.setAttribute("aria-label", `Notifications, ${count} unread`);
    document.title = count ? `(${shown}) ${this.#title}` : this.#title;
  }
}

function bellItem(notification) {
  const item = fromTemplate("bell");
  fill(item, notification);
  return item;
}
