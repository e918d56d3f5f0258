const SIGNED_OUT = 4401;
const TOO_MANY_MESSAGES = 4429;
const UNANSWERED = 4000; // our own: closed by this side because nothing came back
const RECONNECT_MS = { least: 500, most: 10_000 };
const SYNC_EVERY_MS = 25_000;
const SYNC_JITTER = 0.2; // of the interval, to both sides: tabs opened together drift apart
const ANSWER_WITHIN_MS = 10_000; // no frame at all after a sync: the connection is dead, whatever the browser says
const GAP_MS = 300; // hints may overtake each other by that much
const ACK_EVERY_MS = 250;
const STAYED_AFTER_MS = 3_000; // a page that was left and is still here then, goes on

/** Full jitter: anywhere between the least and a ceiling that doubles with each failed attempt (1, 2, …). */
export function backoffMs(attempt, random = Math.random) {
  const { least, most } = RECONNECT_MS;
  return least + random() * (Math.min(most, least * 2 ** attempt) - least);
}

/** The time to the next heartbeat. */
export function heartbeatMs(random = Math.random) {
  return SYNC_EVERY_MS * (1 + SYNC_JITTER * (2 * random() - 1));
}

/**
 * Keeps one socket open and the store level with the server.
 *
 * Events: state, when `state` is another: connecting, live, reconnecting, offline or signed-out (for good);
 * sending, whether it is stopped for everybody
 */
export class InsightSocket extends EventTarget {
  state = "connecting";
  #store;
  #api;
  #address;
  #following;
  #presence;
  #socket = null;
  #attempt = 0;
  #greeted = false;
  #acknowledged;
  #syncing = false;
  #timers = {};

  /** `address` is the socket's without a query; `following` keeps the position for the browser's next visit. */
  constructor({ store, api, address, following, presence }) {
    super();
    this.#store = store;
    this.#api = api;
    this.#address = address;
    this.#following = following;
    this.#presence = presence;
    this.#acknowledged = store.position;
    store.addEventListener("gap", ({ detail }) => this.#mindGap(detail.urgent));
    store.addEventListener("caught-up", () => this.#caughtUp());
    store.addEventListener("stale", () => this.#readList());
  }

  start() {
    addEventListener("online", () => this.#hurry());
    addEventListener("offline", () => this.#doubt());
    addEventListener("beforeunload", () => this.#depart());
    addEventListener("pagehide", () => this.#depart());
    addEventListener("pageshow", ({ persisted }) => persisted && this.#open());
    document.addEventListener("visibilitychange", () => this.#sight());
    this.#open();
  }

  /** Sync shortly, unless the frames that were announced come by themselves. */
  expectFrames() {
    this.#mindGap(false);
  }

  #open() {
    if (this.state === "signed-out") return;
    this.#leave();
    this.#greeted = false;
    const query = new URLSearchParams({ since: this.#store.position, epoch: this.#store.epoch });
    const socket = new WebSocket(`${this.#address}?${query}`);
    socket.addEventListener("message", ({ data }) => this.#socket === socket && this.#receive(JSON.parse(data)));
    socket.addEventListener("close", ({ code }) => this.#socket === socket && this.#closed(code));
    this.#socket = socket;
    this.#expectAnswer();
  }

  #receive(frame) {
    this.#stopTimer("answer");
    if (frame.type === "connection_established") this.#greet();
    if ("stopped" in frame) this.dispatchEvent(new CustomEvent("sending", { detail: frame.stopped }));
    if (this.#greeted) this.#enter("live");
    if (frame.type === "missed_notifications" && !frame.more) this.#syncing = false;
    if (frame.type === "error") console.warn(`The server refused ${frame.command}: ${frame.message}`);
    this.#store.receive(frame);
  }

  #greet() {
    this.#greeted = true;
    this.#attempt = 0;
    this.#following.keep(this.#store.position, this.#store.epoch);
    this.#beat();
  }

  async #closed(code) {
    const refused = !this.#greeted;
    this.#leave();
    this.#attempt = code === TOO_MANY_MESSAGES ? 10 : this.#attempt + 1;
    this.#enter(navigator.onLine ? "reconnecting" : "offline");
    // A refused handshake looks like a lost network, and a new password in another tab ends this socket too: ask the API.
    if ((refused || code === SIGNED_OUT) && (await this.#signedOut())) return this.#enter("signed-out");
    if (!this.#socket) this.#startTimer("reconnect", backoffMs(this.#attempt), () => this.#open());
  }

  #signedOut() {
    return this.#api("unread-count/").then(
      () => false,
      ({ status }) => status === 401,
    );
  }

  /** The network or the tab is back: try now instead of waiting. */
  #hurry() {
    if (this.#socket) this.#probe();
    else this.#open();
  }

  /** The browser says that there is no network, which is not always so. */
  #doubt() {
    this.#enter("offline");
    this.#probe();
  }

  #sight() {
    const visible = !document.hidden;
    this.#send({ command: "visible", visible });
    if (visible) this.#hurry();
  }

  /** A link or a form was followed: what comes from now on is for the next page to show, unless this one stays. */
  #depart() {
    this.#leave();
    this.#startTimer("stay", STAYED_AFTER_MS, () => this.#open());
  }

  #leave() {
    const socket = this.#socket;
    this.#socket = null;
    this.#syncing = false;
    for (const name of Object.keys(this.#timers)) if (name !== "list") this.#stopTimer(name);
    // One that is not open yet the browser drops by itself, without a warning in the console.
    if (socket?.readyState === WebSocket.OPEN) socket.close(1000);
  }

  #beat() {
    this.#startTimer("beat", heartbeatMs(), () => {
      this.#probe();
      this.#beat();
    });
  }

  /** Ask for what was missed; silence means that the connection is dead. */
  #probe() {
    if (!this.#send({ command: "sync", since: this.#store.position, epoch: this.#store.epoch })) return;
    this.#syncing = true;
    if (!this.#timers.answer) this.#expectAnswer();
  }

  #expectAnswer() {
    this.#startTimer("answer", ANSWER_WITHIN_MS, () => {
      const socket = this.#socket;
      this.#socket = null;
      socket.close(UNANSWERED);
      this.#closed(UNANSWERED);
    });
  }

  #mindGap(urgent) {
    if (this.#timers.gap && !urgent) return;
    this.#startTimer("gap", urgent ? 0 : GAP_MS, () => !this.#syncing && this.#probe());
  }

  #caughtUp() {
    this.#stopTimer("gap");
    this.#acknowledge();
  }

  #acknowledge() {
    const seq = this.#store.position;
    if (this.#timers.ack || seq === this.#acknowledged) return;
    if (!this.#send({ command: "ack", seq, visible: this.#presence.looks() })) return;
    this.#acknowledged = seq;
    this.#following.keep(seq, this.#store.epoch);
    this.#startTimer("ack", ACK_EVERY_MS, () => this.#acknowledge());
  }

  async #readList() {
    try {
      this.#store.replace(await this.#api("list/?limit=100"));
    } catch ({ status }) {
      if (status === 401) this.#enter("signed-out");
      else this.#startTimer("list", backoffMs(this.#attempt + 1), () => this.#readList());
    }
  }

  #send(command) {
    if (this.#socket?.readyState !== WebSocket.OPEN || !this.#greeted) return false;
    this.#socket.send(JSON.stringify(command));
    return true;
  }

  #enter(state) {
    if (state === this.state || this.state === "signed-out") return;
    this.state = state;
    if (state === "signed-out") this.#leave();
    this.dispatchEvent(new Event("state"));
  }

  #startTimer(name, delayMs, act) {
    this.#stopTimer(name);
    this.#timers[name] = setTimeout(() => {
      delete this.#timers[name];
      act();
    }, delayMs);
  }

  #stopTimer(name) {
    clearTimeout(this.#timers[name]);
    delete this.#timers[name];
  }
}
