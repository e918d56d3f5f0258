import { gettext } from "./texts.js";

const SHOWN_MS = 2000;

for (const button of document.querySelectorAll("[data-copy]")) {
  const source = document.getElementById(button.dataset.copy);
  button.addEventListener("click", async () => say(button, await copy(source)));
}

/** The clipboard exists on https and on this machine only; elsewhere the text is selected and copied the old way. */
async function copy(source) {
  if (navigator.clipboard) {
    const copied = navigator.clipboard.writeText(source.value).then(
      () => true,
      () => false,
    );
    if (await copied) return true;
  }
  source.focus();
  source.select();
  return document.execCommand("copy");
}

function say(button, copied) {
  const place = button.querySelector("[data-copy-text]");
  place.textContent = copied ? gettext("Copied") : gettext("Press Ctrl+C");
  setTimeout(() => {
    place.textContent = gettext("Copy");
  }, SHOWN_MS);
}
