import assert from "node:assert/strict";
import { test } from "node:test";

import { backoffMs, heartbeatMs, POLICY } from "../policy.js";

test("the wait before each attempt lies between half a second and a ceiling that doubles to ten", () => {
  const ceilings = [1, 2, 3, 4, 5, 6, 50].map((attempt) => backoffMs(attempt, () => 1));
  assert.deepEqual(ceilings, [1000, 2000, 4000, 8000, 10_000, 10_000, 10_000]);
  for (const attempt of [1, 5, 50])
    assert.equal(
      backoffMs(attempt, () => 0),
      500,
    );
});

test("the jitter is full: waits spread over the whole range", () => {
  const waits = Array.from({ length: 200 }, () => backoffMs(5));
  assert.ok(Math.min(...waits) < 2000 && Math.max(...waits) > 8500);
});

test("the heartbeat comes every 25 seconds, a fifth earlier or later", () => {
  assert.deepEqual(
    [0, 0.5, 1].map((random) => heartbeatMs(() => random)),
    [20_000, 25_000, 30_000],
  );
});

test("the numbers cannot be changed by accident", () => {
  assert.throws(() => (POLICY.reconnect.maxMs = 1), TypeError);
});
