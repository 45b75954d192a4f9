// library.js – the cards of the server's library: first one page of them, then all in a second response.

/** @import { CardLibrary, CardQuery, CardRow, Library } from "./types.d.ts" */

import { callTagged } from "./api.js";

const FIRST_PAGE = 100;
const ALL = "cards?limit=100000";
/** @type {Library} */
const EMPTY = { folder: "", checkpoint: null, all: 0, total: 0, offset: 0, cards: [], complete: false };

/**
 * Returns the library, which is empty until it has been loaded.
 *
 * @returns {CardLibrary}
 */
export function cardLibrary() {
  /** @type {Set<(library: Library) => void>} */
  const listeners = new Set();
  let library = EMPTY;
  /** @type {string | null} */
  let tag = null;
  /** @type {Promise<void> | null} */
  let running = null;
  /** @type {Promise<void> | null} */
  let next = null;

  /** @param {Library} loaded */
  const publish = (loaded) => {
    library = loaded;
    for (const listener of listeners) listener(library);
  };
  /** @param {CardQuery} query */
  const loadFirst = async (query) => {
    if (library.complete) return;
    const parameters = new URLSearchParams({
      sort: query.sort,
      descending: String(query.descending),
      folder: query.folder,
      fits: String(query.fits),
      limit: String(FIRST_PAGE),
    });
    const answer = await callTagged(`cards?${parameters}`);
    if (answer && !library.complete) publish({ ...answer.body, complete: false });
  };
  const loadAll = async () => {
    const answer = await callTagged(ALL, tag);
    if (!answer) return;
    tag = answer.tag;
    publish({ ...answer.body, complete: true });
  };
  /**
   * Loads all cards again. Calls during a request share the one after it: its answer is newer than their changes.
   *
   * @returns {Promise<void>}
   */
  const reloadAll = () => {
    if (!running) {
      running = loadAll().finally(() => {
        running = null;
      });
      return running;
    }
    next ??= running
      .catch(() => {})
      .then(() => {
        next = null;
        return reloadAll();
      });
    return next;
  };
  /** @param {CardQuery | null} [query] */
  const load = async (query = null) => {
    if (query) await loadFirst(query);
    await reloadAll();
  };
  return { subscribe: (listener) => void listeners.add(listener), load, loadFirst, get: () => library };
}

/**
 * Returns the name of a card's embedding in prompts: its word, or its file where another file has that word.
 *
 * @param {Pick<CardRow, "word" | "conflict"> & { file?: string }} card
 * @returns {string}
 */
export function promptName({ word, conflict, file }) {
  return (conflict && file) || word;
}

/**
 * Returns why a card's embedding can't be used by its word, or null if it can.
 *
 * @param {Pick<CardRow, "state" | "reason" | "conflict">} card
 */
export function problemOf({ state, reason, conflict }) {
  if (state === "unreadable") return `Unreadable: ${reason}`;
  if (state === "incompatible") return `Does not fit: ${reason}`;
  return conflict ? `The word is taken by ${conflict}` : null;
}
