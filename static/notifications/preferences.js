import { startClock } from "./clock.js";
import { Names } from "./names.js";
import { Slider } from "./slider.js";
import { followUnsaved } from "./unsaved.js";

const form = document.querySelector("form[data-preferences]");
for (const field of form.querySelectorAll("[data-confidence]")) new Slider(field);
for (const field of form.querySelectorAll("[data-names]")) new Names(field);
startClock(form);
followUnsaved(form);

const devices = document.querySelector("[data-devices]");
if (devices) import("./devices.js").then(({ startDevices }) => startDevices(devices), console.warn);
