const MANY = 6; // more than that within `MANY_WITHIN_MS` nobody reads one by one
const MANY_WITHIN_MS = 10_000;

/** Counts what comes. */
export class Burst {
  #times = [];

  /** One more comes: whether that makes too many to show each. */
  exceeded(nowMs = Date.now()) {
    this.#times = [...this.#times.filter((time) => nowMs - time < MANY_WITHIN_MS), nowMs];
    return this.#times.length > MANY;
  }
}
