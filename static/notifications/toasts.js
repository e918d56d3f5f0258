import { Burst, Presence } from "./attention.js";
import { fill, fromTemplate } from "./rows.js";

const AT_MOST = 3; // more would cover what is being read; the rest is counted in one of them
const NAMED = 4;

/** Toasts in the corner. How long one stays is the stylesheet's matter: its `.toast-life` animation ends. */
export class Toasts {
  #region;
  #store;
  #tabs;
  #reads;
  #burst = new Burst();
  #counted = [];
  #away = false;

  /** `reads` marks notifications read: `reads.one(id)`. */
  constructor({ region, store, tabs, reads }) {
    this.#region = region;
    this.#store = store;
    this.#tabs = tabs;
    this.#reads = reads;
    store.addEventListener("arrived", ({ detail }) => this.#claim(detail.notifications, (own) => this.#arrived(own)));
    store.addEventListener("missed", ({ detail }) => this.#claim(detail.notifications, (own) => this.#missed(own)));
    store.addEventListener("brief", ({ detail }) => this.#quietHoursEnded(detail));
    store.addEventListener("change", () => this.#withdraw());
    reads.addEventListener("failed", ({ detail }) => this.#notice("notice", "That was not saved", detail.message));
    reads.addEventListener("undoable", () => this.#offerUndo(reads.undoable));
    region.addEventListener("click", (event) => this.#clicked(event));
    region.addEventListener("animationend", ({ target }) => target.matches(".toast-life") && this.#close(target));
    region.addEventListener("keydown", ({ key, target }) => key === "Escape" && this.#close(target));
    document.querySelector("[data-bell-button]").addEventListener("click", () => this.#clear()); // the panel shows them
    new Presence().onReturn(() => this.#collapse());
  }

  async #claim(notifications, show) {
    const keys = notifications.map(({ id }) => `${this.#store.epoch}:${id}`);
    const won = new Set(await this.#tabs.claim(keys, { visible: !document.hidden }));
    const own = notifications.filter((_, index) => won.has(keys[index]));
    if (own.length) show(own);
  }

  #arrived(notifications) {
    if (this.#region.dataset.sound === "on") this.#playSound(notifications[0]);
    for (const notification of notifications) {
      if (this.#burst.exceeded()) this.#count([notification]);
      else this.#show(notification);
    }
  }

  async #playSound({ priority }) {
    const { play } = await import("./sound.js");
    play(priority);
  }

  /** After sleep or without a network: one is shown as if it had just come, more are counted. */
  #missed(notifications) {
    if (notifications.length === 1) this.#show(notifications[0]);
    else this.#count(notifications, { away: true });
  }

  #show(notification) {
    while (this.#cards.length + this.#counting.length >= AT_MOST) this.#fold(this.#leastUrgent);
    const card = fromTemplate("toast");
    fill(card, notification);
    card.setAttribute("role", notification.priority === "high" ? "alert" : "status");
    this.#region.append(card);
  }

  get #cards() {
    return [...this.#region.querySelectorAll("[data-toast][data-id]")];
  }

  /** The one toast that counts, if there is one. */
  get #counting() {
    return this.#region.querySelectorAll("[data-counting]");
  }

  /** None that is being read, if it can be. */
  get #leastUrgent() {
    const free = this.#cards.filter((card) => !card.matches(":hover, :focus-within"));
    return free.find(({ dataset }) => dataset.priority !== "high") ?? free[0] ?? this.#cards[0];
  }

  #fold(card, options) {
    const notification = this.#store.item(Number(card.dataset.id));
    card.remove();
    if (notification) this.#count([notification], options);
  }

  /** What stayed while nobody looked becomes one line. */
  #collapse() {
    const cards = this.#cards;
    if (cards.length + this.#counted.length > 1) for (const card of cards) this.#fold(card, { away: true });
  }

  #clear() {
    for (const toast of [...this.#cards, ...this.#counting]) this.#close(toast);
  }

  #count(notifications, { away = false } = {}) {
    this.#counted.push(...notifications);
    this.#away ||= away;
    const [shown] = this.#counting;
    const toast = shown ?? fromTemplate("counting");
    toast.dataset.priority = this.#counted.some(isHigh) ? "high" : "";
    say(toast, howMany(this.#counted.length, this.#away), which(this.#counted));
    toast.querySelector(".toast-life").replaceWith(toast.querySelector(".toast-life").cloneNode()); // begins anew
    if (!shown) this.#region.prepend(toast);
  }

  async #quietHoursEnded({ seq, held, live, expired, reversed }) {
    const won = await this.#tabs.claim([`${this.#store.epoch}:brief:${seq}`]);
    if (!won.length) return;
    const rest = [expired && `${expired} expired`, reversed && `${reversed} reversed`].filter(Boolean).join(", ");
    const title = `Quiet hours are over: ${held} held back`;
    this.#notice("brief", title, `${live} still live${rest ? `, ${rest}` : ""}.`);
  }

  #offerUndo(count) {
    this.#region.querySelector("[data-undoing]")?.remove();
    if (count) this.#notice("undo", `${count} marked as read`, "");
  }

  #notice(template, title, text) {
    const toast = fromTemplate(template);
    say(toast, title, text);
    this.#region.append(toast);
  }

  /** Read or passed elsewhere: no reason to stay. */
  #withdraw() {
    const gone = ({ id }) => this.#store.item(id)?.read;
    for (const card of this.#cards) if (gone({ id: Number(card.dataset.id) })) this.#close(card);
    const left = this.#counted.filter((notification) => !gone(notification));
    if (left.length === this.#counted.length) return;
    this.#counted = left;
    if (left.length) this.#count([]);
    else this.#close(this.#counting[0]);
  }

  #clicked({ target }) {
    const toast = target.closest("[data-toast]");
    if (!toast) return;
    if (target.closest("[data-undo]")) this.#reads.undo();
    if (target.closest("[data-mark-read], [data-open]")) this.#reads.one(Number(toast.dataset.id));
    if (target.closest("[data-mark-read], [data-toast-close]")) this.#close(toast);
  }

  #close(within) {
    const toast = within?.closest("[data-toast]");
    if (!toast) return;
    const focused = toast.contains(document.activeElement);
    const next = toast.nextElementSibling ?? toast.previousElementSibling;
    if ("counting" in toast.dataset) this.#forgetCounted();
    if ("undoing" in toast.dataset) this.#reads.keep();
    toast.remove();
    if (focused) (next?.querySelector("a, button") ?? document.querySelector("main")).focus({ preventScroll: true });
  }

  #forgetCounted() {
    this.#counted = [];
    this.#away = false;
  }
}

function isHigh({ priority }) {
  return priority === "high";
}

function say(toast, title, text) {
  toast.querySelector('[data-field="title"]').textContent = title;
  toast.querySelector('[data-field="snippet"]').textContent = text;
}

function howMany(count, away) {
  return `${count}${away ? "" : " more"} new insight${count === 1 ? "" : "s"}${away ? " while you were away" : ""}`;
}

/** The symbols, those of high priority by themselves. */
function which(notifications) {
  const high = names(notifications.filter(isHigh));
  const others = names(notifications.filter((notification) => !isHigh(notification)));
  if (!high) return `${others}.`;
  return `High priority: ${high}.${others ? ` Also ${others}.` : ""}`;
}

function names(notifications) {
  const symbols = [...new Set(notifications.map(({ symbol }) => symbol))];
  return symbols.slice(0, NAMED).join(", ") + (symbols.length > NAMED ? " and others" : "");
}
