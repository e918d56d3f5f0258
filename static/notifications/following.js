/** How far this browser has followed the user's stream, kept from visit to visit. Storage may be full or forbidden. */
export class Following {
  #key;
  #storage;

  constructor(userId, storage = browserStorage()) {
    this.#key = `zenithedge:following:${userId}`;
    this.#storage = storage;
  }

  /** Where to go on from: what came while the browser was closed is beyond it. */
  since(lastSeq, epoch) {
    const kept = this.#read();
    return kept?.epoch === epoch ? Math.min(kept.seq, lastSeq) : lastSeq;
  }

  keep(seq, epoch) {
    const kept = this.#read();
    const furthest = kept?.epoch === epoch ? Math.max(kept.seq, seq) : seq;
    try {
      this.#storage?.setItem(this.#key, JSON.stringify({ seq: furthest, epoch }));
    } catch (error) {
      console.warn("The position cannot be kept:", error.message);
    }
  }

  #read() {
    try {
      const kept = JSON.parse(this.#storage?.getItem(this.#key) ?? "null");
      return Number.isSafeInteger(kept?.seq) ? kept : null;
    } catch {
      return null; // unreadable is as good as never written
    }
  }
}

/** localStorage, or null where the browser forbids it. */
export function browserStorage() {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null;
  }
}
