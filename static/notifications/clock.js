import { gettext, interpolate } from "./texts.js";

/** Offers to take over the zone of this browser where the form has another. */
export function startClock(form) {
  const zone = form.elements.time_zone;
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const offer = form.querySelector("[data-zone-here]");
  const show = () => {
    offer.hidden = here === zone.value;
  };
  offer.textContent = interpolate(gettext("Use %(zone)s, as this browser does"), { zone: here });
  offer.addEventListener("click", () => {
    zone.value = here;
    zone.dispatchEvent(new Event("change", { bubbles: true }));
  });
  zone.addEventListener("input", show); // not "change", which would move a button away from under the click
  zone.addEventListener("change", show);
  show();
}
