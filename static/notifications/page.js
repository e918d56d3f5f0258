import { fill, fromTemplate, refreshAges, showState, stateOf } from "./rows.js";

const AGES_EVERY_MS = 30_000;

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

/** The page's own list of insights (dashboard, history) and the insight page. */
export class Page {
  #store;
  #reads;
  #list;

  constructor({ store, reads, root = document }) {
    this.#store = store;
    this.#reads = reads;
    this.#list = root.querySelector("[data-list]");
    store.addEventListener("change", ({ detail }) => this.#changed(root, detail));
    root.addEventListener("submit", (event) => this.#submitted(event));
    this.#list?.addEventListener("click", (event) => this.#opened(event));
    this.#readOpenInsight(root);
    refreshAges(root);
    setInterval(() => refreshAges(root), AGES_EVERY_MS);
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
    else if (notification.title && this.#list) this.#insert(notification);
  }

  /** Only what is newer than the newest: older ones belong to the pages behind. */
  #insert(notification) {
    const newest = this.#list.querySelector("[data-notification]");
    if (!("live" in this.#list.dataset) || Number(newest?.dataset.id ?? 0) > notification.id) return;
    const row = fromTemplate("row");
    fill(row, notification);
    row.classList.add("is-arriving");
    this.#list.prepend(row);
    document.querySelector("[data-empty]")?.remove();
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
    const row = target.closest("[data-open]")?.closest("[data-notification]");
    if (row?.dataset.state === "unread") this.#reads.one(Number(row.dataset.id));
  }

  #readOpenInsight(root) {
    const insight = root.querySelector("[data-insight][data-state=unread]");
    if (insight) this.#reads.one(Number(insight.dataset.id));
  }
}
