const BADGE_MAX = 99;

/** The bell: its badge counts what is unread. The panel is loaded when somebody first asks for it. */
export class Bell {
  #button;
  #badge;
  #title = document.title;
  #panel;

  constructor(live, root = document) {
    this.#button = root.querySelector("[data-bell-button]");
    this.#badge = root.querySelector("[data-badge]");
    this.#button.addEventListener("click", (event) => {
      event.preventDefault();
      this.#toggle({ ...live, root, button: this.#button });
    });
    live.store.addEventListener("change", ({ detail }) => this.#count(detail.count));
    this.#count(live.store.unreadCount);
  }

  async #toggle(live) {
    try {
      const { Panel } = await import("./panel.js");
      this.#panel ??= new Panel(live);
    } catch {
      return this.#button.form.submit(); // as without a script: the history page
    }
    this.#panel.toggle();
  }

  #count(count) {
    const shown = count > BADGE_MAX ? `${BADGE_MAX}+` : String(count);
    this.#badge.textContent = shown;
    this.#badge.hidden = count === 0;
    this.#button.setAttribute("aria-label", `Notifications, ${count} unread`);
    document.title = count ? `(${shown}) ${this.#title}` : this.#title;
  }
}
