const AWAY_MS = 120_000;
const SIGNS = ["pointermove", "pointerdown", "keydown", "visibilitychange"];

/** Knows when somebody comes back to this page after being away: no sign of them, or another tab, for two minutes. */
export class Presence {
  #seenAtMs;

  constructor(nowMs = Date.now()) {
    this.#seenAtMs = nowMs;
  }

  /** A sign of somebody: whether it ends an absence. */
  returns(nowMs = Date.now()) {
    const away = nowMs - this.#seenAtMs > AWAY_MS;
    this.#seenAtMs = nowMs;
    return away;
  }

  /** Whether somebody looks at this page. */
  looks(nowMs = Date.now()) {
    return !document.hidden && nowMs - this.#seenAtMs <= AWAY_MS;
  }

  onReturn(act, root = document) {
    const sign = () => !root.hidden && this.returns() && act();
    for (const type of SIGNS) root.addEventListener(type, sign, { capture: true, passive: true });
  }
}
