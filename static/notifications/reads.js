/**
 * Marks notifications read over HTTP. The frame that follows changes the store; without a live socket the answer does.
 *
 * Events: failed {message}
 */
export class Reads extends EventTarget {
  #api;
  #store;
  #socket;

  constructor({ api, store, socket }) {
    super();
    this.#api = api;
    this.#store = store;
    this.#socket = socket;
  }

  one(id) {
    if (this.#store.item(id)?.read) return Promise.resolve();
    return this.#do(() => this.#api.markRead(id), { ids: [id] });
  }

  /** Everything that this page knows of; what arrives during the click stays unread. */
  all() {
    const upToSeq = this.#store.position;
    return this.#do(() => this.#api.markAllRead(upToSeq), { upToSeq });
  }

  async #do(request, read) {
    try {
      const answer = await request();
      if (this.#socket.state === "live") this.#socket.expectFrames();
      else this.#store.markRead({ ...read, unreadCount: answer.unread_count });
    } catch (error) {
      this.dispatchEvent(new CustomEvent("failed", { detail: { message: error.message } }));
    }
  }
}
