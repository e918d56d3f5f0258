import assert from "node:assert/strict";
import { test } from "node:test";
import { standing } from "../devices.js";

const FINE = {
  secure: true,
  supported: true,
  installed: false,
  iphone: false,
  permission: "default",
  subscribed: null,
};

for (const [given, can, words] of [
  [{}, "on", /off for this device/],
  [{ subscribed: {} }, "off", /on for this device/],
  [{ permission: "denied" }, "", /Allow them in the site’s settings/],
  [{ supported: false }, "", /cannot receive/],
  [{ secure: false, supported: false }, "", /https/],
  [{ iphone: true, supported: false }, "", /Add to Home Screen/],
  [{ iphone: true, installed: true }, "on", /off for this device/],
]) {
  test(`with ${JSON.stringify(given)} it says ${words} and offers “${can}”`, () => {
    const found = standing({ ...FINE, ...given });
    assert.match(found.text, words);
    assert.equal(found.can, can);
  });
}
