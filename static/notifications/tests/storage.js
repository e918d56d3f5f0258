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
