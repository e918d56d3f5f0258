/** Frames and rows as the server sends them, for the tests. */
export const EPOCH = "e1";

export function row(id, seq, fields = {}) {
  return {
    id,
    seq,
    signal_id: id,
    revision: 1,
    title: `🟢 New Insight – EURUSD (${id})`,
    symbol: "EURUSD",
    priority: "medium",
    read: false,
    expired_at: null,
    superseded_by: null,
    ...fields,
  };
}

export function fresh(id, seq, unread_count, fields = {}) {
  return { type: "new_notification", seq, unread_count, toast: true, notification: row(id, seq, fields) };
}

export function updated(id, seq, unread_count, fields = {}) {
  return { type: "notification_updated", seq, unread_count, notification: row(id, seq, fields) };
}

export function read(seq, unread_count, what) {
  return { type: "notification_read", seq, unread_count, ...what };
}

export function brief(seq, unread_count) {
  return { type: "brief", seq, unread_count, held: 2, live: 2, expired: 0, reversed: 0 };
}

export function missed(notifications, last_seq, fields = {}) {
  const unread_count = notifications.filter((one) => !one.read).length;
  return {
    type: "missed_notifications",
    notifications,
    more: false,
    unread_count,
    last_seq,
    epoch: EPOCH,
    recovered: true,
    ...fields,
  };
}

export function established(last_seq, fields = {}) {
  return {
    type: "connection_established",
    protocol: 1,
    unread_count: 0,
    last_seq,
    epoch: EPOCH,
    recovered: true,
    ...fields,
  };
}

/** Everything that `target` emits from now on, as [type, detail]. */
export function recorded(target, ...types) {
  const events = [];
  for (const type of types) target.addEventListener(type, ({ detail }) => events.push([type, detail]));
  return events;
}
