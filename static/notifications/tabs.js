import { Shared } from "./shared.js";

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
  #shared;
  #locks;
  #tab = Math.random().toString(36).slice(2);

  constructor(userId, { storage, locks = globalThis.navigator?.locks } = {}) {
    this.#name = `zenithedge:claims:${userId}`;
    this.#shared = new Shared(`claims:${userId}`, storage);
    this.#locks = locks;
  }

  /** Those of the keys that are this tab's to show. */
  async claim(keys, { visible = true } = {}) {
    if (!visible) await pause(HIDDEN_WAITS_MS);
    return this.#locks ? this.#takeAlone(keys) : this.#bid(keys);
  }

  /** The lock is held until the other tabs can read what was written: the storage of each follows a moment later. */
  #takeAlone(keys) {
    return new Promise((resolve, reject) => {
      const take = () => {
        const won = this.#take(keys);
        resolve(won);
        return won.length && pause(SETTLE_MS);
      };
      this.#locks.request(this.#name, take).catch(reject);
    });
  }

  async #bid(keys) {
    const wanted = this.#take(keys);
    await pause(SETTLE_MS);
    const again = this.#take(wanted); // two bids at once: the later write took the earlier away
    const claims = this.#claims;
    return wanted.filter((key) => again.includes(key) || claims[key] === this.#tab);
  }

  #take(keys) {
    const claims = this.#claims;
    const free = keys.filter((key) => !(key in claims));
    const all = [...Object.entries(claims), ...free.map((key) => [key, this.#tab])];
    if (free.length) this.#shared.set(Object.fromEntries(all.slice(-REMEMBERED)));
    return free;
  }

  get #claims() {
    return this.#shared.get() ?? {};
  }
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
