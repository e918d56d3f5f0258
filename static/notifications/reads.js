import { gettext } from "./texts.js";

const SEEN_ROWS = 100;

/**
 * Marks notifications read over HTTP. The frame that follows changes the store; without a live socket the list does.
 *
 * Events: failed {message}; undoable, when `undoable` has changed
 */
export class Reads extends EventTarget {
  #api;
  #store;
  #socket;
  #marked = null;

  constructor({ api, store, socket }) {
    super();
    this.#api = api;
    this.#store = store;
    this.#socket = socket;
  }

  /** How many `undo` would bring back. */
  get undoable() {
    return this.#marked?.count ?? 0;
  }

  async one(id) {
    if (!this.#store.item(id)?.read) await this.#post(`mark-read/${id}/`, { entry: true });
  }

  /** Of these, in one change. */
  async many(ids) {
    const answer = await this.#post("mark-read/", { ids });
    if (answer?.seq) this.#offer(answer);
  }

  async unread(id) {
    if (this.#store.item(id)?.read) await this.#post(`mark-unread/${id}/`);
  }

  /** Everything that this page knows of; what arrives during the click stays unread. */
  async all() {
    const answer = await this.#post("mark-all-read/", { up_to_seq: this.#store.position });
    if (answer?.seq) this.#offer(answer);
  }

  /** Bring back what `all` or `many` has just read. */
  async undo() {
    if (!this.#marked) return;
    const { seq } = this.#marked;
    this.keep();
    const answer = await this.#post("mark-all-read/undo/", { seq });
    if (answer?.count === 0) this.#tell("failed", { message: gettext("It was too late to undo that.") });
  }

  /** What was marked stays marked: the time to undo it is over. */
  keep() {
    this.#offer(null);
  }

  #offer(marked) {
    this.#marked = marked;
    this.#tell("undoable");
  }

  async #post(path, body = {}) {
    try {
      const answer = await this.#api(path, body);
      if (this.#socket.state === "live") this.#socket.expectFrames();
      else this.#store.merge(await this.#api(`list/?limit=${SEEN_ROWS}`));
      return answer;
    } catch ({ message }) {
      this.#tell("failed", { message });
    }
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
