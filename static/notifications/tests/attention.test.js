import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Burst, Presence } from "../attention.js";

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

describe("coming back", () => {
  test("takes more than two minutes without a sign", () => {
    assert.equal(new Presence(0).returns(120_000), false);
    assert.equal(new Presence(0).returns(120_001), true);
  });

  test("counts from the last sign", () => {
    const presence = new Presence(0);
    assert.deepEqual(
      [presence.returns(100_000), presence.returns(200_000), presence.returns(320_001)],
      [false, false, true],
    );
  });

  test("happens once", () => {
    const presence = new Presence(0);
    assert.deepEqual([presence.returns(500_000), presence.returns(500_001)], [true, false]);
  });

  test("is no sign in a tab that nobody sees", () => {
    const page = Object.assign(new EventTarget(), { hidden: true });
    let returned = 0;
    new Presence(Date.now() - 500_000).onReturn(() => (returned += 1), page);
    page.dispatchEvent(new Event("visibilitychange"));
    assert.equal(returned, 0);
    page.hidden = false;
    page.dispatchEvent(new Event("visibilitychange"));
    page.dispatchEvent(new Event("pointermove"));
    assert.equal(returned, 1);
  });
});
