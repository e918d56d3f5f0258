import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Reads } from "../reads.js";
import { Store } from "../store.js";
import { EPOCH, recorded, row } from "./frames.js";

/** The API as far as marking goes; every request is kept. */
class Api {
  asked = [];
  answers = { markAllRead: { count: 2, seq: 3, unread_count: 0 }, undoMarkAllRead: { count: 2, unread_count: 2 } };

  async markAllRead(upToSeq) {
    this.asked.push(["markAllRead", upToSeq]);
    return this.answers.markAllRead;
  }

  async undoMarkAllRead(seq) {
    this.asked.push(["undoMarkAllRead", seq]);
    return this.answers.undoMarkAllRead;
  }

  async list() {
    this.asked.push(["list"]);
    const notifications = [row(1, 3, { read: true }), row(2, 3, { read: true })];
    return { notifications, unread_count: 0, last_seq: 3, epoch: EPOCH };
  }
}

function open({ state = "live" } = {}) {
  const api = new Api();
  const store = new Store({ position: 2, epoch: EPOCH, unreadCount: 2, items: [row(1, 1), row(2, 2)] });
  const reads = new Reads({ api, store, socket: { state, expectFrames: () => {} } });
  return { api, store, reads, told: recorded(reads, "undoable", "failed") };
}

describe("marking all read", () => {
  test("goes up to what this page knows of, and can be undone by the position of that change", async () => {
    const { api, reads } = open();
    await reads.all();
    assert.equal(reads.undoable, 2);
    await reads.undo();
    assert.deepEqual(api.asked, [
      ["markAllRead", 2],
      ["undoMarkAllRead", 3],
    ]);
  });

  test("is undone once", async () => {
    const { api, reads } = open();
    await reads.all();
    await Promise.all([reads.undo(), reads.undo()]);
    assert.equal(api.asked.filter(([name]) => name === "undoMarkAllRead").length, 1);
    assert.equal(reads.undoable, 0);
  });

  test("cannot be undone any more once its time is over", async () => {
    const { api, reads } = open();
    await reads.all();
    reads.keep();
    await reads.undo();
    assert.equal(api.asked.length, 1);
  });

  test("offers nothing when nothing was unread", async () => {
    const { api, reads, told } = open();
    api.answers.markAllRead = { count: 0, seq: null, unread_count: 0 };
    await reads.all();
    assert.deepEqual([reads.undoable, told], [0, []]);
  });

  test("says when it was too late to undo", async () => {
    const { api, reads, told } = open();
    api.answers.undoMarkAllRead = { count: 0, unread_count: 0 };
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
