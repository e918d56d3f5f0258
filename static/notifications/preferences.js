import { startClock } from "./clock.js";
import { Names } from "./names.js";
import { Slider } from "./slider.js";
import { followUnsaved } from "./unsaved.js";

const form = document.querySelector("form[data-preferences]");
for (const field of form.querySelectorAll("[data-confidence]")) new Slider(field);
for (const field of form.querySelectorAll("[data-names]")) new Names(field);
startClock(form);
followUnsaved(form);

// With the first change: most who open the page only look.
let preview;
const place = document.querySelector("[data-preview]");
const bringPreview = () => {
  preview ??= import("./preview.js").then(({ Preview }) => new Preview(place, form)).catch(() => (preview = null)); // the next change tries again
};
for (const type of ["input", "change"]) form.addEventListener(type, bringPreview);

form.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (button?.name !== "windows") return;
  event.preventDefault();
  import("./windows.js").then(({ editWindows }) => editWindows(form, button)).catch(() => submitBy(button));
});

/** As it would be sent without a script. */
function submitBy({ name, value }) {
  form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
  form.submit();
}

form.addEventListener("click", ({ target }) => {
  const field = target.closest("[data-play]")?.dataset.play;
  if (field) import("./sounds.js").then(({ playChosen }) => playChosen(form.elements[field]), console.warn);
});

const devices = document.querySelector("[data-devices]");
if (devices) import("./devices.js").then(({ startDevices }) => startDevices(devices), console.warn);
