// library.js – the library's cards as the server has them: a first page at once, then all of them in one more answer.

import { callTagged } from "./api.js";

const FIRST = 100;
const ALL = "cards?limit=100000";
const NOTHING = { folder: "", checkpoint: null, all: 0, total: 0, cards: [], complete: false };

/** Returns `{ watch, load, loadFirst, get }`; `watch(listener)` calls the listener with the library when it has changed. */
export function cardLibrary() {
  const listeners = new Set();
  let library = NOTHING;
  let tag = null;
  let running = null;
  let next = null;

  const publish = (found) => {
    library = found;
    for (const listener of listeners) listener(library);
  };
  /** Asks for the first cards of a choice `{ sort, descending, folder, fits }`, for as long as not all are there. */
  const loadFirst = async (choice) => {
    if (library.complete) return;
    const { body } = await callTagged(`cards?${new URLSearchParams({ ...choice, limit: FIRST })}`);
    if (!library.complete) publish({ ...body, complete: false });
  };
  const loadAll = async () => {
    const answer = await callTagged(ALL, tag);
    if (!answer) return;
    tag = answer.tag;
    publish({ ...answer.body, complete: true });
  };
  /** Asks for all once more; who comes while that is under way gets the answer to a later question. */
  const loadAllAnew = () => {
    if (!running) {
      running = loadAll().finally(() => (running = null));
      return running;
    }
    next ??= running.catch(() => {}).then(() => {
      next = null;
      return loadAllAnew();
    });
    return next;
  };
  /** Looks again; where there is a choice, its first cards come before all. */
  const load = async (choice = null) => {
    if (choice) await loadFirst(choice);
    await loadAllAnew();
  };
  return { watch: (listener) => listeners.add(listener), load, loadFirst, get: () => library };
}

/** Returns what prompts call a card's embedding: its word, or its file where another one has that word. */
export function callOf({ word, conflict, file }) {
  return conflict ? file : word;
}

/** Returns why a card's embedding can't be used, or null if it can. */
export function problemOf({ state, reason, conflict }) {
  if (state === "unreadable") return `Unreadable: ${reason}`;
  if (state === "incompatible") return `Does not fit: ${reason}`;
  return conflict ? `The word is taken by ${conflict}` : null;
}
