/**
 * Drives the real store from another language: one JSON command a line on stdin, one JSON answer a line on stdout.
 *
 *   {"op": "new", "position": 0, "known": 0, "epoch": "…", "unreadCount": 0, "items": [row, …]}
 *                                         a new store (all but `op` may be left out); needed first
 *   {"op": "frame", "frame": {…}}         what the socket received
 *   {"op": "list", "list": {…}}           what GET list/ answered to a `stale`: replaces the state
 *   {"op": "merge", "list": {…}}          what GET list/ answered to the opened bell: fills in
 *   {"op": "state"}                       only the answer
 *
 * Each answer: {"state": {position, epoch, unreadCount, items, behind, stale, waiting}, "events": [[type, detail], …]},
 * where `items` are newest first, `waiting` are the positions held back, `behind` asks for a sync from `position`,
 * `stale` asks for the list, and `events` are what the store told its listeners since the last answer. A command that
 * fails answers {"error": "…"}.
 *
 *   node driver.js < commands.jsonl
 */
import { createInterface } from "node:readline";

import { Store } from "../store.js";

const EVENTS = ["change", "gap", "caught-up", "stale", "arrived", "missed", "brief"];
let store = null;
let events = [];

const OPERATIONS = {
  new: ({ op, ...state }) => {
    store = new Store(state);
    for (const type of EVENTS) store.addEventListener(type, ({ detail }) => events.push([type, detail]));
  },
  frame: ({ frame }) => store.receive(frame),
  list: ({ list }) => store.replace(list),
  merge: ({ list }) => store.merge(list),
  state: () => {},
};

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(answer(line))}\n`);
}

function answer(line) {
  events = [];
  try {
    const command = JSON.parse(line);
    OPERATIONS[command.op](command);
    return { state: store.snapshot(), events };
  } catch (error) {
    return { error: `${error.name}: ${error.message}` };
  }
}
