import { api, reads } from "./main.js";

/** The panel's pause, and what was hidden today: the forms and the link are the server's, which works without this. */
export function startPausing(panel) {
  panel.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-pause-form]")) return;
    event.preventDefault();
    pause(event.submitter.value);
  });
  panel.addEventListener("beforetoggle", ({ newState }) => newState === "open" && showHidden());
  if (panel.matches(":popover-open")) showHidden();
}

async function pause(duration) {
  try {
    await api("pause/", { for: duration });
    await renew();
  } catch ({ message }) {
    reads.dispatchEvent(new CustomEvent("failed", { detail: { message } }));
  }
}

/** In the server's words. */
async function renew() {
  const answer = await fetch(location.href);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const part = page.querySelector("[data-pause-part]");
  if (!part) return location.reload();
  const button = document.querySelector("[data-bell-button]");
  button.dataset.paused = button.title = part.dataset.paused;
  document.querySelector("[data-pause-part]").replaceWith(part);
  part.querySelector("button, summary").focus();
  showHidden();
}

async function showHidden() {
  const { text } = await api("hidden/").catch(() => ({}));
  if (text) document.querySelector("[data-hidden-today]").textContent = text;
}
