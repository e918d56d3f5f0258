import { Burst } from "./burst.js";
import { fromTemplate } from "./rows.js";
import { Tabs } from "./tabs.js";
import { gettext, interpolate, ngettext } from "./texts.js";

const AT_MOST = 3; // more would cover what is being read; the rest is counted in one of them
const NAMED = 4;
const region = document.querySelector("[data-app]");
const burst = new Burst();
let live;
let tabs;
let counted = [];
let away = false;

/**
 * Toasts in the corner: a function for each event that asks for one. How long one stays is the stylesheet's matter: its
 * `.toast-life` animation ends.
 */
export function startToasts({ store, reads }) {
  live = { store, reads };
  tabs = new Tabs(region.dataset.userId);
  store.addEventListener("change", withdraw);
  region.addEventListener("click", ({ target }) => target.closest("[data-toast-close]") && close(target));
  region.addEventListener("animationend", ({ target }) => target.matches(".toast-life") && close(target));
  region.addEventListener("keydown", ({ key, target }) => key === "Escape" && close(target));
  document.querySelector("[data-bell-button]").addEventListener("click", clear); // the panel shows them
  const sight = () => region.toggleAttribute("data-hidden", document.hidden); // where no toast grows old
  document.addEventListener("visibilitychange", sight);
  sight();
  return { arrived, missed, brief, failed, noticed, undoable, collapse };
}

async function arrived({ notifications }) {
  for (const notification of await claim(notifications)) {
    play(notification);
    if (burst.exceeded()) count([notification]);
    else show(notification);
  }
}

/** One at a time; browsers refuse until somebody has clicked or typed on the page: then it is left out. */
function play({ priority }) {
  const sounds = [...document.querySelectorAll("audio[data-sound]")];
  if (sounds.some(({ paused }) => !paused)) return;
  const own = sounds.find(({ dataset }) => dataset.sound === priority);
  own?.play().catch(() => {});
}

/** After sleep or without a network: one is shown as if it had just come, more are counted. */
async function missed({ notifications }) {
  const own = await claim(notifications);
  if (own.length > 1) count(own, true);
  else for (const notification of own) show(notification);
}

/** Quiet hours have ended, or sending goes on for everybody. */
async function brief({ seq, held, live: stillLive, expired, reversed, braked, url }) {
  const [won] = await tabs.claim([`${live.store.epoch}:brief:${seq}`]);
  if (!won) return;
  const title = braked
    ? ngettext("Held while sending was stopped: %(count)s", "Held while sending was stopped: %(count)s", held)
    : ngettext("Quiet hours are over: %(count)s held back", "Quiet hours are over: %(count)s held back", held);
  const parts = [[ngettext("%(count)s still live", "%(count)s still live", stillLive), stillLive]];
  if (expired) parts.push([ngettext("%(count)s expired", "%(count)s expired", expired), expired]);
  if (reversed) parts.push([ngettext("%(count)s reversed", "%(count)s reversed", reversed), reversed]);
  const figures = parts.map(([text, count]) => interpolate(text, { count })).join(", ");
  const toast = tell("brief", interpolate(title, { count: held }), `${figures}.`);
  toast.querySelector("a").href = url;
}

function failed({ message }) {
  tell("notice", gettext("That was not saved"), message);
}

/** Something was done that can be taken back. */
function noticed({ title, undo }) {
  const toast = fromTemplate("noticed");
  say(toast, title, "");
  toast.querySelector("[data-take-back]").addEventListener("click", () => {
    undo();
    close(toast);
  });
  region.append(toast);
}

function undoable() {
  region.querySelector("[data-undoing]")?.remove();
  const count = live.reads.undoable;
  const text = ngettext("%(count)s marked as read", "%(count)s marked as read", count);
  if (count) tell("undo", interpolate(text, { count }), "");
}

/** Those of the notifications that no other tab shows. */
async function claim(notifications) {
  const key = ({ id }) => `${live.store.epoch}:${id}`;
  const won = await tabs.claim(notifications.map(key), { visible: !document.hidden });
  return notifications.filter((notification) => won.includes(key(notification)) && !isRead(notification));
}

function isRead({ id }) {
  return live.store.item(Number(id))?.read;
}

function show(notification) {
  const stands = cards().some(({ dataset }) => Number(dataset.entry) === (notification.group ?? notification.id));
  while (!stands && cards().length + counting().length >= AT_MOST) fold(leastUrgent()); // a repeat joins its card
  const card = fromTemplate("toast", notification);
  card.setAttribute("role", isHigh(notification) ? "alert" : "status");
  region.append(card);
}

function cards() {
  return [...region.querySelectorAll("[data-notification]")];
}

/** The one toast that counts, if there is one. */
function counting() {
  return [...region.querySelectorAll("[data-counting]")];
}

/** None that is being read, if it can be. */
function leastUrgent() {
  const free = cards().filter((card) => !card.matches(":hover, :focus-within"));
  return free.find(({ dataset }) => !isHigh(dataset)) ?? free[0] ?? cards()[0];
}

function fold(card, wasAway) {
  const notification = live.store.item(Number(card.dataset.id));
  card.remove();
  if (notification) count([notification], wasAway);
}

/** What stayed while nobody looked becomes one line. */
function collapse() {
  if (cards().length + counted.length > 1) for (const card of cards()) fold(card, true);
}

function clear() {
  for (const toast of [...cards(), ...counting()]) close(toast);
}

function count(notifications, wasAway = false) {
  counted.push(...notifications);
  away ||= wasAway;
  const [shown] = counting();
  const toast = shown ?? fromTemplate("counting");
  toast.dataset.priority = counted.some(isHigh) ? "high" : "";
  say(toast, howMany(), which());
  toast.querySelector(".toast-life").replaceWith(toast.querySelector(".toast-life").cloneNode()); // begins anew
  if (!shown) region.prepend(toast);
}

function tell(template, title, text) {
  const toast = fromTemplate(template);
  say(toast, title, text);
  region.append(toast);
  return toast;
}

/** Read here or elsewhere: no reason to stay. */
function withdraw() {
  for (const card of cards()) if (isRead(card.dataset)) close(card);
  const left = counted.filter((notification) => !isRead(notification));
  if (left.length === counted.length) return;
  counted = left;
  if (left.length) count([]);
  else close(counting()[0]);
}

function close(within) {
  const toast = within.closest("[data-toast]");
  if (!toast) return;
  const next = toast.nextElementSibling ?? toast.previousElementSibling;
  if (toast.contains(document.activeElement)) {
    (next?.querySelector("a, button") ?? document.querySelector("main")).focus({ preventScroll: true });
  }
  toast.remove();
  if ("undoing" in toast.dataset) live.reads.keep();
  if (counting().length) return;
  counted = [];
  away = false;
}

function isHigh({ priority }) {
  return priority === "high";
}

function say(toast, title, text) {
  toast.querySelector("[data-field=title]").textContent = title;
  toast.querySelector("[data-field=snippet]").textContent = text;
}

function howMany() {
  const count = counted.length;
  const text = away
    ? ngettext("%(count)s new insight while you were away", "%(count)s new insights while you were away", count)
    : ngettext("%(count)s more new insight", "%(count)s more new insights", count);
  return interpolate(text, { count });
}

/** The symbols, those of high priority first. */
function which() {
  const high = counted.filter(isHigh);
  const symbols = [...new Set([...high, ...counted].map(({ symbol }) => symbol))];
  const names = symbols.slice(0, NAMED).join(", ");
  const named =
    symbols.length > NAMED ? interpolate(gettext("%(symbols)s and others."), { symbols: names }) : `${names}.`;
  if (!high.length) return named;
  const urgent = ngettext("%(count)s of high priority.", "%(count)s of high priority.", high.length);
  return `${interpolate(urgent, { count: high.length })} ${named}`;
}
