import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, mock, test } from "node:test";

import { Tabs } from "../tabs.js";
import { LaggingStorage, RefusingStorage, SharedStorage } from "./storage.js";

/** Web Locks as the standard has them, as far as `request(name, callback)`: one holder at a time. */
class Locks {
  #tail = Promise.resolve();

  request(_name, callback) {
    this.#tail = this.#tail.then(callback);
    return this.#tail;
  }
}

const claims = (tabs, keys) => Promise.all(tabs.map((tab) => tab.claim(keys)));
const settled = async (promise, ms = 1000) => {
  for (let passed = 0; passed < ms; passed += 50) {
    await Promise.resolve();
    mock.timers.tick(50);
  }
  return promise;
};

for (const [name, options] of [
  ["with Web Locks", () => ({ storage: new SharedStorage(), locks: new Locks() })],
  ["without Web Locks", () => ({ storage: new SharedStorage(), locks: null })],
]) {
  describe(name, () => {
    let shared;
    beforeEach(() => {
      mock.timers.enable({ apis: ["setTimeout"] });
      shared = options();
    });
    afterEach(() => mock.timers.reset());

    const open = (count, user = "7") => Array.from({ length: count }, () => new Tabs(user, shared));

    test("of three tabs exactly one shows a toast", async () => {
      const won = await settled(claims(open(3), ["e1:1"]));
      assert.deepEqual(won.flat(), ["e1:1"]);
    });

    test("nobody shows it again later, not even a new tab", async () => {
      await settled(claims(open(1), ["e1:1"]));
      assert.deepEqual(await settled(claims(open(2), ["e1:1"])), [[], []]);
    });

    test("a catch-up that overlaps brings only the rest", async () => {
      const [first, second] = open(2);
      assert.deepEqual(await settled(first.claim(["e1:1", "e1:2"])), ["e1:1", "e1:2"]);
      assert.deepEqual(await settled(second.claim(["e1:1", "e1:2", "e1:3"])), ["e1:3"]);
    });

    test("different insights at the same instant are all shown, each once", async () => {
      const [first, second] = open(2);
      const won = await settled(Promise.all([first.claim(["e1:1"]), second.claim(["e1:2"])]));
      assert.deepEqual(won, [["e1:1"], ["e1:2"]]);
    });

    test("the tab in view comes before the hidden one", async () => {
      const [hidden, inView] = open(2);
      const won = await settled(
        Promise.all([hidden.claim(["e1:1"], { visible: false }), inView.claim(["e1:1"], { visible: true })]),
      );
      assert.deepEqual(won, [[], ["e1:1"]]);
    });

    test("a hidden tab shows it when no other does", async () => {
      const [hidden] = open(1);
      assert.deepEqual(await settled(hidden.claim(["e1:1"], { visible: false })), ["e1:1"]);
    });

    test("two users of one browser do not take each other's", async () => {
      await settled(claims(open(1, "7"), ["e1:1"]));
      assert.deepEqual(await settled(claims(open(1, "8"), ["e1:1"])), [["e1:1"]]);
    });

    test("the memory of shown toasts stays small", async () => {
      const [tab] = open(1);
      for (let n = 0; n < 50; n += 1)
        await settled(tab.claim(Array.from({ length: 10 }, (_, i) => `e1:${n * 10 + i}`)), 200);
      assert.ok(shared.storage.getItem("zenithedge:claims:7").length < 10_000);
      assert.deepEqual(await settled(tab.claim(["e1:499"])), []);
    });
  });
}

for (const [name, newLocks] of [
  ["with", () => new Locks()],
  ["without", () => null],
]) {
  describe(`where the tabs see each other's writes late, ${name} Web Locks`, () => {
    beforeEach(() => mock.timers.enable({ apis: ["setTimeout"] }));
    afterEach(() => mock.timers.reset());

    const open = (count) => {
      const [shared, locks] = [new SharedStorage(), newLocks()];
      return Array.from({ length: count }, () => new Tabs("7", { storage: new LaggingStorage(shared), locks }));
    };

    test("of three tabs that bid at the same instant exactly one shows the toast", async () => {
      assert.deepEqual((await settled(claims(open(3), ["e1:1"]))).flat(), ["e1:1"]);
    });

    test("a bid that another tab's write took away is made again", async () => {
      const [first, second] = open(2);
      const won = await settled(Promise.all([first.claim(["e1:1"]), second.claim(["e1:2"])]));
      assert.deepEqual(won, [["e1:1"], ["e1:2"]]);
    });
  });
}

describe("where storage refuses", () => {
  test("a tab shows its toasts as if it were alone", async (t) => {
    t.mock.method(console, "warn", () => {});
    const tab = new Tabs("7", { storage: new RefusingStorage(), locks: new Locks() });
    assert.deepEqual(await tab.claim(["e1:1"]), ["e1:1"]);
    assert.deepEqual(await new Tabs("7", { storage: null, locks: null }).claim(["e1:1"]), ["e1:1"]);
  });
});
