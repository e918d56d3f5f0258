import assert from "node:assert/strict";
import { test } from "node:test";

import { Following } from "../shared.js";
import { RefusingStorage, SharedStorage } from "./storage.js";

test("a first visit starts where the server is", () => {
  assert.equal(new Following("7", new SharedStorage()).since(12, "e1"), 12);
});

test("the next visit goes on from the furthest position that any tab followed", () => {
  const storage = new SharedStorage();
  new Following("7", storage).keep(9, "e1");
  new Following("7", storage).keep(8, "e1");
  assert.equal(new Following("7", storage).since(12, "e1"), 9);
});

test("a page that was made earlier is the earlier of the two", () => {
  const storage = new SharedStorage();
  new Following("7", storage).keep(15, "e1");
  assert.equal(new Following("7", storage).since(12, "e1"), 12);
});

test("a position of another epoch means nothing, and is replaced", () => {
  const following = new Following("7", new SharedStorage());
  following.keep(500, "e1");
  assert.equal(following.since(12, "e2"), 12);
  following.keep(3, "e2");
  assert.equal(following.since(12, "e2"), 3);
});

test("another user of the browser has a position of their own", () => {
  const storage = new SharedStorage();
  new Following("7", storage).keep(9, "e1");
  assert.equal(new Following("8", storage).since(12, "e1"), 12);
});

test("what cannot be read or written is as if it were not there", (t) => {
  t.mock.method(console, "warn", () => {});
  const storage = new SharedStorage();
  storage.setItem("zenithedge:following:7", "{broken");
  assert.equal(new Following("7", storage).since(12, "e1"), 12);
  new Following("7", new RefusingStorage()).keep(9, "e1");
  assert.equal(new Following("7", new RefusingStorage()).since(12, "e1"), 12);
});
