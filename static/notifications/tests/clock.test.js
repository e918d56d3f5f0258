import assert from "node:assert/strict";
import { test } from "node:test";

import { pauseEnd, reading } from "../clock.js";

const NOON_UTC = Date.UTC(2026, 2, 1, 12, 0);

test("a moment is read by the zone's clock", () => {
  assert.equal(reading(NOON_UTC, "UTC"), "2026-03-01T12:00");
  assert.equal(reading(NOON_UTC, "Asia/Kathmandu"), "2026-03-01T17:45");
  assert.throws(() => reading(NOON_UTC, "Nowhere"), RangeError);
});

test("a pause of hours ends so many hours from now", () => {
  assert.equal(pauseEnd("1", NOON_UTC, "UTC"), "2026-03-01T13:00");
  assert.equal(pauseEnd("4", Date.UTC(2026, 2, 1, 22, 30), "UTC"), "2026-03-02T02:30");
});

test("a pause of hours is right on the night on which the clocks change", () => {
  assert.equal(pauseEnd("1", Date.UTC(2026, 2, 29, 0, 30), "Europe/London"), "2026-03-29T02:30");
});

test("a pause until the morning ends at the next eight o'clock of the zone", () => {
  assert.equal(pauseEnd("morning", NOON_UTC, "UTC"), "2026-03-02T08:00");
  assert.equal(pauseEnd("morning", Date.UTC(2026, 2, 1, 3, 0), "UTC"), "2026-03-01T08:00");
  assert.equal(pauseEnd("morning", Date.UTC(2026, 11, 31, 22, 0), "Asia/Tokyo"), "2027-01-01T08:00");
});

test("no pause is an empty input", () => {
  assert.equal(pauseEnd("none", NOON_UTC, "UTC"), "");
});
