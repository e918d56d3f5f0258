/**
 * Follows a trader's insights: ZENITHEDGE_PASSWORD=… node client.mjs http://127.0.0.1:8000 alice
 *
 * Needs Node.js 22 or newer and nothing else. docs/tutorial.md explains it; docs/protocol.md is the protocol.
 */

const SIGNED_OUT = 4401;
const TOO_MANY_MESSAGES = 4429;
const UNANSWERED = 4000; // our own: closed by this side because nothing came back

const CHANGES = ["new_notification", "notification_updated", "notification_read", "notification_unread", "brief"];

const POLICY = {
  reconnectMs: { least: 500, most: 10_000 },
  syncEveryMs: 25_000,
  syncJitter: 0.2,
  answerWithinMs: 10_000,
  gapMs: 300,
  ackEveryMs: 250,
};

/** Full jitter: anywhere between the least and a ceiling that doubles with each failed attempt (1, 2, …). */
function backoffMs(attempt) {
  const { least, most } = POLICY.reconnectMs;
  return least + Math.random() * (Math.min(most, least * 2 ** attempt) - least);
}

class Session {
  #cookies = new Map();

  constructor(site) {
    this.site = site.replace(/\/$/, "");
  }

  /** Throws when the name or the password is wrong, or tried too often. */
  async signIn(username, password) {
    await this.#fetch("/accounts/login/"); // brings the CSRF cookie
    const form = { username, password, csrfmiddlewaretoken: this.#cookies.get("csrftoken") };
    const answer = await this.#fetch("/accounts/login/", { method: "POST", body: new URLSearchParams(form) });
    if (answer.status !== 302) throw new Error(`Could not sign in as ${username} (${answer.status}).`);
  }

  /** The API's answer, or null when nobody is signed in any more. Throws while the site is away. */
  async get(path) {
    const answer = await this.#fetch(`/notifications/api/${path}`);
    if (answer.status === 401) return null;
    if (!answer.ok) throw new Error(`${path} was answered with ${answer.status}.`);
    return answer.json();
  }

  get cookie() {
    return [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
  }

  async #fetch(path, options) {
    const headers = { Cookie: this.cookie, Origin: this.site };
    const answer = await fetch(this.site + path, {
      ...options,
      headers,
      redirect: "manual",
      signal: AbortSignal.timeout(POLICY.answerWithinMs),
    });
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name, value] = cookie.match(/^([^=]+)=([^;]*)/);
      this.#cookies.set(name, value);
    }
    return answer;
  }
}

class Insights {
  rows = new Map();
  position = 0;
  epoch = "";
  stale = true;
  #horizon = 0;
  #tell;

  /** `tell` is called with each unread insight that was not known before. */
  constructor(tell) {
    this.#tell = tell;
  }

  /** Whether the server is known to be further: something was missed. */
  get behind() {
    return !this.stale && this.#horizon > this.position;
  }

  /** The list as read over HTTP takes the place of everything. */
  replace({ notifications, last_seq, epoch }) {
    const known = epoch === this.epoch ? this.rows : new Map();
    const first = this.epoch === "";
    this.rows = new Map(notifications.map((row) => [row.id, row]));
    [this.position, this.epoch, this.stale] = [last_seq, epoch, false];
    if (!first) this.#announce(notifications.filter(({ id }) => !known.has(id)));
  }

  receive(frame) {
    if (frame.type === "connection_established") {
      if (frame.recovered) this.#horizon = Math.max(this.#horizon, frame.last_seq);
      else this.#becomeStale();
    } else if (frame.type === "missed_notifications") {
      this.#catchUp(frame);
    } else if (CHANGES.includes(frame.type)) {
      this.#horizon = Math.max(this.#horizon, frame.seq);
      if (!this.stale) this.#apply(frame);
    }
  }

  #becomeStale() {
    this.stale = true;
    this.#horizon = 0; // it may have been counted by another epoch
  }

  #catchUp({ notifications, recovered, epoch, more, last_seq }) {
    if (!recovered || epoch !== this.epoch) return this.#becomeStale();
    this.#horizon = Math.max(this.#horizon, last_seq);
    if (this.stale) return; // the list is being read
    this.#put(notifications);
    if (!more) this.position = Math.max(this.position, last_seq);
  }

  /** A row says what it is now, whatever came before; the rows of a brief come with the sync. */
  #apply(frame) {
    const next = frame.seq === this.position + 1;
    if (frame.type === "brief") return;
    if (frame.notification) this.#put([frame.notification]);
    else if (next) this.#mark(frame);
    if (next) this.position = frame.seq;
  }

  #put(rows) {
    const fresh = rows.filter(({ id }) => !this.rows.has(id));
    for (const row of rows) if (!(this.rows.get(row.id)?.seq > row.seq)) this.rows.set(row.id, row);
    this.#announce(fresh);
  }

  #mark({ type, seq, ids, up_to_seq, read_at_seq }) {
    const meant = (row) => {
      if (type === "notification_unread") return row.seq === read_at_seq && row.read && isLive(row);
      return ids ? ids.includes(row.id) : isUnread(row) && row.seq <= up_to_seq;
    };
    const read = type === "notification_read";
    for (const row of [...this.rows.values()].filter(meant)) Object.assign(row, { read, seq });
  }

  #announce(rows) {
    for (const row of rows.filter(isUnread).sort((a, b) => a.seq - b.seq)) this.#tell(row);
  }
}

function isUnread(row) {
  return !row.read && isLive(row);
}

function isLive({ expired_at, superseded_by }) {
  return !expired_at && !superseded_by;
}

class Client {
  #session;
  #insights;
  #stream;
  #socket;
  #greeted;
  #acknowledged;
  #reading = false;
  #attempt = 0;
  #timers = {};

  constructor(session, insights) {
    this.#session = session;
    this.#insights = insights;
  }

  /** Read the list, then follow it; ends when nobody is signed in any more. */
  async run() {
    const list = await this.#session.get("list/?limit=100");
    if (!list) return;
    this.#insights.replace(list);
    this.#stream = list.stream;
    console.log(`${list.unread_count} unread`);
    for (;;) {
      const code = await this.#followOneSocket();
      if ((code === SIGNED_OUT || !this.#greeted) && (await this.#isSignedOut())) return;
      this.#attempt = code === TOO_MANY_MESSAGES ? 10 : this.#attempt + 1;
      await new Promise((resolve) => setTimeout(resolve, backoffMs(this.#attempt)));
    }
  }

  /** Open a socket and follow it to its end; gives the code that ended it. */
  #followOneSocket() {
    const { position, epoch } = this.#insights;
    const address = `${this.#session.site.replace(/^http/, "ws")}${this.#stream}`;
    const query = new URLSearchParams({ since: position, epoch });
    const socket = new WebSocket(`${address}?${query}`, { headers: { Cookie: this.#session.cookie } });
    this.#socket = socket;
    this.#greeted = false;
    this.#acknowledged = position;
    return new Promise((resolve) => {
      const end = (code) => {
        this.#socket = null;
        for (const name of Object.keys(this.#timers)) this.#stop(name);
        resolve(code);
      };
      socket.addEventListener("message", ({ data }) => this.#socket === socket && this.#receive(JSON.parse(data)));
      socket.addEventListener("close", ({ code }) => this.#socket === socket && end(code));
      this.#after("answer", POLICY.answerWithinMs, () => {
        socket.close(UNANSWERED);
        end(UNANSWERED);
      });
    });
  }

  #receive(frame) {
    this.#stop("answer");
    if (frame.type === "connection_established") this.#greet();
    if (frame.type === "error") console.error(`Refused: ${frame.message}`);
    this.#insights.receive(frame);
    this.#catchUp();
    this.#acknowledge();
  }

  #catchUp() {
    if (this.#insights.stale) this.#readList();
    else if (this.#insights.behind) this.#after("gap", POLICY.gapMs, () => this.#insights.behind && this.#sync());
  }

  #greet() {
    this.#greeted = true;
    this.#attempt = 0;
    this.#beat();
  }

  /** Every now and then: what was lost last is followed by nothing that would show the gap. */
  #beat() {
    const { syncEveryMs, syncJitter } = POLICY;
    this.#after("beat", syncEveryMs * (1 + syncJitter * (2 * Math.random() - 1)), () => {
      this.#sync();
      this.#beat();
    });
  }

  #sync() {
    this.#send({ command: "sync", since: this.#insights.position, epoch: this.#insights.epoch });
    this.#after("answer", POLICY.answerWithinMs, () => this.#socket.close(UNANSWERED));
  }

  #acknowledge() {
    const seq = this.#insights.position;
    if (seq <= this.#acknowledged || this.#timers.ack) return;
    this.#send({ command: "ack", seq, visible: true });
    this.#acknowledged = seq;
    this.#after("ack", POLICY.ackEveryMs, () => this.#acknowledge());
  }

  async #readList() {
    if (this.#reading) return;
    this.#reading = true;
    const socket = this.#socket;
    try {
      const list = await this.#session.get("list/?limit=100");
      if (list) this.#insights.replace(list); // else the server closes the socket by itself
      if (this.#socket === socket) this.#catchUp();
    } catch {
      socket.close(UNANSWERED); // and once more when it is open again
    } finally {
      this.#reading = false;
    }
  }

  async #isSignedOut() {
    try {
      return (await this.#session.get("unread-count/")) === null;
    } catch {
      return false; // a site that is away has not said so
    }
  }

  #send(command) {
    this.#socket.send(JSON.stringify(command));
  }

  /** Unless it waits already. */
  #after(name, delayMs, act) {
    this.#timers[name] ??= setTimeout(() => {
      delete this.#timers[name];
      act();
    }, delayMs);
  }

  #stop(name) {
    clearTimeout(this.#timers[name]);
    delete this.#timers[name];
  }
}

const [site, username] = process.argv.slice(2);
const session = new Session(site);
await session.signIn(username, process.env.ZENITHEDGE_PASSWORD);
const insights = new Insights(({ id, title, confidence }) => console.log(`#${id} ${title}, ${confidence}%`));
await new Client(session, insights).run();
console.error("Signed out.");
process.exitCode = 1;
