import { Burst, followVisibility, Presence } from "./attention.js";
import { fill, fromTemplate } from "./rows.js";
import { Tabs } from "./tabs.js";

const AT_MOST = 3; // more would cover what is being read; the rest is counted in one of them
const NAMED = 4;

/**
 * Toasts in the corner. How long one stays is the stylesheet's matter: its `.toast-life` animation ends.
 *
 * What is called from outside has the name, and takes the detail, of an event of the store or of `reads`.
 */
export class Toasts {
  #region;
  #store;
  #reads;
  #tabs;
  #burst = new Burst();
  #counted = [];
  #away = false;

  constructor({ region, store, reads }) {
    this.#region = region;
    this.#store = store;
    this.#reads = reads;
    this.#tabs = new Tabs(region.dataset.userId);
    store.addEventListener("change", () => this.#withdraw());
    region.addEventListener("click", (event) => this.#clicked(event));
    region.addEventListener("animationend", ({ target }) => target.matches(".toast-life") && this.#close(target));
    region.addEventListener("keydown", ({ key, target }) => key === "Escape" && this.#close(target));
    document.querySelector("[data-bell-button]").addEventListener("click", () => this.#clear()); // the panel shows them
    followVisibility();
    new Presence().onReturn(() => this.#collapse());
  }

  async arrived({ notifications: [notification] }) {
    const [own] = await this.#claim([notification]);
    if (!own) return;
    if (this.#region.dataset.sound === "on") this.#playSound(own);
    if (this.#burst.exceeded()) this.#count([own]);
    else this.#show(own);
  }

  /** After sleep or without a network: one is shown as if it had just come, more are counted. */
  async missed({ notifications }) {
    const own = await this.#claim(notifications);
    if (own.length === 1) this.#show(own[0]);
    else if (own.length) this.#count(own, { away: true });
  }

  /** Quiet hours have ended. */
  async brief({ seq, held, live, expired, reversed }) {
    const won = await this.#tabs.claim([`${this.#store.epoch}:brief:${seq}`]);
    if (!won.length) return;
    const rest = [expired && `${expired} expired`, reversed && `${reversed} reversed`].filter(Boolean).join(", ");
    const title = `Quiet hours are over: ${held} held back`;
    this.#notice("brief", title, `${live} still live${rest ? `, ${rest}` : ""}.`);
  }

  failed({ message }) {
    this.#notice("notice", "That was not saved", message);
  }

  undoable() {
    const shown = this.#region.querySelector("[data-undoing]");
    if (shown) this.#remove(shown);
    const count = this.#reads.undoable;
    if (count) this.#notice("undo", `${count} marked as read`, "");
  }

  /** Those of the notifications that no other tab shows. */
  async #claim(notifications) {
    const keys = notifications.map(({ id }) => `${this.#store.epoch}:${id}`);
    const won = await this.#tabs.claim(keys, { visible: !document.hidden });
    return notifications.filter(({ id }, index) => won.includes(keys[index]) && !this.#store.item(id)?.read);
  }

  async #playSound({ priority }) {
    const { play } = await import("./sound.js");
    play(priority);
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
    if ("counting" in toast.dataset) this.#forgetCounted();
    if ("undoing" in toast.dataset) this.#reads.keep();
    this.#remove(toast);
  }

  #remove(toast) {
    const focused = toast.contains(document.activeElement);
    const next = toast.nextElementSibling ?? toast.previousElementSibling;
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
