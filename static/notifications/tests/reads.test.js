import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Reads } from "../reads.js";
import { Store } from "../store.js";
import { EPOCH, recorded, row } from "./frames.js";

const LIST = {
  notifications: [row(1, 3, { read: true }), row(2, 3, { read: true })],
  unread_count: 0,
  last_seq: 3,
  epoch: EPOCH,
};

/** `asked` are the paths and bodies that were asked for. */
function open({ state = "live", marked = { count: 2, seq: 3, unread_count: 0 }, undone = { count: 2 } } = {}) {
  const asked = [];
  const answers = { "mark-all-read/": marked, "mark-all-read/undo/": undone, "list/?limit=100": LIST };
  const api = async (...request) => {
    asked.push(request);
    return answers[request[0]];
  };
  const store = new Store({ position: 2, epoch: EPOCH, unreadCount: 2, items: [row(1, 1), row(2, 2)] });
  const reads = new Reads({ api, store, socket: { state, expectFrames: () => {} } });
  return { asked, store, reads, told: recorded(reads, "undoable", "failed") };
}

describe("marking all read", () => {
  test("goes up to what this page knows of, and can be undone by the position of that change", async () => {
    const { asked, reads } = open();
    await reads.all();
    assert.equal(reads.undoable, 2);
    await reads.undo();
    assert.deepEqual(asked, [
      ["mark-all-read/", { up_to_seq: 2 }],
      ["mark-all-read/undo/", { seq: 3 }],
    ]);
  });

  test("is undone once", async () => {
    const { asked, reads } = open();
    await reads.all();
    await Promise.all([reads.undo(), reads.undo()]);
    assert.equal(asked.filter(([path]) => path === "mark-all-read/undo/").length, 1);
    assert.equal(reads.undoable, 0);
  });

  test("cannot be undone any more once its time is over", async () => {
    const { asked, reads } = open();
    await reads.all();
    reads.keep();
    await reads.undo();
    assert.equal(asked.length, 1);
  });

  test("offers nothing when nothing was unread", async () => {
    const { reads, told } = open({ marked: { count: 0, seq: null, unread_count: 0 } });
    await reads.all();
    assert.deepEqual([reads.undoable, told], [0, []]);
  });

  test("says when it was too late to undo", async () => {
    const { reads, told } = open({ undone: { count: 0, unread_count: 0 } });
    await reads.all();
    await reads.undo();
    assert.deepEqual(told.at(-1), ["failed", { message: "It was too late to undo that." }]);
  });

  test("shows without a live socket too", async () => {
    const { store, reads } = open({ state: "reconnecting" });
    await reads.all();
    assert.deepEqual(
      store.items.map(({ read }) => read),
      [true, true],
    );
    assert.equal(store.unreadCount, 0);
  });
});
