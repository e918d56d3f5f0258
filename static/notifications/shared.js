/** A value that the tabs of a browser share, and keep from visit to visit; where storage refuses, each has its own. */
export class Shared {
  #name;
  #storage;
  #own = null;

  constructor(name, storage = browserStorage()) {
    this.#name = `zenithedge:${name}`;
    this.#storage = storage;
  }

  get() {
    try {
      return JSON.parse(this.#storage.getItem(this.#name));
    } catch {
      return this.#own; // unreadable is as good as never written
    }
  }

  set(value) {
    this.#own = value;
    try {
      this.#storage.setItem(this.#name, JSON.stringify(value));
    } catch (error) {
      console.warn("Other tabs cannot be told:", error.message);
    }
  }
}

/** How far this browser has followed a user's stream: what came while it was closed lies beyond. */
export class Following {
  #kept;

  constructor(userId, storage) {
    this.#kept = new Shared(`following:${userId}`, storage);
  }

  /** Where to go on from. */
  since(lastSeq, epoch) {
    return Math.min(this.#seq(epoch) ?? lastSeq, lastSeq);
  }

  keep(seq, epoch) {
    this.#kept.set({ seq: Math.max(this.#seq(epoch) ?? seq, seq), epoch });
  }

  #seq(epoch) {
    const kept = this.#kept.get();
    return kept?.epoch === epoch && Number.isSafeInteger(kept.seq) ? kept.seq : null;
  }
}

/** localStorage, or null where the browser forbids it. */
function browserStorage() {
  try {
    return globalThis.localStorage;
  } catch {
    return null;
  }
}
