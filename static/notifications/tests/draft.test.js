import assert from "node:assert/strict";
import { test } from "node:test";
import { draftOf } from "../draft.js";

const FLAGS = ["web_enabled", "high_priority_only"];

/** What a form with these fields holds. */
function contents(fields) {
  const data = new FormData();
  const usual = {
    min_confidence: "65",
    quiet_start_time: "22:00",
    quiet_end_time: "07:00",
    quiet_mode: "hold",
    time_zone: "UTC",
  };
  for (const [name, value] of Object.entries({ ...usual, ...fields })) {
    for (const one of [value].flat()) data.append(name, one);
  }
  return data;
}

test("each field has the type that the API takes", () => {
  const data = contents({ web_enabled: "on", symbols_filter: ["EURUSD", "  "], quiet_weekdays: ["0", "6"] });
  assert.deepEqual(draftOf(data, FLAGS), {
    web_enabled: true,
    high_priority_only: false,
    min_confidence: 65,
    symbols_filter: ["EURUSD"],
    strategies_filter: [],
    quiet_start_time: "22:00",
    quiet_end_time: "07:00",
    quiet_mode: "hold",
    time_zone: "UTC",
    quiet_weekdays: [0, 6],
    quiet_windows: [],
  });
});

test("further windows come in their order", () => {
  const data = contents({
    "windows-TOTAL_FORMS": "2",
    "windows-0-start": "12:00",
    "windows-0-end": "13:00",
    "windows-0-weekdays": ["0", "4"],
    "windows-1-start": "",
    "windows-1-end": "18:00",
  });
  assert.deepEqual(draftOf(data, FLAGS).quiet_windows, [
    { start: "12:00", end: "13:00", weekdays: [0, 4] },
    { start: "", end: "18:00", weekdays: [] },
  ]);
});

test("a figure that is not typed yet is none", () => {
  assert.equal(draftOf(contents({ min_confidence: "" }), FLAGS).min_confidence, null);
});
