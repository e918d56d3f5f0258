// The delivery health page: draws each chart from the table beneath it, and brings the page up to date now and then.
// Without it the tables are what there is.

import { draw, redraw } from "./charts.js";

const page = document.querySelector("[data-health]");
const everyMs = Number(page.dataset.everyS) * 1000;
const pause = page.querySelector("[data-pause]");
const lost = page.querySelector("[data-lost]");
const charts = new Map();

let timer = 0;
let paused = false;

function drawAll() {
  for (const figure of page.querySelectorAll("[data-chart]")) {
    const chart = draw(figure, charts.get(figure));
    if (chart) charts.set(figure, chart);
  }
}

/** Let the parts be as they are in a page that was just fetched; what has the focus keeps it, what is open stays so. */
function take(fresh) {
  for (const part of page.querySelectorAll("[data-part]")) {
    const focused = [...part.querySelectorAll("a")].indexOf(document.activeElement);
    part.replaceChildren(...fresh.querySelector(`[data-part="${part.dataset.part}"]`).childNodes);
    if (focused >= 0) part.querySelectorAll("a")[focused]?.focus();
  }
  for (const figure of page.querySelectorAll("[data-chart]")) {
    const now = fresh.querySelector(`[data-chart="${figure.dataset.chart}"]`);
    for (const part of ["[data-note]", "tbody"]) {
      figure.querySelector(part).replaceChildren(...now.querySelector(part).childNodes);
    }
    figure.querySelector("[data-empty]").hidden = now.querySelector("[data-empty]").hidden;
  }
  drawAll();
}

async function refresh() {
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "error" });
    if (!answer.ok) throw new Error(String(answer.status));
    take(new DOMParser().parseFromString(await answer.text(), "text/html"));
    lost.hidden = true;
  } catch {
    lost.hidden = false;
  }
}

function schedule() {
  clearTimeout(timer);
  if (paused || document.hidden) return;
  timer = setTimeout(async () => {
    await refresh();
    schedule();
  }, everyMs);
}

function onVisibility() {
  if (!(paused || document.hidden)) refresh();
  schedule();
}

function onPause() {
  paused = !paused;
  const words = pause.textContent;
  pause.textContent = pause.dataset.goOn;
  pause.dataset.goOn = words;
  onVisibility();
}

pause.hidden = false;
pause.addEventListener("click", onPause);
document.addEventListener("visibilitychange", onVisibility);
new MutationObserver(() => redraw(charts)).observe(document.documentElement, { attributeFilter: ["data-theme"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw(charts));
drawAll();
schedule();
