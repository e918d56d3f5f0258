import { isUnread } from "./store.js";
import { gettext, language, timeZone } from "./texts.js";

const SIDES = { buy: gettext("Buy"), sell: gettext("Sell") };
const PRIORITIES = {
  high: gettext("High priority"),
  medium: gettext("Medium priority"),
  low: gettext("Low priority"),
};
const STATES = {
  unread: gettext("New"),
  read: gettext("Read"),
  expired: gettext("Expired"),
  superseded: gettext("Replaced by an update"),
};
const EXACTLY = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium", timeZone });
const AGO = new Intl.RelativeTimeFormat(language, { style: "short" });

/** A copy of one of the page's templates, showing the notification if there is one. */
export function fromTemplate(name, notification) {
  const copy = document.querySelector(`template[data-template="${name}"]`).content.firstElementChild.cloneNode(true);
  if (notification) fill(copy, notification);
  return copy;
}

/** What has become of a notification: `unread`, `read`, `expired` or `superseded`. */
export function stateOf(notification) {
  if (notification.superseded_by) return "superseded";
  if (notification.expired_at) return "expired";
  return isUnread(notification) ? "unread" : "read";
}

/** Show a notification in a row, a bell item or a toast: whatever fields the element has. Text stays text. */
export function fill(element, notification) {
  const { id, seq, side, priority, confidence } = notification;
  Object.assign(element.dataset, { id, seq, side, priority, entry: notification.group ?? id });
  const texts = {
    ...notification,
    side: SIDES[side],
    priority: PRIORITIES[priority],
    confidence: `${Math.floor(confidence)}%`, // down, as in the message: 79.6 is not 80
  };
  for (const field of element.querySelectorAll("[data-field]")) {
    if (field.dataset.field in texts) field.textContent = texts[field.dataset.field];
  }
  for (const time of element.querySelectorAll("time")) time.dateTime = notification.created_at;
  for (const meter of element.querySelectorAll("progress")) meter.value = confidence;
  element.querySelector("[data-open]").href = notification.url;
  showState(element, stateOf(notification));
  refreshAges(element);
  remark(element, notification);
}

/** What has become of it; the words for that are loaded with the first one. */
export function remark(element, notification) {
  import("./notes.js").then(({ note }) => note(element, notification)).catch(console.warn);
}

/** Only what has become of it, for an element that the server rendered. */
export function showState(element, state) {
  element.dataset.state = state;
  for (const field of element.querySelectorAll("[data-field=state]")) field.textContent = STATES[state];
  for (const button of element.querySelectorAll("button[data-mark-read]")) {
    if (button === document.activeElement && state !== "unread") element.querySelector("[data-open]")?.focus();
    button.hidden = state !== "unread";
  }
}

/** Say how long ago each age within was, and when exactly in its tooltip. */
export function refreshAges(root = document) {
  for (const time of root.querySelectorAll("time[data-age]")) {
    const then = new Date(time.dateTime);
    const text = age((Date.now() - then) / 60_000);
    if (time.textContent === text) continue; // in a long list nearly all of them
    time.textContent = text;
    time.title = EXACTLY.format(then);
  }
}

function age(minutes) {
  if (minutes < 1) return gettext("just now");
  if (minutes < 60) return AGO.format(-Math.floor(minutes), "minute");
  return minutes < 1440
    ? AGO.format(-Math.floor(minutes / 60), "hour")
    : AGO.format(-Math.floor(minutes / 1440), "day");
}
