import assert from "node:assert/strict";
import { test } from "node:test";
import { why } from "../why.js";

const came = { reason: "all_rules_passed", confidence: 88.5, min_confidence: 75, chosen: 0 };

test("says the two figures, and what of the user's lists it met", () => {
  assert.equal(why(came), "AI confidence 88.5 ≥ your 75");
  assert.equal(why({ ...came, chosen: 1 }), "AI confidence 88.5 ≥ your 75; symbol in your list");
  assert.equal(
    why({ ...came, chosen: 7 }),
    "AI confidence 88.5 ≥ your 75; high priority; symbol in your list; strategy in your list",
  );
});

test("says what let it through quiet hours", () => {
  const urgent = { ...came, reason: "urgent_in_quiet_hours" };
  assert.equal(why(urgent), "High priority, which you let through your quiet hours");
});

test("invents no figure for a row of earlier times", () => {
  assert.equal(why({ ...came, min_confidence: null }), "It passed every rule of your preferences");
});
