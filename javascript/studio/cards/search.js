// search.js – filters and sorts the cards. Pure functions on the library's rows.

/** @import { CardQuery, CardRow } from "../lib/types.d.ts" */

const ENOUGH_MATCHES = 40; // no fuzzy search beyond
const MIN_TYPO_LETTERS = 4;
const MAX_TYPO_LETTERS = 24; // longer terms are pasted, not typed
const WORD_CHARACTER = /[\p{L}\p{N}]/u;

/** @typedef {ReturnType<typeof indexed>} Row */
/** @typedef {[once: number, twice: number]} LetterSets letters that occur, and those that occur twice, as bits */

/**
 * Returns a card with the texts and keys that it is searched and sorted by.
 *
 * @param {CardRow} card
 */
function indexed(card) {
  const cut = Math.max(card.file.lastIndexOf("/"), 0);
  const folder = card.file.slice(0, cut);
  const tags = (card.tags ?? []).map((tag) => tag.toLowerCase());
  const names = [card.word, ...tags].join(" ").toLowerCase();
  return {
    card,
    folder,
    tags,
    names,
    word: card.word.toLowerCase(),
    lowerFolder: folder.toLowerCase(),
    all: [names, folder, card.family, card.description].join("\n").toLowerCase(),
    letters: lettersOf(names),
    nameKey: naturalKey(card.word),
    pathKey: naturalKey(card.file),
  };
}

/**
 * Returns a key that sorts numbers by their value and ignores case, as the server's does.
 *
 * @param {string} text
 */
export function naturalKey(text) {
  return text.toLowerCase().replace(/[0-9]+/g, (digits) => digits.padStart(12, "0"));
}

/** @type {Record<string, (row: Row) => string | number>} */
const SORT_KEYS = {
  name: (row) => row.nameKey,
  path: (row) => row.pathKey,
  created: (row) => row.card.created,
  modified: (row) => row.card.modified,
  used: (row) => row.card.used ?? 0,
};

/**
 * Returns a function that searches these cards for a text, in the folder and the order of the options.
 *
 * @param {CardRow[]} cards
 * @returns {(text: string, options: CardQuery) => CardRow[]}
 */
export function cardSearch(cards) {
  const rows = cards.map(indexed);
  /** @type {Map<string, Row[]>} */
  const sortedRows = new Map();

  /** @param {CardQuery} options */
  const inOrder = ({ sort, descending }) => {
    const order = `${sort} ${descending}`;
    let sorted = sortedRows.get(order);
    if (!sorted) {
      const key = SORT_KEYS[sort] ?? SORT_KEYS.path;
      const sign = descending ? -1 : 1;
      sorted = [...rows].sort((a, b) => sign * (compare(key(a), key(b)) || compare(a.pathKey, b.pathKey)));
      sortedRows.set(order, sorted);
    }
    return sorted;
  };
  return (text, options) => {
    const sorted = inOrder(options);
    const rowsInFolder = options.folder || options.fits ? sorted.filter((row) => isIncluded(row, options)) : sorted;
    const terms = text.toLowerCase().split(/\s+/).filter(Boolean);
    return (terms.length ? ranked(rowsInFolder, terms) : rowsInFolder).map(({ card }) => card);
  };
}

/**
 * @param {Row} row
 * @param {CardQuery} options
 */
function isIncluded(row, { folder, fits }) {
  if (folder && row.folder !== folder && !row.folder.startsWith(`${folder}/`)) return false;
  return !fits || (row.card.state ?? "usable") === "usable";
}

/**
 * @template {string | number} Key
 * @param {Key} a
 * @param {Key} b
 */
function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * Returns the rows that have all terms, the best first; where these are few, fuzzy matches after them.
 *
 * @param {Row[]} rows
 * @param {string[]} terms
 */
function ranked(rows, terms) {
  const matches = scored(rows, terms, exactScore);
  if (matches.length >= ENOUGH_MATCHES) return matches;
  const fuzzyMatchers = new Map(terms.map((term) => [term, fuzzyMatcher(term)]));
  const isMatch = new Set(matches);
  const fuzzyMatches = scored(
    rows.filter((row) => !isMatch.has(row)),
    terms,
    (row, term) => exactScore(row, term) || (fuzzyMatchers.get(term)?.(row) ? 1 : 0),
  );
  return [...matches, ...fuzzyMatches];
}

/**
 * Returns the rows with a score for every term, the highest sum first; rows with the same sum keep their order.
 *
 * @param {Row[]} rows
 * @param {string[]} terms
 * @param {(row: Row, term: string) => number} score
 * @returns {Row[]}
 */
function scored(rows, terms, score) {
  /** @type {Map<number, Row[]>} */
  const bySum = new Map();
  for (const row of rows) {
    let sum = 0;
    for (const term of terms) {
      const points = score(row, term);
      if (!points) {
        sum = 0;
        break;
      }
      sum += points;
    }
    if (!sum) continue;
    const sameSum = bySum.get(sum);
    if (sameSum) sameSum.push(row);
    else bySum.set(sum, [row]);
  }
  const sums = [...bySum.keys()].sort((a, b) => b - a);
  return sums.flatMap((sum) => bySum.get(sum) ?? []);
}

/**
 * Returns a row's score for a term: the highest for its word, then its tags, folder, family and description.
 *
 * @param {Row} row
 * @param {string} term
 */
function exactScore({ word, tags, lowerFolder, all }, term) {
  if (!all.includes(term)) return 0; // most rows, and quickly
  const at = word.indexOf(term);
  if (at === 0) return word.length === term.length ? 100 : 80;
  if (at > 0) return WORD_CHARACTER.test(word[at - 1]) ? 50 : 60;
  if (tags.includes(term)) return 45;
  if (tags.some((tag) => tag.includes(term))) return 35;
  return lowerFolder.includes(term) ? 30 : 20;
}

/**
 * Returns a fuzzy matcher for a term; null for a term that is too short or too long.
 *
 * A row matches if its word or tags have the term with letters in between, or with one letter added, omitted, replaced
 * or transposed.
 *
 * @param {string} term
 * @returns {((row: Row) => boolean) | null}
 */
function fuzzyMatcher(term) {
  const letters = [...term];
  if (letters.length < 2 || letters.length > MAX_TYPO_LETTERS) return null;
  const allowsTypo = letters.length >= MIN_TYPO_LETTERS;
  const patterns = [letters.map(escaped).join("[^\\s]{0,2}"), ...(allowsTypo ? typoPatterns(letters) : [])];
  const pattern = new RegExp(patterns.join("|"), "u");
  const termLetters = lettersOf(term);
  const maxMissing = allowsTypo ? 1 : 0;
  return ({ letters: rowLetters, names }) => missing(termLetters, rowLetters) <= maxMissing && pattern.test(names);
}

/**
 * Returns a pattern for each letter omitted or replaced, and for each two neighbours transposed.
 *
 * @param {string[]} letters
 */
function typoPatterns(letters) {
  /** @type {(from: number, to?: number) => string} */
  const part = (from, to) => letters.slice(from, to).map(escaped).join("");
  const patterns = [];
  for (let index = 0; index < letters.length; index++) {
    patterns.push(`${part(0, index)}.?${part(index + 1)}`);
    if (index + 1 === letters.length) continue;
    patterns.push(`${part(0, index)}${part(index + 1, index + 2)}${part(index, index + 1)}${part(index + 2)}`);
  }
  return patterns;
}

/**
 * Returns the letters of a text. Some letters share a bit.
 *
 * @param {string} text
 * @returns {LetterSets}
 */
function lettersOf(text) {
  let once = 0;
  let twice = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if ((code & 0xf800) === 0xd800) continue; // half of a surrogate pair
    const bit = 1 << (code % 31);
    twice |= once & bit;
    once |= bit;
  }
  return [once, twice];
}

/**
 * Returns a lower bound of the term's letters that a row lacks: most rows are ruled out without the slower pattern.
 *
 * @param {LetterSets} term
 * @param {LetterSets} row
 */
function missing([once, twice], [rowOnce, rowTwice]) {
  return bitCount(once & ~rowOnce) + bitCount(twice & ~rowTwice);
}

/** @param {number} bits */
function bitCount(bits) {
  let count = 0;
  for (let left = bits; left; left &= left - 1) count += 1;
  return count;
}

/** @param {string} letter */
function escaped(letter) {
  return letter.replace(/[.*+?^${}()|[\]\\/]/gu, "\\$&");
}
