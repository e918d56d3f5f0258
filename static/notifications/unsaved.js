import { gettext } from "./texts.js";

/** Says beside the button whether the form differs from what the server has. */
export function followUnsaved(form) {
  const place = document.querySelector("[data-save-state]");
  const saved = contents(form);
  const posted = "posted" in form.dataset; // and not saved: the form differs already
  const show = () => {
    const text = posted || contents(form) !== saved ? gettext("Unsaved changes") : "";
    if (place.textContent !== text) place.textContent = text;
  };
  form.addEventListener("input", show);
  form.addEventListener("change", show);
  show();
}

/** Whatever is empty counts for nothing, and the order of ticked boxes does not either. */
function contents(form) {
  const entries = [...new FormData(form)].filter(([, value]) => value !== "");
  return JSON.stringify(entries.map((entry) => entry.join("=")).sort());
}
