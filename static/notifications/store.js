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
  #ahead = new Set();
  #announced = new Set();
  #briefs = new Set();
  #stale = false;
  #shownCount;

  /** `position`: followed up to here; `known`: the position that `unreadCount` and `items` were read at. */
  constructor({ position = 0, known = position, epoch = "", unreadCount = 0, items = [] } = {}) {
    super();
    this.#position = this.#horizon = position;
    this.#epoch = epoch;
    this.#unreadCount = this.#shownCount = unreadCount;
    this.#countedAt = known;
    this.#putRows(items);
    for (const { id, seq } of items) if (seq <= position) this.#announced.add(id);
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

  /** The state as plain JSON, for tests and for looking at; `waiting` are the positions passed beyond a hole. */
  snapshot() {
    return {
      position: this.#position,
      epoch: this.#epoch,
      unreadCount: this.#unreadCount,
      items: this.items,
      behind: this.#stale || this.#horizon > this.#position,
      stale: this.#stale,
      waiting: [...this.#ahead].sort((a, b) => a - b),
    };
  }

  /** Take in one frame of the server. Frames that say nothing about the state are ignored. */
  receive(frame) {
    if (frame.type === "connection_established") this.#greet(frame);
    else if (frame.type === "missed_notifications") this.#catchUp(frame);
    else if (CHANGES.has(frame.type)) this.#take(frame);
  }

  /** The list as read over HTTP takes the place of everything, after `stale`. */
  replace({ notifications, epoch, last_seq, unread_count }) {
    const before = [...this.#items.keys()];
    this.#items.clear();
    this.#ahead.clear();
    this.#putRows(notifications);
    this.#epoch = epoch;
    this.#position = this.#countedAt = last_seq;
    this.#unreadCount = unread_count;
    this.#stale = false;
    this.#changed([...before, ...this.#items.keys()]);
    this.#announce(notifications.filter(({ id }) => !before.includes(id)).reverse());
    this.#hearOf(last_seq);
  }

  /** Rows read over HTTP beside the stream: they fill in what is known and move no position. */
  merge(list) {
    if (list.epoch !== this.#epoch) return this.#becomeStale();
    this.#count(list.unread_count, list.last_seq);
    this.#changed(this.#putRows(list.notifications));
    this.#hearOf(list.last_seq);
  }

  #greet(frame) {
    if (frame.recovered && frame.last_seq >= this.#position) this.merge({ ...frame, notifications: [] });
    else this.#becomeStale();
  }

  #becomeStale() {
    if (this.#stale) return;
    this.#stale = true;
    this.#horizon = 0; // what was heard of may have been counted by another epoch
    this.#emit("stale");
  }

  #catchUp(page) {
    if (this.#stale) return;
    if (!page.recovered || page.epoch !== this.#epoch) return this.#becomeStale();
    const missed = page.notifications.filter(({ seq }) => seq > this.#position);
    const changed = this.#putRows(page.notifications);
    this.#count(page.unread_count, page.last_seq);
    if (!page.more) this.#advance(page.last_seq);
    this.#changed(changed);
    this.#announce(missed);
    if (!page.more) this.#hearOf(page.last_seq);
  }

  /**
   * A row is shown at once, for each says what it is now, whatever lies between. What tells of rows (these were read)
   * means something only to who has them all: beyond a hole it is left to the sync, as the rows of a brief are.
   */
  #take(frame) {
    const { type, seq, notification } = frame;
    if (this.#stale) return this.#hearOf(seq);
    if (type === "brief") this.#announceBrief(frame);
    else if (notification) this.#put(frame);
    else if (seq === this.#position + 1) this.#mark(frame);
    this.#hearOf(seq, type === "brief");
  }

  #put({ type, seq, toast, unread_count, notification }) {
    const known = this.#announced.has(notification.id);
    const changed = this.#putRows([notification]);
    this.#pass(seq, unread_count);
    this.#announced.add(notification.id);
    const isNew = type === "new_notification" && toast && !known;
    if (isNew && changed.length && isUnread(notification)) this.#emit("arrived", { notifications: [notification] });
    this.#changed(changed);
  }

  #mark({ type, seq, unread_count, ids, up_to_seq, read_at_seq }) {
    const marks = {
      notification_read: (item) =>
        ids ? ids.includes(item.id) && item.seq < seq : isUnread(item) && item.seq <= up_to_seq,
      notification_unread: (item) => item.seq === read_at_seq && item.read && isLive(item),
    };
    const items = this.items.filter(marks[type]).map((item) => ({ ...item, read: type === "notification_read", seq }));
    this.#pass(seq, unread_count);
    this.#changed(this.#putRows(items));
  }

  #pass(seq, unreadCount) {
    this.#count(unreadCount, seq);
    this.#ahead.add(seq);
    this.#advance(this.#position);
  }

  /** As far as there is no hole. */
  #advance(position) {
    this.#position = Math.max(this.#position, position);
    while (this.#ahead.has(this.#position + 1)) this.#position += 1;
    for (const seq of this.#ahead) if (seq <= this.#position) this.#ahead.delete(seq);
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

  #hearOf(seq, urgent = false) {
    this.#horizon = Math.max(this.#horizon, seq);
    if (this.#stale) return;
    if (this.#horizon > this.#position) this.#emit("gap", { urgent });
    else this.#emit("caught-up");
  }

  #announce(rows) {
    const fresh = rows
      .filter(({ id, seq }) => !this.#announced.has(id) && !this.#briefs.has(seq))
      .filter(isUnread)
      .filter(({ quiet }) => !quiet);
    for (const { id } of rows) this.#announced.add(id);
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

const CHANGES = new Set([
  "new_notification",
  "notification_updated",
  "notification_read",
  "notification_unread",
  "brief",
]);
