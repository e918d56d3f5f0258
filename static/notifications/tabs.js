import { browserStorage } from "./following.js";

const REMEMBERED = 300; // more than one catch-up can bring
const HIDDEN_WAITS_MS = 400; // the tab in view comes first
const SETTLE_MS = 150; // longer than a write takes to reach the other tabs

/**
 * One toast for any number of open tabs: who claims a key first shows it, and nobody claims it again.
 *
 * Web Locks let the tabs in one at a time. Where they are missing (plain http on a network), each writes a bid into the
 * storage they share, waits until it has settled and looks whose it was. Without storage each tab is alone.
 */
export class Tabs {
  #name;
  #storage;
  #locks;
  #tab = Math.random().toString(36).slice(2);

  constructor(userId, { storage = browserStorage(), locks = globalThis.navigator?.locks } = {}) {
    this.#name = `zenithedge:claims:${userId}`;
    this.#storage = storage;
    this.#locks = locks;
  }

  /** Those of the keys that are this tab's to show. */
  async claim(keys, { visible = true } = {}) {
    if (!visible) await pause(HIDDEN_WAITS_MS);
    if (!this.#storage) return keys;
    return this.#locks ? this.#takeAlone(keys) : this.#bid(keys);
  }

  /** The lock is held until the other tabs can read what was written: the storage of each follows a moment later. */
  #takeAlone(keys) {
    return new Promise((resolve, reject) => {
      const take = () => {
        const won = this.#take(keys);
        resolve(won);
        return won.length ? pause(SETTLE_MS) : null;
      };
      this.#locks.request(this.#name, take).catch(reject);
    });
  }

  #take(keys) {
    const claims = this.#claims();
    const won = keys.filter((key) => !(key in claims));
    this.#write(claims, won);
    return won;
  }

  async #bid(keys) {
    const wanted = this.#take(keys);
    if (!wanted.length) return [];
    await pause(SETTLE_MS);
    const claims = this.#claims();
    const lost = wanted.filter((key) => !(key in claims)); // two bids at once: the later write took the earlier away
    if (lost.length) this.#write(claims, lost);
    return wanted.filter((key) => lost.includes(key) || claims[key] === this.#tab);
  }

  #claims() {
    try {
      return JSON.parse(this.#storage.getItem(this.#name)) ?? {};
    } catch {
      return {}; // unreadable is as good as never written
    }
  }

  #write(claims, won) {
    const all = [...Object.entries(claims), ...won.map((key) => [key, this.#tab])];
    try {
      this.#storage.setItem(this.#name, JSON.stringify(Object.fromEntries(all.slice(-REMEMBERED))));
    } catch (error) {
      console.warn("Other tabs cannot be told which toasts were shown:", error.message);
    }
  }
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
