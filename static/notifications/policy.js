/** When the socket tries again, asks and answers: numbers and one function, no clock of its own. */
export const POLICY = Object.freeze({
  reconnect: Object.freeze({ minMs: 500, maxMs: 10_000, factor: 2 }),
  syncEveryMs: 25_000,
  syncJitter: 0.2, // of the interval, to both sides: tabs opened together drift apart
  answerWithinMs: 10_000, // no frame at all after a sync: the connection is dead, whatever the browser says
  gapMs: 300, // hints may overtake each other by that much
  ackEveryMs: 250,
  stayedAfterMs: 3_000, // a page that was left and is still here then, goes on
});

/** Full jitter: anywhere between the minimum and a ceiling that doubles with each failed attempt (1, 2, …). */
export function backoffMs(attempt, random = Math.random, { minMs, maxMs, factor } = POLICY.reconnect) {
  const ceiling = Math.min(maxMs, minMs * factor ** attempt);
  return minMs + random() * (ceiling - minMs);
}

/** The time to the next heartbeat. */
export function heartbeatMs(random = Math.random, { syncEveryMs, syncJitter } = POLICY) {
  return syncEveryMs * (1 + syncJitter * (2 * random() - 1));
}
