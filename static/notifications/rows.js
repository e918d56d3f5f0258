import { isUnread } from "./store.js";

const SIDES = { buy: "Buy", sell: "Sell" };
const PRIORITIES = { high: "High priority", medium: "Medium priority", low: "Low priority" };
const EXACTLY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const STATES = { unread: "New", read: "Read", expired: "Expired", superseded: "Replaced by an update" };

/** A copy of one of the page's templates. */
export function fromTemplate(name) {
  return document.querySelector(`template[data-template="${name}"]`).content.firstElementChild.cloneNode(true);
}

/** What has become of a notification: `unread`, `read`, `expired` or `superseded`. */
export function stateOf(notification) {
  if (notification.superseded_by) return "superseded";
  if (notification.expired_at) return "expired";
  return isUnread(notification) ? "unread" : "read";
}

/** Show a notification in a row, a bell item or a toast: whatever fields the element has. Text stays text. */
export function fill(element, notification) {
  element.dataset.id = notification.id;
  element.dataset.seq = notification.seq;
  element.dataset.side = notification.side;
  element.dataset.priority = notification.priority;
  const texts = {
    title: notification.title,
    snippet: notification.snippet,
    symbol: notification.symbol,
    timeframe: notification.timeframe,
    strategy: notification.strategy,
    news: notification.news_headline ?? "",
    side: SIDES[notification.side],
    priority: PRIORITIES[notification.priority],
    confidence: `${Math.floor(notification.confidence)}%`, // down, as in the message: 79.6 is not 80
  };
  for (const target of element.querySelectorAll("[data-field]")) {
    const { field } = target.dataset;
    if (field === "url") target.href = notification.url;
    else if (field === "age") target.dateTime = notification.created_at;
    else if (field in texts) target.textContent = texts[field];
  }
  for (const bar of element.querySelectorAll("[data-meter]")) bar.setAttribute("width", notification.confidence);
  for (const form of element.querySelectorAll("form[data-mark-read]")) {
    form.action = form.dataset.action.replace("/0/", `/${notification.id}/`);
  }
  showState(element, stateOf(notification));
  refreshAges(element);
}

/** Only what has become of it, for a row that the server rendered. */
export function showState(element, state) {
  element.dataset.state = state;
  for (const target of element.querySelectorAll('[data-field="state"]')) target.textContent = STATES[state];
  for (const control of element.querySelectorAll("[data-mark-read]")) control.hidden = state !== "unread";
}

/** Say how long ago each <time> within was, and when exactly in its tooltip. */
export function refreshAges(root = document) {
  for (const time of root.querySelectorAll("time[data-field=age]")) {
    const then = new Date(time.dateTime);
    const text = age((Date.now() - then) / 1000);
    if (time.textContent === text) continue; // in a long list nearly all of them
    time.textContent = text;
    time.title = EXACTLY.format(then);
  }
}

function age(seconds) {
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}
