import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";

import { gettext, interpolate, language, ngettext } from "../texts.js";

const POLISH = { one: "0", few: "1", many: "2" };
let loads = 0;

/** The module as a page loads it that comes with this catalogue. */
async function inPage(catalogue, lang = "pl") {
  const block = catalogue && { textContent: JSON.stringify(catalogue) };
  globalThis.document = {
    querySelector: (selector) => (selector === "#texts" ? block : null),
    documentElement: { lang },
  };
  return import(`../texts.js?${++loads}`);
}

/** What the server makes of a catalogue's plural expression. */
function table(rules) {
  const categories = new Intl.PluralRules(rules);
  return Array.from({ length: 200 }, (_, count) => POLISH[categories.select(count)]).join("");
}

afterEach(() => {
  delete globalThis.document;
});

describe("without a catalogue", () => {
  test("a text is itself", () => assert.equal(gettext("New"), "New"));

  test("one is singular, everything else plural", () => {
    const said = [0, 1, 2, 101].map((count) => ngettext("insight", "insights", count));
    assert.deepEqual(said, ["insights", "insight", "insights", "insights"]);
  });

  test("nothing is said of the language outside a page", () => assert.equal(language, undefined));

  test("a page in English is one", async () => {
    const texts = await inPage(null, "en");
    assert.deepEqual([texts.gettext("New"), texts.language], ["New", "en"]);
  });
});

describe("with a catalogue", () => {
  const catalogue = { texts: { New: "Nowe", insight: ["sygnał", "sygnały", "sygnałów"] }, plural: table("pl") };

  test("a text is the catalogue's, and one that it lacks is itself", async () => {
    const texts = await inPage(catalogue);
    assert.deepEqual([texts.gettext("New"), texts.gettext("Read")], ["Nowe", "Read"]);
  });

  test("plurals follow the language's own rule, for large counts too", async () => {
    const texts = await inPage(catalogue);
    const rules = new Intl.PluralRules("pl");
    for (const count of [0, 1, 2, 4, 5, 12, 22, 101, 102, 199, 200, 201, 202, 312, 1_000, 1_004, 123_456_782]) {
      const expected = { one: "sygnał", few: "sygnały", many: "sygnałów" }[rules.select(count)];
      assert.equal(texts.ngettext("insight", "insights", count), expected, `${count}`);
    }
  });

  test("a plural that it lacks is English", async () => {
    const texts = await inPage(catalogue);
    assert.deepEqual([texts.ngettext("tab", "tabs", 1), texts.ngettext("tab", "tabs", 5)], ["tab", "tabs"]);
  });
});

describe("values", () => {
  test("stand where their names are, in any order and more than once", () => {
    assert.equal(interpolate("%(b)s of %(a)s, %(b)s", { a: 1, b: "x" }), "x of 1, x");
  });

  test("are put in as they are", () => {
    assert.equal(interpolate("%(a)s: 54 %", { a: "$& %(b)s", b: 2 }), "$& %(b)s: 54 %");
  });
});
