import { backoffMs, heartbeatMs, POLICY } from "./policy.js";

const SIGNED_OUT = 4401;
const TOO_MANY_MESSAGES = 4429;
const UNANSWERED = 4000; // our own: closed by this side because nothing came back

/**
 * Keeps one socket open and the store level with the server.
 *
 * Events: state {state} with `connecting`, `live`, `reconnecting`, `offline` or `signed-out` (final).
 */
export class InsightSocket extends EventTarget {
  #store;
  #api;
  #address;
  #following;
  #socket = null;
  #state = "connecting";
  #attempt = 0;
  #greeted = false;
  #acknowledged;
  #syncing = false;
  #timers = {};

  /** `address` is the socket's without a query; `following` keeps the position for the browser's next visit. */
  constructor({ store, api, address, following }) {
    super();
    this.#store = store;
    this.#api = api;
    this.#address = address;
    this.#following = following;
    this.#acknowledged = store.position;
    store.addEventListener("gap", ({ detail }) => this.#mindGap(detail.urgent));
    store.addEventListener("caught-up", () => this.#caughtUp());
    store.addEventListener("stale", () => this.#readList());
  }

  get state() {
    return this.#state;
  }

  start() {
    addEventListener("online", () => this.#hurry());
    addEventListener("offline", () => this.#doubt());
    addEventListener("beforeunload", () => this.#depart());
    addEventListener("pagehide", () => this.#leave());
    addEventListener("pageshow", ({ persisted }) => persisted && this.#open());
    document.addEventListener("visibilitychange", () => this.#sight());
    this.#open();
  }

  /** Sync shortly, unless the frames that were announced come by themselves. */
  expectFrames() {
    this.#mindGap(false);
  }

  #open() {
    if (this.#state === "signed-out") return;
    this.#clear();
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
    this.#clear();
    this.#socket = null;
    this.#attempt = code === TOO_MANY_MESSAGES ? 10 : this.#attempt + 1;
    this.#enter(navigator.onLine ? "reconnecting" : "offline");
    // A refused handshake looks like a lost network, and a new password in another tab ends this socket too: ask the API.
    if ((refused || code === SIGNED_OUT) && (await this.#signedOut())) return this.#enter("signed-out");
    if (!this.#socket) this.#startTimer("reconnect", backoffMs(this.#attempt), () => this.#open());
  }

  async #signedOut() {
    try {
      await this.#api.unreadCount();
      return false;
    } catch (error) {
      return error.status === 401;
    }
  }

  /** The network or the tab is back: try now instead of waiting. */
  #hurry() {
    if (this.#socket) this.#probe();
    else this.#open();
  }

  /** The browser says that there is no network, which is not always so. */
  #doubt() {
    if (this.#state === "signed-out") return;
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
    if (this.#state === "signed-out") return;
    this.#clear();
    this.#leave();
    this.#startTimer("stay", POLICY.stayedAfterMs, () => this.#open());
  }

  #leave() {
    const socket = this.#socket;
    this.#clear();
    this.#socket = null;
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
    this.#startTimer("answer", POLICY.answerWithinMs, () => {
      const socket = this.#socket;
      this.#socket = null;
      socket.close(UNANSWERED);
      this.#closed(UNANSWERED);
    });
  }

  #mindGap(urgent) {
    if (this.#timers.gap && !urgent) return;
    this.#startTimer("gap", urgent ? 0 : POLICY.gapMs, () => !this.#syncing && this.#probe());
  }

  #caughtUp() {
    this.#stopTimer("gap");
    this.#acknowledge();
  }

  #acknowledge() {
    const seq = this.#store.position;
    if (this.#timers.ack || seq === this.#acknowledged) return;
    if (!this.#send({ command: "ack", seq, visible: !document.hidden })) return;
    this.#acknowledged = seq;
    this.#following.keep(seq, this.#store.epoch);
    this.#startTimer("ack", POLICY.ackEveryMs, () => this.#acknowledge());
  }

  async #readList() {
    try {
      this.#store.replace(await this.#api.list({ limit: 100 }));
    } catch (error) {
      if (error.status === 401) this.#enter("signed-out");
      else this.#startTimer("list", backoffMs(this.#attempt + 1), () => this.#readList());
    }
  }

  #send(command) {
    if (this.#socket?.readyState !== WebSocket.OPEN || !this.#greeted) return false;
    this.#socket.send(JSON.stringify(command));
    return true;
  }

  #enter(state) {
    if (state === this.#state) return;
    this.#state = state;
    if (state === "signed-out") this.#leave();
    this.dispatchEvent(new CustomEvent("state", { detail: { state } }));
  }

  #clear() {
    this.#syncing = false;
    for (const name of Object.keys(this.#timers)) if (name !== "list") this.#stopTimer(name);
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
