const page = globalThis.document;
// Comes with a page whose language is another than the code's; `plural` has the number of the form for 0 to 199.
const { texts = {}, plural } = JSON.parse(page?.querySelector("#texts")?.textContent ?? "{}");

/** The page's language, for Intl. */
export const language = page?.documentElement.lang;

/** The user's zone, for Intl; the browser's own where it does not know that one. */
export const timeZone = known(page?.querySelector("[data-app]")?.dataset.zone);

function known(zone) {
  try {
    return zone && Intl.DateTimeFormat("en", { timeZone: zone }).resolvedOptions().timeZone;
  } catch {}
}

export function gettext(text) {
  return texts[text] ?? text;
}

export function ngettext(one, many, count) {
  return texts[one]?.[plural[count < 200 ? count : 100 + (count % 100)]] ?? (count === 1 ? one : many);
}

/** The text with the values in the places of their names: `%(name)s`. */
export function interpolate(text, values) {
  return text.replace(/%\((\w+)\)s/g, (_, name) => values[name]);
}
