import { fill, fromTemplate } from "./rows.js";

const AT_MOST = 3; // more would cover what is being read; the rest is counted in one line
const EACH_UP_TO = 3; // missed insights that are still shown one by one

/** Toasts in the corner. How long one stays is the stylesheet's matter: its `.toast-life` animation ends. */
export class Toasts {
  #region;
  #tabs;
  #reads;
  #uncounted = 0;

  /** `reads` marks notifications read: `reads.one(id)`. */
  constructor({ region, store, tabs, reads }) {
    this.#region = region;
    this.#tabs = tabs;
    this.#reads = reads;
    store.addEventListener("arrived", ({ detail }) =>
      this.#claimed(store, detail.notifications, (won) => this.#each(won)),
    );
    store.addEventListener("missed", ({ detail }) =>
      this.#claimed(store, detail.notifications, (won) => this.#missed(won)),
    );
    store.addEventListener("brief", ({ detail }) => this.#quietHoursEnded(store, detail));
    store.addEventListener("change", ({ detail }) => this.#withdraw(store, detail.ids));
    reads.addEventListener("failed", ({ detail }) => this.#notice("That was not saved", detail.message));
    region.addEventListener("click", (event) => this.#clicked(event));
    region.addEventListener("animationend", ({ target }) => target.matches(".toast-life") && this.#close(target));
    region.addEventListener("keydown", ({ key, target }) => key === "Escape" && this.#close(target));
  }

  async #claimed(store, notifications, show) {
    const keys = notifications.map((notification) => `${store.epoch}:${notification.id}`);
    const won = new Set(await this.#tabs.claim(keys, { visible: document.visibilityState === "visible" }));
    const own = notifications.filter((_, index) => won.has(keys[index]));
    if (own.length) show(own);
  }

  #each(notifications) {
    for (const notification of notifications) {
      const toast = fromTemplate("toast");
      fill(toast, notification);
      toast.setAttribute("role", notification.priority === "high" ? "alert" : "status");
      this.#show(toast);
    }
  }

  #missed(notifications) {
    if (notifications.length <= EACH_UP_TO) return this.#each(notifications);
    const symbols = [...new Set(notifications.map(({ symbol }) => symbol))];
    const named = symbols.slice(0, 4).join(", ") + (symbols.length > 4 ? " and others" : "");
    this.#summary(`${notifications.length} new insights while you were away`, named);
  }

  async #quietHoursEnded(store, { seq, held, live, expired, reversed }) {
    const won = await this.#tabs.claim([`${store.epoch}:brief:${seq}`]);
    if (!won.length) return;
    const rest = [expired && `${expired} expired`, reversed && `${reversed} reversed`].filter(Boolean).join(", ");
    this.#summary(`Quiet hours are over: ${held} held back`, `${live} still live${rest ? `, ${rest}` : ""}.`);
  }

  #notice(title, text) {
    const toast = this.#summary(title, text);
    toast.querySelector("footer").remove();
  }

  #summary(title, text) {
    const toast = fromTemplate("summary");
    toast.querySelector('[data-field="title"]').textContent = title;
    toast.querySelector('[data-field="snippet"]').textContent = text;
    toast.setAttribute("role", "status");
    this.#show(toast);
    return toast;
  }

  #show(toast) {
    const cards = this.#region.querySelectorAll("[data-toast]:not([data-rest])");
    if (cards.length >= AT_MOST) {
      const normal = [...cards].find((card) => card.dataset.priority !== "high");
      (normal ?? cards[0]).remove();
      this.#countRest();
    }
    this.#region.append(toast);
  }

  #countRest() {
    this.#uncounted += 1;
    const rest = this.#region.querySelector("[data-rest]") ?? fromTemplate("summary");
    rest.dataset.rest = "";
    rest.setAttribute("role", "status");
    rest.querySelector('[data-field="title"]').textContent =
      this.#uncounted === 1 ? "1 more new insight" : `${this.#uncounted} more new insights`;
    this.#region.prepend(rest);
  }

  /** Read or passed elsewhere: no reason to stay. */
  #withdraw(store, ids) {
    for (const id of ids) {
      const toast = this.#region.querySelector(`[data-toast][data-id="${id}"]`);
      if (toast && store.item(id)?.read) toast.remove();
    }
  }

  #clicked({ target }) {
    const toast = target.closest("[data-toast]");
    if (!toast) return;
    if (target.closest("[data-mark-read], [data-open]")) this.#reads.one(Number(toast.dataset.id));
    if (target.closest("[data-mark-read], [data-toast-close]")) this.#close(toast);
  }

  #close(within) {
    const toast = within.closest("[data-toast]");
    if (!toast) return;
    if (toast.dataset.rest !== undefined) this.#uncounted = 0;
    toast.remove();
  }
}
