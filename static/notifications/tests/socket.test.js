import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, mock, test } from "node:test";

import { Following } from "../shared.js";
import { backoffMs, heartbeatMs, InsightSocket } from "../socket.js";
import { Store } from "../store.js";
import { brief, EPOCH, established, fresh, missed, row } from "./frames.js";
import { SharedStorage } from "./storage.js";

const opened = [];

/** A WebSocket whose other end is the test. */
class FakeWebSocket extends EventTarget {
  static OPEN = 1;
  readyState = 0;
  sent = [];

  constructor(address) {
    super();
    this.address = new URL(address);
    opened.push(this);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close(code) {
    this.end(code);
  }

  greet(frame) {
    this.readyState = 1;
    this.say(frame);
  }

  say(frame) {
    this.dispatchEvent(Object.assign(new Event("message"), { data: JSON.stringify(frame) }));
  }

  end(code) {
    this.readyState = 3;
    this.dispatchEvent(Object.assign(new Event("close"), { code }));
  }

  commands(name) {
    return this.sent.filter(({ command }) => command === name);
  }
}

let page;
let view;
let network;

/** Let promises that were made so far come to their end. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

let looking = true;
const presence = { looks: () => looking };

function connect({ position = 0, answer = async () => ({ unread_count: 0 }), list } = {}) {
  const store = new Store({ position, epoch: EPOCH });
  const api = mock.fn((path) => (path === "unread-count/" ? answer() : list()));
  const storage = new SharedStorage();
  const socket = new InsightSocket({
    store,
    api,
    address: "ws://site/stream/insights/7/",
    following: new Following("7", storage),
    presence,
  });
  socket.start();
  return { store, api, socket, storage, wire: opened.at(-1) };
}

beforeEach(() => {
  opened.length = 0;
  looking = true;
  page = new EventTarget();
  view = Object.assign(new EventTarget(), { hidden: false });
  network = { onLine: true };
  mock.timers.enable({ apis: ["setTimeout"] });
  for (const [name, value] of Object.entries({
    WebSocket: FakeWebSocket,
    document: view,
    navigator: network,
    addEventListener: page.addEventListener.bind(page),
  })) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
});
afterEach(() => mock.timers.reset());

describe("connecting", () => {
  test("asks for what came after its position and says that it is live once greeted", () => {
    const { socket, wire } = connect({ position: 5 });
    assert.equal(wire.address.search, `?since=5&epoch=${EPOCH}`);
    assert.equal(socket.state, "connecting");
    wire.greet(established(5));
    assert.equal(socket.state, "live");
  });

  test("a lost connection is tried again after a while, from where the store is", async () => {
    const { socket, wire } = connect();
    wire.greet(established(0));
    wire.say(fresh(1, 1, 1));
    wire.end(1006);
    await settle();
    assert.equal(socket.state, "reconnecting");
    mock.timers.tick(400);
    assert.equal(opened.length, 1);
    mock.timers.tick(1000);
    assert.equal(opened.length, 2);
    assert.equal(opened[1].address.searchParams.get("since"), "1");
  });

  test("it is tried at once when the network returns", async () => {
    const { socket, wire } = connect();
    wire.greet(established(0));
    network.onLine = false;
    wire.end(1006);
    await settle();
    assert.equal(socket.state, "offline");
    page.dispatchEvent(new Event("online"));
    assert.equal(opened.length, 2);
  });

  test("it is tried at once when the tab is looked at again", async () => {
    const { wire } = connect();
    wire.greet(established(0));
    wire.end(1006);
    await settle();
    view.dispatchEvent(new Event("visibilitychange"));
    assert.equal(opened.length, 2);
  });

  test("a server that says nothing for ten seconds counts as gone", async () => {
    const { socket } = connect();
    mock.timers.tick(10_000);
    await settle();
    assert.equal(socket.state, "reconnecting");
  });
});

describe("sending for everybody", () => {
  test("is said to be stopped or on when the server says so, and the position stays", () => {
    const { socket, store, wire } = connect({ position: 5 });
    const heard = [];
    socket.addEventListener("sending", ({ detail }) => heard.push(detail));
    wire.greet({ ...established(5), stopped: true });
    wire.say({ type: "sending", stopped: false });
    assert.deepEqual(heard, [true, false]);
    assert.equal(store.position, 5);
  });
});

describe("the waits between", () => {
  test("the wait before each attempt lies between half a second and a ceiling that doubles to ten", () => {
    const ceilings = [1, 2, 3, 4, 5, 6, 50].map((attempt) => backoffMs(attempt, () => 1));
    assert.deepEqual(ceilings, [1000, 2000, 4000, 8000, 10_000, 10_000, 10_000]);
    for (const attempt of [1, 5, 50])
      assert.equal(
        backoffMs(attempt, () => 0),
        500,
      );
  });

  test("the jitter is full: waits spread over the whole range", () => {
    const waits = Array.from({ length: 200 }, () => backoffMs(5));
    assert.ok(Math.min(...waits) < 2000 && Math.max(...waits) > 8500);
  });

  test("the heartbeat comes every 25 seconds, a fifth earlier or later", () => {
    assert.deepEqual(
      [0, 0.5, 1].map((random) => heartbeatMs(() => random)),
      [20_000, 25_000, 30_000],
    );
  });
});

describe("signed out", () => {
  const refusal = async () => {
    throw Object.assign(new Error("Sign in first."), { status: 401 });
  };

  test("said by the server and confirmed by the API, it stops for good", async () => {
    const { socket, wire } = connect({ answer: refusal });
    wire.greet(established(0));
    wire.end(4401);
    await settle();
    page.dispatchEvent(new Event("online"));
    mock.timers.tick(60_000);
    assert.equal(socket.state, "signed-out");
    assert.equal(opened.length, 1);
  });

  test("said by the server to a browser that is signed in anew, it connects again", async () => {
    const { socket, wire } = connect();
    wire.greet(established(0));
    wire.end(4401);
    await settle();
    mock.timers.tick(1000);
    assert.equal(socket.state, "reconnecting");
    assert.equal(opened.length, 2);
  });

  test("a refused handshake asks the API once, and stops when that says so", async () => {
    const { socket, api, wire } = connect({ answer: refusal });
    wire.end(1006);
    await settle();
    mock.timers.tick(60_000);
    assert.equal(socket.state, "signed-out");
    assert.equal(api.mock.callCount(), 1);
    assert.equal(opened.length, 1);
  });

  test("a refused handshake of somebody signed in is tried again", async () => {
    const { socket, wire } = connect();
    wire.end(1006);
    await settle();
    mock.timers.tick(1000);
    assert.equal(socket.state, "reconnecting");
    assert.equal(opened.length, 2);
  });

  test("a connection that was lost later does not ask the API", async () => {
    const { api, wire } = connect();
    wire.greet(established(0));
    wire.end(1006);
    await settle();
    assert.equal(api.mock.callCount(), 0);
  });
});

describe("level with the server", () => {
  test("a hole is left alone for 300 ms, then asked for once", () => {
    const { wire } = connect();
    wire.greet(established(0));
    wire.say(fresh(2, 2, 2));
    mock.timers.tick(299);
    assert.equal(wire.commands("sync").length, 0);
    mock.timers.tick(1);
    wire.say(fresh(3, 3, 3));
    mock.timers.tick(300);
    assert.deepEqual(wire.commands("sync"), [{ command: "sync", since: 0, epoch: EPOCH }]);
  });

  test("a hole that fills by itself asks nothing", () => {
    const { wire } = connect();
    wire.greet(established(0));
    wire.say(fresh(2, 2, 2));
    wire.say(fresh(1, 1, 1));
    mock.timers.tick(1000);
    assert.equal(wire.commands("sync").length, 0);
  });

  test("the end of quiet hours is asked for at once", () => {
    const { wire } = connect();
    wire.greet(established(0));
    wire.say(brief(1, 2));
    mock.timers.tick(1);
    assert.equal(wire.commands("sync").length, 1);
  });

  test("the heartbeat asks within 30 seconds, and a connection that does not answer is dropped", async () => {
    const { socket, wire } = connect();
    wire.greet(established(0));
    mock.timers.tick(30_000);
    assert.equal(wire.commands("sync").length, 1);
    mock.timers.tick(10_000);
    await settle();
    assert.equal(socket.state, "reconnecting");
  });

  test("what cannot be caught up is read over HTTP", async () => {
    const { store, api, wire } = connect({
      position: 900,
      list: async () => ({ notifications: [row(4, 4)], unread_count: 1, last_seq: 4, epoch: "e2" }),
    });
    wire.greet(established(4, { epoch: "e2", recovered: false }));
    await settle();
    assert.deepEqual(api.mock.calls[0].arguments, ["list/?limit=100"]);
    assert.deepEqual([store.position, store.epoch], [4, "e2"]);
  });
});

describe("acknowledging", () => {
  test("the position is acknowledged as it grows, at most every 250 ms, and kept for the next visit", () => {
    const { wire, storage } = connect();
    wire.greet(established(0));
    for (const seq of [1, 2, 3]) wire.say(fresh(seq, seq, seq));
    mock.timers.tick(250);
    wire.say(fresh(4, 4, 4));
    assert.deepEqual(
      wire.commands("ack").map(({ seq, visible }) => [seq, visible]),
      [
        [1, true],
        [3, true],
      ],
    );
    mock.timers.tick(250);
    assert.equal(wire.commands("ack").at(-1).seq, 4);
    assert.equal(new Following("7", storage).since(9, EPOCH), 4);
  });

  test("a page that nobody looks at says so with what it acknowledges", () => {
    const { wire } = connect();
    wire.greet(established(0));
    looking = false;
    wire.say(fresh(1, 1, 1));
    assert.deepEqual(wire.commands("ack"), [{ command: "ack", seq: 1, visible: false }]);
  });

  test("what lies beyond a hole is not acknowledged", () => {
    const { wire } = connect();
    wire.greet(established(0));
    wire.say(fresh(2, 2, 2));
    mock.timers.tick(250);
    assert.equal(wire.commands("ack").length, 0);
  });

  test("what was missed while the browser was closed is acknowledged", () => {
    const { wire } = connect({ position: 3 });
    wire.greet(established(5));
    wire.say(missed([row(4, 4), row(5, 5)], 5));
    assert.deepEqual(
      wire.commands("ack").map(({ seq }) => seq),
      [5],
    );
  });

  test("a page that is being left takes in nothing more, and goes on from there should it stay", () => {
    const { store, wire } = connect();
    wire.greet(established(0));
    page.dispatchEvent(new Event("beforeunload"));
    wire.say(fresh(1, 1, 1));
    assert.equal(store.position, 0);
    mock.timers.tick(2_999);
    assert.equal(opened.length, 1);
    mock.timers.tick(1);
    assert.equal(opened[1].address.searchParams.get("since"), "0");
  });

  test("whether the tab is in view is said when it changes", () => {
    const { wire } = connect();
    wire.greet(established(0));
    view.hidden = true;
    view.dispatchEvent(new Event("visibilitychange"));
    assert.deepEqual(wire.commands("visible"), [{ command: "visible", visible: false }]);
  });
});
