import { gettext, interpolate, language } from "./texts.js";

const SYMBOL = 1;
const STRATEGY = 2;
const HIGH_PRIORITY = 4;
const NUMBER = new Intl.NumberFormat(language, { maximumFractionDigits: 2 });

/** Why it came, by the figures of the decision, as the server words it; a row of earlier times has none. */
export function why({ reason, confidence, min_confidence, chosen }) {
  if (reason === "urgent_in_quiet_hours") return gettext("High priority, which you let through your quiet hours");
  if (min_confidence === null) return gettext("It passed every rule of your preferences");
  const figures = { confidence: NUMBER.format(confidence), minimum: NUMBER.format(min_confidence) };
  const parts = [interpolate(gettext("AI confidence %(confidence)s ≥ your %(minimum)s"), figures)];
  if (chosen & HIGH_PRIORITY) parts.push(gettext("high priority"));
  if (chosen & SYMBOL) parts.push(gettext("symbol in your list"));
  if (chosen & STRATEGY) parts.push(gettext("strategy in your list"));
  return parts.join("; ");
}
