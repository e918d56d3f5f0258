import assert from "node:assert/strict";
import { test } from "node:test";
import { typedNames } from "../names.js";

test("symbols are taken apart at commas, semicolons and blanks", () => {
  assert.deepEqual(typedNames(" EURUSD, GBPUSD;USDJPY\nXAUUSD ", "symbols_filter"), [
    "EURUSD",
    "GBPUSD",
    "USDJPY",
    "XAUUSD",
  ]);
});

test("a strategy's name keeps its commas and blanks", () => {
  assert.deepEqual(typedNames("  Own, with comma ", "strategies_filter"), ["Own, with comma"]);
});

test("nothing typed is no name", () => {
  for (const field of ["symbols_filter", "strategies_filter"]) assert.deepEqual(typedNames(" \n ", field), []);
});
