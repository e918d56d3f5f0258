import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Burst } from "../burst.js";

describe("a burst", () => {
  const exceeded = (...timesMs) => {
    const burst = new Burst();
    return timesMs.map((time) => burst.exceeded(time));
  };

  test("is more than six within ten seconds", () => {
    assert.deepEqual(exceeded(0, 1, 2, 3, 4, 9999), Array(6).fill(false));
    assert.equal(exceeded(0, 1, 2, 3, 4, 5, 9999).at(-1), true);
  });

  test("is over when fewer come", () => {
    assert.equal(exceeded(0, 1, 2, 3, 4, 5, 10_000).at(-1), false);
    assert.equal(exceeded(0, 1, 2, 3, 4, 5, 6, 10_007).at(-1), false);
  });

  test("lasts as long as more keep coming", () => {
    const everySecond = Array.from({ length: 30 }, (_, second) => second * 1000);
    assert.deepEqual(new Set(exceeded(...everySecond).slice(6)), new Set([true]));
  });
});
