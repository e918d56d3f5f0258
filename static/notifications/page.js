import { fill, showState, stateOf } from "./rows.js";

/** The parts of the store that the server already rendered: enough to follow what becomes of each row. */
export function renderedItems(root = document) {
  return [...root.querySelectorAll("main [data-notification]")].map(({ dataset }) => ({
    id: Number(dataset.id),
    seq: Number(dataset.seq),
    read: dataset.state === "read",
    expired_at: dataset.state === "expired" || null,
    superseded_by: dataset.state === "superseded" || null,
  }));
}

/** What has become of the insights that the page shows, and the forms beside them. */
export class Page {
  #store;
  #reads;

  constructor({ store, reads, root = document }) {
    this.#store = store;
    this.#reads = reads;
    store.addEventListener("change", ({ detail }) => this.#changed(root, detail));
    root.addEventListener("submit", (event) => this.#submitted(event));
    root.addEventListener("click", (event) => this.#opened(event));
    this.#readOpenInsight(root);
  }

  #changed(root, { ids, count }) {
    for (const place of root.querySelectorAll("[data-unread-count-text]")) place.textContent = count;
    for (const button of root.querySelectorAll("form[data-mark-all-form] button")) button.disabled = count === 0;
    for (const id of [...ids].sort((a, b) => a - b)) this.#show(root, this.#store.item(id));
  }

  #show(root, notification) {
    if (!notification) return;
    const shown = root.querySelector(`main [data-notification][data-id="${notification.id}"]`);
    if (shown && (!notification.title || shown.matches("[data-insight]"))) showState(shown, stateOf(notification));
    else if (shown) fill(shown, notification);
  }

  /** The forms work alone; here they do the same without leaving the page. */
  #submitted(event) {
    const form = event.target;
    if (form.matches("form[data-mark-read]")) {
      event.preventDefault();
      this.#reads.one(Number(form.closest("[data-notification]").dataset.id));
    } else if (form.matches("form[data-mark-all-form]")) {
      event.preventDefault();
      this.#reads.all();
    }
  }

  #opened({ target }) {
    const row = target.closest("main [data-open]")?.closest("[data-notification]");
    if (row?.dataset.state === "unread") this.#reads.one(Number(row.dataset.id));
  }

  #readOpenInsight(root) {
    const insight = root.querySelector("[data-insight][data-state=unread]");
    if (insight) this.#reads.one(Number(insight.dataset.id));
  }
}
