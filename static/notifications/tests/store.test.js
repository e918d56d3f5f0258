import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Store } from "../store.js";
import { brief, EPOCH, established, fresh, missed, read, recorded, row, updated } from "./frames.js";

const at = (position, state = {}) => new Store({ position, epoch: EPOCH, ...state });
const receive = (store, ...frames) => {
  for (const frame of frames) store.receive(frame);
};
const readIds = (store) => store.items.filter((item) => item.read).map((item) => item.id);

describe("events", () => {
  test("the next position is applied and counted", () => {
    const store = at(0);
    receive(store, fresh(1, 1, 1));
    assert.equal(store.position, 1);
    assert.equal(store.unreadCount, 1);
    assert.equal(store.item(1).title, row(1, 1).title);
  });

  test("out of order, a row shows at once, and the position follows as soon as the hole is filled", () => {
    const store = at(0);
    receive(store, fresh(2, 2, 2), updated(2, 3, 1, { read: true }));
    assert.deepEqual([store.position, readIds(store), store.unreadCount], [0, [2], 1]);
    assert.equal(store.snapshot().behind, true);
    assert.deepEqual(store.snapshot().waiting, [2, 3]);
    receive(store, fresh(1, 1, 2));
    assert.deepEqual([store.position, readIds(store), store.unreadCount], [3, [2], 1]);
    assert.deepEqual([store.snapshot().behind, store.snapshot().waiting], [false, []]);
  });

  test("what marks rows beyond a hole is left to the sync", () => {
    const store = at(0);
    receive(store, fresh(2, 2, 2), read(3, 0, { up_to_seq: 2 }), fresh(1, 1, 1));
    assert.deepEqual([store.position, store.snapshot().behind, readIds(store)], [2, true, []]);
    receive(store, missed([row(1, 3, { read: true }), row(2, 3, { read: true })], 3));
    assert.deepEqual([store.position, store.snapshot().behind, readIds(store)], [3, false, [2, 1]]);
  });

  test("a hole is told once something lies beyond it, and that it closed", () => {
    const store = at(4);
    const events = recorded(store, "gap", "caught-up");
    receive(store, fresh(6, 6, 2), fresh(5, 5, 1));
    assert.deepEqual(
      events.map(([type]) => type),
      ["gap", "caught-up"],
    );
  });

  test("doubled ones change nothing and raise one toast", () => {
    const store = at(0);
    const toasts = recorded(store, "arrived");
    receive(store, fresh(1, 1, 1), read(2, 0, { ids: [1] }), fresh(1, 1, 1), fresh(1, 1, 1));
    assert.equal(store.position, 2);
    assert.deepEqual(readIds(store), [1]);
    assert.equal(store.unreadCount, 0);
    assert.equal(toasts.length, 1);
  });

  test("doubled beyond a hole, they raise one toast", () => {
    const store = at(0);
    const toasts = recorded(store, "arrived");
    receive(store, fresh(2, 2, 2), fresh(2, 2, 2), fresh(1, 1, 1));
    assert.deepEqual(
      toasts.map(([, { notifications }]) => notifications[0].id),
      [2, 1],
    );
  });

  test("several rows of one change, each in its own frame, all apply", () => {
    const store = at(2, { items: [row(1, 1), row(2, 2)] });
    receive(store, updated(1, 3, 0, { read: true }), updated(2, 3, 0, { read: true }));
    assert.deepEqual(readIds(store), [2, 1]);
    assert.equal(store.position, 3);
  });

  test("several rows of one change beyond a hole all apply", () => {
    const store = at(0, { items: [row(1, 0), row(2, 0)] });
    receive(store, updated(1, 2, 0, { read: true }), updated(2, 2, 0, { read: true }), fresh(3, 1, 1));
    assert.deepEqual(readIds(store), [2, 1]);
  });

  test("an update replaces the row and raises no toast", () => {
    const store = at(0);
    const toasts = recorded(store, "arrived");
    receive(store, fresh(1, 1, 1), updated(1, 2, 0, { expired_at: "2026-01-01T00:00:00.000Z" }));
    assert.equal(store.item(1).expired_at, "2026-01-01T00:00:00.000Z");
    assert.equal(toasts.length, 1);
  });

  test("a toast is raised only when the frame asks for it and the insight is still unread", () => {
    const store = at(0);
    const toasts = recorded(store, "arrived");
    receive(store, { ...fresh(1, 1, 1), toast: false }, fresh(2, 2, 1, { read: true }));
    assert.equal(toasts.length, 0);
  });

  test("an insight that was shown once raises no second toast when it changes", () => {
    const store = at(1, { items: [row(1, 1)] });
    const toasts = recorded(store, "arrived");
    receive(store, fresh(1, 2, 1), fresh(2, 3, 2), fresh(2, 4, 2));
    assert.deepEqual(
      toasts.map(([, { notifications }]) => notifications[0].id),
      [2],
    );
  });

  test("an older event does not undo a row that came newer from elsewhere", () => {
    const store = at(0);
    store.merge({ notifications: [row(1, 2, { read: true })], unread_count: 0, last_seq: 2, epoch: EPOCH });
    receive(store, fresh(1, 1, 1));
    assert.equal(store.item(1).read, true);
    assert.equal(store.unreadCount, 0);
  });
});

describe("reading", () => {
  test("by id reads those and stamps them with the position", () => {
    const store = at(0);
    receive(store, fresh(1, 1, 1), fresh(2, 2, 2), read(3, 1, { ids: [1, 99] }));
    assert.deepEqual(readIds(store), [1]);
    assert.equal(store.item(1).seq, 3);
    assert.equal(store.item(2).seq, 2);
  });

  test("leaves a row alone that is known from later on", () => {
    const store = at(0);
    store.merge({ notifications: [row(1, 5)], unread_count: 1, last_seq: 5, epoch: EPOCH });
    receive(store, fresh(2, 1, 1), read(2, 0, { ids: [1] }));
    assert.deepEqual([store.item(1).read, store.item(1).seq], [false, 5]);
  });

  test("everything up to a position leaves what came later unread", () => {
    const store = at(0);
    receive(store, fresh(1, 1, 1), fresh(2, 2, 2), fresh(3, 3, 3), read(4, 1, { up_to_seq: 2 }));
    assert.deepEqual(readIds(store), [2, 1]);
    assert.equal(store.item(3).seq, 3);
    assert.equal(store.unreadCount, 1);
  });

  test("everything up to a position touches neither the expired nor the superseded", () => {
    const expired = row(1, 1, { expired_at: "2026-01-01T00:00:00.000Z" });
    const store = at(2, { items: [expired, row(2, 2, { superseded_by: 3 })] });
    receive(store, read(3, 0, { up_to_seq: 2 }));
    assert.deepEqual(readIds(store), []);
    assert.equal(store.item(1).seq, 1);
  });

  test("undone brings back what that change read, and nothing else", () => {
    const store = at(4, { items: [row(1, 4, { read: true }), row(2, 3, { read: true }), row(3, 4, { read: true })] });
    receive(store, read(5, 0, { ids: [3] }), { type: "notification_unread", seq: 6, unread_count: 1, read_at_seq: 4 });
    assert.deepEqual([readIds(store), store.unreadCount, store.position], [[3, 2], 1, 6]);
    assert.equal(store.item(1).seq, 6);
  });

  test("undone leaves the expired and the superseded alone", () => {
    const expired = row(1, 4, { read: true, expired_at: "2026-01-01T00:00:00.000Z" });
    const store = at(4, { items: [expired, row(2, 4, { read: true, superseded_by: 3 })] });
    receive(store, { type: "notification_unread", seq: 5, unread_count: 0, read_at_seq: 4 });
    assert.deepEqual(readIds(store), [2, 1]);
  });

  test("undone raises no toast", () => {
    const store = at(2, { items: [row(1, 2, { read: true })] });
    const told = recorded(store, "arrived", "missed");
    receive(store, { type: "notification_unread", seq: 3, unread_count: 1, read_at_seq: 2 });
    assert.deepEqual(told, []);
  });
});

describe("catching up", () => {
  test("rows win when they are as new, and the position jumps to the last", () => {
    const store = at(1, { items: [row(1, 1)] });
    receive(store, missed([row(1, 3, { read: true }), row(2, 4)], 4));
    assert.equal(store.position, 4);
    assert.deepEqual(readIds(store), [1]);
    assert.equal(store.unreadCount, 1);
  });

  test("the position waits for the last page", () => {
    const store = at(0);
    receive(store, missed([row(1, 1)], 3, { more: true, unread_count: 2 }));
    assert.equal(store.position, 0);
    receive(store, missed([row(2, 3)], 3, { unread_count: 2 }));
    assert.equal(store.position, 3);
  });

  test("the position goes on to what had come beyond the rows", () => {
    const store = at(0);
    receive(store, fresh(2, 2, 2), fresh(4, 4, 3), missed([row(1, 1), row(2, 2), row(3, 3)], 3));
    assert.equal(store.position, 4);
    assert.equal(store.unreadCount, 3);
    assert.equal(store.snapshot().behind, false);
  });

  test("an answer that is older than the events changes nothing", () => {
    const store = at(0);
    receive(store, fresh(1, 1, 1), read(2, 0, { ids: [1] }), missed([row(1, 1)], 1));
    assert.deepEqual([store.position, store.unreadCount, readIds(store)], [2, 0, [1]]);
  });

  test("what was missed is told once, and only what is still unread", () => {
    const store = at(0);
    const told = recorded(store, "missed", "arrived");
    const page = missed([row(1, 1), row(2, 2, { read: true }), row(3, 3)], 3);
    receive(store, page, page, fresh(3, 3, 2));
    assert.equal(told.length, 1);
    assert.deepEqual(
      told[0][1].notifications.map(({ id }) => id),
      [1, 3],
    );
  });

  test("what the page showed already is told when it came after the browser's last visit, else not", () => {
    const store = at(1, { known: 2, items: [row(1, 1), row(2, 2)] });
    const told = recorded(store, "missed");
    receive(store, established(2, { unread_count: 2 }), missed([row(2, 2)], 2));
    assert.deepEqual(
      told[0][1].notifications.map(({ id }) => id),
      [2],
    );
    receive(store, fresh(1, 3, 2));
    assert.equal(told.length, 1);
  });

  test("a greeting from further on is a hole", () => {
    const store = at(2);
    const gaps = recorded(store, "gap");
    receive(store, established(5, { unread_count: 7 }));
    assert.equal(store.unreadCount, 7);
    assert.deepEqual(gaps, [["gap", { urgent: false }]]);
  });

  test("the badge follows the newest information, not the last to come", () => {
    const store = at(0, { known: 9, unreadCount: 5 });
    receive(store, fresh(1, 1, 1));
    assert.equal(store.unreadCount, 5);
  });
});

describe("starting anew", () => {
  const list = { notifications: [row(8, 9), row(7, 8)], unread_count: 2, last_seq: 9, epoch: "e2", next_before: null };

  for (const [name, frame] of [
    ["another epoch in the greeting", established(9, { epoch: "e2", recovered: false })],
    ["a greeting from before this position", established(3)],
    ["too much missed", missed([], 900, { recovered: false })],
    ["another epoch in an answer", missed([], 2, { epoch: "e2", recovered: false })],
  ]) {
    test(`${name} asks for the list, once`, () => {
      const store = at(5);
      const asked = recorded(store, "stale");
      receive(store, frame, frame);
      assert.equal(asked.length, 1);
      assert.equal(store.snapshot().stale, true);
    });
  }

  test("the list replaces everything, also a higher position", () => {
    const store = at(500, { items: [row(1, 1)] });
    receive(store, fresh(9, 502, 1), established(9, { epoch: "e2", recovered: false }));
    store.replace(list);
    assert.deepEqual([store.position, store.epoch, store.unreadCount, store.snapshot().behind], [9, "e2", 2, false]);
    assert.deepEqual(
      store.items.map(({ id }) => id),
      [8, 7],
    );
  });

  test("what comes while the list is read, and is not in it, is asked for afterwards", () => {
    const store = at(500);
    receive(store, established(9, { epoch: "e2", recovered: false }), fresh(9, 10, 3), fresh(7, 8, 1));
    const gaps = recorded(store, "gap", "caught-up");
    store.replace(list);
    assert.deepEqual([store.position, gaps], [9, [["gap", { urgent: false }]]]);
  });

  test("a list of another epoch beside the stream asks for the list", () => {
    const store = at(5);
    const asked = recorded(store, "stale");
    store.merge(list);
    assert.equal(asked.length, 1);
    assert.equal(store.items.length, 0);
  });
});

describe("the end of quiet hours", () => {
  test("moves nothing until its rows have been fetched, and asks for them at once", () => {
    const store = at(1);
    const events = recorded(store, "gap", "brief", "missed");
    receive(store, brief(2, 2));
    assert.equal(store.position, 1);
    assert.deepEqual(
      events.map(([type, detail]) => [type, detail.urgent]),
      [
        ["brief", undefined],
        ["gap", true],
      ],
    );
    receive(store, fresh(9, 3, 3), missed([row(5, 2), row(6, 2)], 2));
    assert.equal(store.position, 3);
    assert.deepEqual(
      store.items.map(({ id }) => id),
      [9, 6, 5],
    );
    assert.equal(
      events.some(([type]) => type === "missed"),
      false,
    );
  });

  test("is told once, however often it comes", () => {
    const store = at(1);
    const told = recorded(store, "brief");
    receive(store, brief(2, 2), brief(2, 2), missed([row(5, 2)], 2), brief(2, 2));
    assert.equal(told.length, 1);
  });
});
