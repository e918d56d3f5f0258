import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Presence } from "../attention.js";

describe("coming back", () => {
  test("takes more than two minutes without a sign", () => {
    assert.equal(new Presence(0).returns(120_000), false);
    assert.equal(new Presence(0).returns(120_001), true);
  });

  test("counts from the last sign", () => {
    const presence = new Presence(0);
    assert.deepEqual(
      [presence.returns(100_000), presence.returns(200_000), presence.returns(320_001)],
      [false, false, true],
    );
  });

  test("happens once", () => {
    const presence = new Presence(0);
    assert.deepEqual([presence.returns(500_000), presence.returns(500_001)], [true, false]);
  });

  test("is no sign in a tab that nobody sees", () => {
    const page = Object.assign(new EventTarget(), { hidden: true });
    let returned = 0;
    new Presence(Date.now() - 500_000).onReturn(() => (returned += 1), page);
    page.dispatchEvent(new Event("visibilitychange"));
    assert.equal(returned, 0);
    page.hidden = false;
    page.dispatchEvent(new Event("visibilitychange"));
    page.dispatchEvent(new Event("pointermove"));
    assert.equal(returned, 1);
  });
});

test("a page is looked at while it is in view and was touched within two minutes", () => {
  const view = { hidden: false };
  globalThis.document = view;
  const presence = new Presence(0);
  assert.ok(presence.looks(120_000));
  assert.ok(!presence.looks(120_001));
  presence.returns(200_000);
  assert.ok(presence.looks(200_001));
  view.hidden = true;
  assert.ok(!presence.looks(200_001));
  delete globalThis.document;
});
