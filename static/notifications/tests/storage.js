/** A localStorage that several tabs share. */
export class SharedStorage {
  #values = new Map();

  getItem(key) {
    return this.#values.get(key) ?? null;
  }

  setItem(key, value) {
    this.#values.set(key, String(value));
  }
}

/** A localStorage that is full, or forbidden. */
export class RefusingStorage {
  getItem() {
    throw new DOMException("The operation is insecure.", "SecurityError");
  }

  setItem() {
    throw new DOMException("The quota has been exceeded.", "QuotaExceededError");
  }
}

/** One tab's view of a shared localStorage: its writes reach the other tabs a moment later. */
export class LaggingStorage {
  #shared;
  #lagMs;
  #underway = new Map();

  constructor(shared, lagMs = 100) {
    this.#shared = shared;
    this.#lagMs = lagMs;
  }

  getItem(key) {
    return this.#underway.get(key) ?? this.#shared.getItem(key);
  }

  setItem(key, value) {
    this.#underway.set(key, value);
    setTimeout(() => {
      this.#underway.delete(key);
      this.#shared.setItem(key, value);
    }, this.#lagMs);
  }
}
