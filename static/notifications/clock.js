const HOUR_MS = 3_600_000;

/** What the clock of a zone reads at a moment, as a datetime-local input takes it; throws RangeError for no such zone. */
export function reading(moment, zone) {
  const format = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "short" });
  return format.format(moment).replace(" ", "T");
}

/** The end of a pause that begins now: `hours` from now, or the next morning at eight by the zone's clock. */
export function pauseEnd(choice, now, zone) {
  if (choice === "none") return "";
  if (choice !== "morning") return reading(now + Number(choice) * HOUR_MS, zone);
  const [day, time] = reading(now, zone).split("T");
  if (time < "08:00") return `${day}T08:00`;
  const next = new Date(`${day}T12:00Z`).getTime() + 24 * HOUR_MS;
  return `${new Date(next).toISOString().slice(0, 10)}T08:00`;
}

/** Buttons that fill in the pause, and one that takes over the zone of this browser where it is another. */
export function startClock(form) {
  const zone = form.elements.time_zone;
  const pause = form.elements.paused_until;
  for (const button of form.querySelectorAll("[data-pause]")) {
    button.addEventListener("click", () => enter(pause, pauseEnd(button.dataset.pause, Date.now(), known(zone.value))));
  }
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const offer = form.querySelector("[data-zone-here]");
  const show = () => {
    offer.hidden = here === zone.value;
  };
  offer.textContent = `Use ${here}, as this browser does`;
  offer.addEventListener("click", () => enter(zone, here));
  zone.addEventListener("input", show); // not "change", which would move a button away from under the click
  zone.addEventListener("change", show);
  show();
}

/** The zone, or while a wrong one is typed in the browser's own: the server will refuse it and say so. */
function known(zone) {
  try {
    reading(0, zone);
    return zone;
  } catch {
    return undefined;
  }
}

function enter(input, value) {
  input.value = value;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}
