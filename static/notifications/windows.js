/**
 * Has the server add, remove or fill in quiet windows, and shows its answer in place of those that there were. Nothing is
 * saved by it. Throws when there is no answer to show.
 */
export async function editWindows(form, button) {
  const data = new FormData(form);
  data.append(button.name, button.value);
  const response = await fetch(form.action, { method: "POST", body: data });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const fresh = page.querySelector("[data-windows]");
  if (!fresh) throw new Error(`The server answered ${response.status}.`);
  form.querySelector("[data-windows]").replaceWith(document.importNode(fresh, true));
  form.elements.quiet_hours_enabled.checked = page.querySelector("[name=quiet_hours_enabled]").checked;
  nextFocus(form, button).focus();
  form.dispatchEvent(new Event("change", { bubbles: true }));
}

/** The window that was added; else the button that was pressed or, when that is gone, the one that adds. */
function nextFocus(form, { value }) {
  if (value === "add") return [...form.querySelectorAll("[data-window] input[type=time]")].at(-2);
  return form.querySelector(`[name=windows][value="${value}"]`) ?? form.querySelector("[data-window-add]");
}
