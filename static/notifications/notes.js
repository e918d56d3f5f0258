import { store } from "./main.js";
import { fill } from "./rows.js";
import { gettext, interpolate, language, ngettext, timeZone } from "./texts.js";
import { why } from "./why.js";

const MINUTE_MS = 60_000;
const RANKS = ["low", "medium", "high"];
const STATUSES = {
  approved: gettext("now approved"),
  conditional: gettext("now conditional"),
  rejected: gettext("now rejected"),
};
const OUTCOMES = {
  win: ["won", "bi-check-circle-fill", gettext("Target reached")],
  loss: ["lost", "bi-x-octagon", gettext("Stop reached")],
};
const MOMENT = new Intl.DateTimeFormat(language, { dateStyle: "short", timeStyle: "short", timeZone });

/** What has become of the insight, in an element that shows it now; one entry is shown once. */
export function note(element, notification) {
  if (Number(element.dataset.seq) !== notification.seq) return; // it shows something newer meanwhile
  if (notification.superseded_by && !element.matches("[data-insight]")) return replace(element, notification);
  for (const place of element.querySelectorAll("[data-field=why]")) place.textContent = why(notification);
  element.toggleAttribute("data-turned", notification.reversed_by !== null);
  showOutcome(element, OUTCOMES[notification.outcome]);
  if (!element.matches("[data-insight]")) fold(element);
  const place = element.querySelector("[data-notes]");
  place?.replaceChildren(...notes(notification, Number(element.dataset.times ?? 1), place.dataset.links));
}

/** Say anew how long each is live. */
export function refreshLeft() {
  for (const time of document.querySelectorAll("[data-left]")) {
    const words = left(new Date(time.dateTime) - Date.now());
    if (!words) time.remove();
    else if (time.textContent !== words) time.textContent = words;
  }
}

/** A revision that came quietly takes the place; another one is shown where new ones are. */
function replace(element, { superseded_by }) {
  const successor = store.item(superseded_by);
  if (!successor?.title) return;
  if (successor.quiet && !element.parentElement?.querySelector(`[data-id="${successor.id}"]`)) fill(element, successor);
  else element.remove();
}

/** Of the rows of one entry the one that matters most stays, and counts the others; one that is being read stays too. */
function fold(element) {
  const { entry, id } = element.dataset;
  const within = element.closest("[data-list], [data-bell-panel], [data-app]");
  for (const other of within?.querySelectorAll(`[data-entry="${entry}"]:not([data-id="${id}"])`) ?? []) {
    const [stays, goes] = weight(element) < weight(other) ? [other, element] : [element, other];
    stays.dataset.times = Number(element.dataset.times ?? 1) + Number(other.dataset.times ?? 1);
    goes.remove();
    if (stays === other) {
      const place = other.querySelector("[data-notes]");
      place?.querySelector(".remark-times")?.remove();
      place?.prepend(times(other.dataset, place.dataset.links));
    }
  }
}

function weight({ dataset: { state, priority } }) {
  return (state === "unread") * RANKS.length + RANKS.indexOf(priority);
}

function showOutcome(element, outcome) {
  if (!outcome) return;
  const [name, icon, text] = outcome;
  for (const place of element.querySelectorAll("[data-result]")) {
    const sign = Object.assign(document.createElement("i"), { className: `bi ${icon}`, ariaHidden: "true" });
    const shown = Object.assign(document.createElement("span"), { className: name });
    shown.append(sign, ` ${text}`);
    place.replaceChildren(shown);
  }
}

function notes(notification, count, root) {
  const { change, reversed_by, released_at, side, group, id } = notification;
  const found = [];
  if (count > 1) found.push(times({ times: count, entry: group ?? id }, root));
  if (change) found.push(words("span", changed(change, notification)));
  if (reversed_by) {
    const said = side === "buy" ? gettext("Reversed by a later sell") : gettext("Reversed by a later buy");
    found.push(linked(said, "remark-turned", root && `/signals/insight/${reversed_by}/`));
  }
  if (released_at) {
    const until = MOMENT.format(new Date(released_at));
    found.push(words("span", interpolate(gettext("Was held until %(until)s"), { until })));
  }
  const live = isLive(notification) && left(new Date(notification.expires_at) - Date.now());
  if (live) {
    const time = words("time", live);
    time.dateTime = notification.expires_at;
    time.dataset.left = "";
    found.push(time);
  }
  return found;
}

function isLive({ expired_at, superseded_by, outcome }) {
  return !expired_at && !superseded_by && outcome === "pending";
}

function times({ times: count, entry }, root) {
  return linked(`×${count}`, "remark-times tabular", root && `${root}?entry=${entry}`);
}

function changed({ confidence_from: before, status }, { confidence }) {
  const figures = { before: Math.floor(before), now: Math.floor(confidence) };
  const parts = [
    before === null ? "" : interpolate(gettext("confidence %(before)s → %(now)s"), figures),
    STATUSES[status] ?? "",
  ];
  const said = parts.filter(Boolean).join(", ");
  return said[0].toUpperCase() + said.slice(1);
}

function left(ms) {
  const minutes = Math.floor(ms / MINUTE_MS);
  if (ms <= 0) return "";
  if (minutes < 60) return counted(ngettext("%(count)s minute left", "%(count)s minutes left", minutes), minutes);
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return counted(ngettext("%(count)s hour left", "%(count)s hours left", hours), hours);
  const days = Math.floor(hours / 24);
  return counted(ngettext("%(count)s day left", "%(count)s days left", days), days);
}

function counted(text, count) {
  return interpolate(text, { count });
}

function linked(text, name, href) {
  const shown = words(href ? "a" : "span", text);
  shown.className += ` ${name}`;
  if (href) shown.href = href;
  return shown;
}

function words(tag, text) {
  return Object.assign(document.createElement(tag), { className: "remark", textContent: text });
}
