/**
 * The user's notifications as this page knows them: state from frames. Pure: no network, no clock, no page.
 *
 * Promise: once every frame up to the server's position has come (in any order, doubled, or replaced by rows that
 * were read again), the state equals a freshly read one.
 *
 * Events
 *   change {ids, count}       these notifications differ now, the badge says `count`
 *   gap {urgent}              the server is ahead of `position`: sync unless it closes by itself
 *   caught-up                 `position` is as far as anything heard of
 *   stale                     the server cannot tell what was missed: read the list, then call `replace`
 *   arrived {notifications}   one insight that came live and asks for a toast
 *   missed {notifications}    unread insights that came while this page was not connected
 *   brief {held, live, expired, reversed, seq}   quiet hours ended
 */
export class Store extends EventTarget {
  #position;
  #epoch;
  #unreadCount;
  #countedAt;
  #horizon;
  #items = new Map();
  #waiting = new Map();
  #announced = new Set();
  #briefs = new Set();
  #missed = [];
  #stale = false;
  #shownCount;

  /** `position`: followed up to here; `known`: the position that `unreadCount` and `items` were read at. */
  constructor({ position = 0, known = position, epoch = "", unreadCount = 0, items = [] } = {}) {
    super();
    this.#position = this.#horizon = position;
    this.#epoch = epoch;
    this.#unreadCount = this.#shownCount = unreadCount;
    this.#countedAt = known;
    for (const item of items) {
      this.#items.set(item.id, item);
      if (item.seq <= position) this.#announced.add(item.id);
    }
  }

  get position() {
    return this.#position;
  }

  get epoch() {
    return this.#epoch;
  }

  get unreadCount() {
    return this.#unreadCount;
  }

  item(id) {
    return this.#items.get(id);
  }

  /** Newest first. */
  get items() {
    return [...this.#items.values()].sort((a, b) => b.id - a.id);
  }

  /** The state as plain JSON, for tests and for looking at. */
  snapshot() {
    return {
      position: this.#position,
      epoch: this.#epoch,
      unreadCount: this.#unreadCount,
      items: this.items,
      behind: this.#stale || this.#horizon > this.#position,
      stale: this.#stale,
      waiting: [...this.#waiting.keys()].sort((a, b) => a - b),
    };
  }

  /** Take in one frame of the server. Frames that say nothing about the state are ignored. */
  receive(frame) {
    if (frame.type === "connection_established") this.#greet(frame);
    else if (frame.type === "missed_notifications") this.#catchUp(frame);
    else if (CHANGES.has(frame.type)) this.#queue(frame);
  }

  /** The list as read over HTTP takes the place of everything, after `stale`. */
  replace(list) {
    const before = new Set(this.#items.keys());
    this.#items = new Map(list.notifications.map((row) => [row.id, row]));
    this.#epoch = list.epoch;
    this.#position = this.#horizon = this.#countedAt = list.last_seq;
    this.#unreadCount = list.unread_count;
    this.#stale = false;
    this.#missed = list.notifications.filter((row) => !before.has(row.id)).reverse();
    this.#changed([...before, ...this.#items.keys()]);
    this.#announceMissed();
    this.#advance();
  }

  /** Rows read over HTTP beside the stream: they fill in what is known and move no position. */
  merge(list) {
    if (list.epoch !== this.#epoch) return this.#becomeStale();
    this.#changed(this.#putRows(list.notifications));
    this.#hear(list);
  }

  #greet(frame) {
    const known = frame.recovered && frame.epoch === this.#epoch && frame.last_seq >= this.#position;
    if (known) this.#hear(frame);
    else this.#becomeStale();
  }

  #hear({ unread_count, last_seq }) {
    this.#count(unread_count, last_seq);
    this.#changed([]);
    this.#hearOf(last_seq);
  }

  #becomeStale() {
    if (this.#stale) return;
    this.#stale = true;
    this.#waiting.clear(); // the list that is read now is newer, and these may count by another epoch
    this.#emit("stale");
  }

  #catchUp(page) {
    if (this.#stale) return;
    if (!page.recovered || page.epoch !== this.#epoch) return this.#becomeStale();
    const fresh = this.#putRows(page.notifications);
    this.#missed.push(...page.notifications.filter((row) => row.seq > this.#position));
    this.#count(page.unread_count, page.last_seq);
    if (!page.more) this.#position = Math.max(this.#position, page.last_seq);
    this.#changed(fresh);
    if (page.more) return;
    this.#announceMissed();
    this.#advance();
  }

  #queue(frame) {
    if (frame.seq <= this.#position && !this.#stale) return this.#late(frame);
    const alike = this.#waiting.get(frame.seq) ?? [];
    const doubled = alike.some((other) => other.notification?.id === frame.notification?.id);
    if (!doubled) this.#waiting.set(frame.seq, [...alike, frame]);
    if (frame.type === "brief") this.#announceBrief(frame);
    this.#advance();
  }

  /** One change may stamp several rows, each sent in a frame of its own: those after the first are not passed yet. */
  #late(frame) {
    const row = frame.notification;
    if (row && (this.item(row.id)?.seq ?? this.#position - 1) < frame.seq) this.#apply(frame);
  }

  /** Apply what waits in order, as far as there is no hole; a brief is a hole until its rows have been fetched. */
  #advance() {
    if (this.#stale) return;
    for (const seq of this.#waiting.keys()) if (seq <= this.#position) this.#waiting.delete(seq);
    let next = this.#waiting.get(this.#position + 1);
    while (next && !next.some(isBrief)) {
      this.#position += 1;
      this.#waiting.delete(this.#position);
      for (const frame of next) this.#apply(frame);
      next = this.#waiting.get(this.#position + 1);
    }
    this.#hearOf(Math.max(this.#position, ...this.#waiting.keys()), Boolean(next));
  }

  #apply(frame) {
    this.#count(frame.unread_count, frame.seq);
    if (frame.notification) this.#put(frame);
    else if (frame.type === "notification_unread") this.#bringBack(frame);
    else if (!isBrief(frame)) this.#read(frame);
  }

  #put(frame) {
    const row = frame.notification;
    const known = this.#announced.has(row.id);
    const changed = this.#putRows([row]);
    if (frame.type === "new_notification" && frame.toast && !known && isUnread(row)) {
      this.#emit("arrived", { notifications: [row] });
    }
    this.#announced.add(row.id);
    this.#changed(changed);
  }

  #read({ ids, up_to_seq, seq }) {
    const read = (item) => (ids ? ids.includes(item.id) && item.seq < seq : isUnread(item) && item.seq <= up_to_seq);
    this.#set(read, { read: true, seq });
  }

  #bringBack({ read_at_seq, seq }) {
    this.#set((item) => item.seq === read_at_seq && item.read && isLive(item), { read: false, seq });
  }

  #hearOf(seq, urgent = false) {
    this.#horizon = Math.max(this.#horizon, seq);
    if (this.#horizon > this.#position) this.#emit("gap", { urgent });
    else this.#emit("caught-up");
  }

  #set(matches, fields) {
    const items = this.items.filter(matches);
    for (const item of items) this.#items.set(item.id, { ...item, ...fields });
    this.#changed(items.map(({ id }) => id));
  }

  /** The ids of the rows that were taken: each wins unless a newer one is known. */
  #putRows(rows) {
    const taken = rows.filter(({ id, seq }) => !(this.item(id)?.seq > seq));
    for (const row of taken) this.#items.set(row.id, row);
    return taken.map(({ id }) => id);
  }

  #count(unreadCount, at) {
    if (at < this.#countedAt) return;
    this.#unreadCount = unreadCount;
    this.#countedAt = at;
  }

  #announceMissed() {
    const newest = new Map(this.#missed.map((row) => [row.id, row]));
    const rows = [...newest.values()].filter((row) => !this.#announced.has(row.id));
    const fresh = rows.filter((row) => isUnread(row) && !this.#briefs.has(row.seq));
    for (const row of rows) this.#announced.add(row.id);
    this.#missed = [];
    if (fresh.length) this.#emit("missed", { notifications: fresh });
  }

  #announceBrief(frame) {
    if (this.#briefs.has(frame.seq)) return;
    this.#briefs.add(frame.seq);
    this.#emit("brief", frame);
  }

  #changed(ids) {
    if (ids.length === 0 && this.#shownCount === this.#unreadCount) return;
    this.#shownCount = this.#unreadCount;
    this.#emit("change", { ids: [...new Set(ids)], count: this.#unreadCount });
  }

  #emit(type, detail = {}) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** Unread as the server counts it: on the web stream, neither read nor expired nor superseded. */
export function isUnread(item) {
  return item.seq !== null && !item.read && isLive(item);
}

function isLive(item) {
  return !item.expired_at && !item.superseded_by;
}

function isBrief(frame) {
  return frame.type === "brief";
}

const CHANGES = new Set([
  "new_notification",
  "notification_updated",
  "notification_read",
  "notification_unread",
  "brief",
]);
