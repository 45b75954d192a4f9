// cards_search.js – which cards are shown, and in which order. Pure functions on the library's rows.

const ENOUGH = 40; // with so many cards found, none is looked for that is only much like what was typed
const LEAST_FOR_A_SLIP = 4;
const MOST_FOR_A_SLIP = 24; // letters; longer ones are pasted, not typed
const IN_A_WORD = /[\p{L}\p{N}]/u;

/** Returns a card with what it is searched and sorted by. */
function prepared(card) {
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
    place: folder.toLowerCase(),
    all: [names, folder, card.family, card.description].join("\n").toLowerCase(),
    letters: lettersOf(names),
    byName: natural(card.word),
    byPath: natural(card.file),
  };
}

/** A key that sorts numbers by their value, and upper and lower case alike: the server's own. */
function natural(text) {
  return text.toLowerCase().replace(/[0-9]+/g, (digits) => digits.padStart(12, "0"));
}

const KEYS = {
  name: (row) => row.byName,
  path: (row) => row.byPath,
  created: (row) => row.card.created,
  modified: (row) => row.card.modified,
  used: (row) => row.card.used ?? 0,
};

/** Returns `find(query, choice)` for these cards; a choice is `{ sort, descending, folder, fits }`. */
export function searchable(cards) {
  const rows = cards.map(prepared);
  const sorted = new Map();

  const inOrder = ({ sort, descending }) => {
    const order = `${sort} ${descending}`;
    if (!sorted.has(order)) {
      const key = KEYS[sort] ?? KEYS.path;
      const way = descending ? -1 : 1;
      sorted.set(order, rows.toSorted((a, b) => way * (compare(key(a), key(b)) || compare(a.byPath, b.byPath))));
    }
    return sorted.get(order);
  };
  return (query, choice) => {
    const below = choice.folder && `${choice.folder}/`;
    const isChosen = (row) =>
      (!choice.folder || row.folder === choice.folder || row.folder.startsWith(below)) &&
      (!choice.fits || (row.card.state ?? "usable") === "usable");
    const chosen = choice.folder || choice.fits ? inOrder(choice).filter(isChosen) : inOrder(choice);
    const terms = query.toLowerCase().split(/\s+/).filter(Boolean);
    return (terms.length ? ranked(chosen, terms) : chosen).map(({ card }) => card);
  };
}

function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Returns the rows that have all terms, the best first; where these are few, those too that nearly have them. */
function ranked(rows, terms) {
  const found = scored(rows, terms, strictly);
  if (found.length >= ENOUGH) return found;
  const likenesses = new Map(terms.map((term) => [term, likeness(term)]));
  const known = new Set(found);
  const more = scored(
    rows.filter((row) => !known.has(row)),
    terms,
    (row, term) => strictly(row, term) || (likenesses.get(term)?.(row) ? 1 : 0),
  );
  return [...found, ...more];
}

/** Returns the rows with a score for every term, those with the same sum in the order that they come in. */
function scored(rows, terms, score) {
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
    const alike = bySum.get(sum);
    if (alike) alike.push(row);
    else bySum.set(sum, [row]);
  }
  const sums = [...bySum.keys()].sort((a, b) => b - a);
  return [].concat(...sums.map((sum) => bySum.get(sum)));
}

/** Returns how well a row has a term: in its word most, then in its tags, folder, family and description. */
function strictly({ word, tags, place, all }, term) {
  if (!all.includes(term)) return 0; // most rows, and quickly
  const at = word.indexOf(term);
  if (at === 0) return word.length === term.length ? 100 : 80;
  if (at > 0) return IN_A_WORD.test(word[at - 1]) ? 50 : 60;
  if (tags.includes(term)) return 45;
  if (tags.some((tag) => tag.includes(term))) return 35;
  return place.includes(term) ? 30 : 20;
}

/**
 * Returns `like(row)` for a term, which tells whether a row's word or tags have it with a letter too many, left out, wrong
 * or swapped, or with letters skipped between its own. Null for a term that nothing is like.
 */
function likeness(term) {
  const letters = [...term];
  if (letters.length < 2 || letters.length > MOST_FOR_A_SLIP) return null;
  const part = (from, to) => letters.slice(from, to).map(escaped).join("");
  const ways = [letters.map(escaped).join("[^\\s]{0,2}")];
  const slips = letters.length >= LEAST_FOR_A_SLIP;
  if (slips) {
    for (let index = 0; index < letters.length; index++) {
      ways.push(`${part(0, index)}.?${part(index + 1)}`);
      if (index + 1 < letters.length) ways.push(`${part(0, index)}${part(index + 1, index + 2)}${part(index, index + 1)}${part(index + 2)}`);
    }
  }
  const pattern = new RegExp(ways.join("|"), "u");
  const wanted = lettersOf(term);
  const most = slips ? 1 : 0;
  return ({ letters: had, names }) => missing(wanted, had) <= most && pattern.test(names);
}

/** Returns which letters a text has, and which of them twice, each as a set of bits; some letters share one. */
function lettersOf(text) {
  let once = 0;
  let twice = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if ((code & 0xf800) === 0xd800) continue; // half a letter
    const bit = 1 << (code % 31);
    twice |= once & bit;
    once |= bit;
  }
  return [once, twice];
}

/** Returns how many of the wanted letters a text lacks at the least: where these are too many, no pattern need be tried. */
function missing([once, twice], [hadOnce, hadTwice]) {
  return ones(once & ~hadOnce) + ones(twice & ~hadTwice);
}

function ones(bits) {
  let count = 0;
  for (let left = bits; left; left &= left - 1) count += 1;
  return count;
}

function escaped(letter) {
  return letter.replace(/[.*+?^${}()|[\]\\/]/gu, "\\$&");
}
