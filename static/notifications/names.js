// No symbol has a comma or a blank in it; a strategy's name may.
const BETWEEN = { symbols_filter: /[\s,;]+/, strategies_filter: /\n/ };

/** What was typed or pasted into a field, as separate names. */
export function typedNames(text, field) {
  return text
    .split(BETWEEN[field])
    .map((name) => name.trim())
    .filter(Boolean);
}

/** Boxes to tick, and an input whose text becomes one more ticked box. */
export class Names {
  #field;
  #name;
  #picks;
  #entry;

  constructor(field) {
    this.#field = field;
    this.#name = field.dataset.names;
    this.#picks = field.querySelector("[data-picks]");
    this.#entry = field.querySelector("[data-name-entry]");
    this.#entry.addEventListener("keydown", (event) => this.#pressed(event));
    field.querySelector("[data-name-add]").addEventListener("click", () => this.#add());
  }

  /** Enter adds; in an empty input it saves the form, as everywhere. */
  #pressed(event) {
    if (event.key !== "Enter" || event.isComposing || !this.#entry.value.trim()) return;
    event.preventDefault();
    this.#add();
  }

  #add() {
    for (const name of typedNames(this.#entry.value, this.#name)) this.#tick(name);
    this.#entry.value = "";
    this.#entry.focus();
    this.#field.dispatchEvent(new Event("change", { bubbles: true }));
  }

  #tick(name) {
    const boxes = [...this.#picks.querySelectorAll("input")];
    const known = boxes.find(({ value }) => value.toLowerCase() === name.toLowerCase());
    if (known) known.checked = true;
    else this.#picks.append(this.#pick(name));
  }

  #pick(name) {
    const template = document.querySelector(`template[data-template="pick-${this.#name}"]`);
    const pick = template.content.firstElementChild.cloneNode(true);
    pick.querySelector("input").value = name;
    pick.querySelector("span").textContent = name;
    return pick;
  }
}
