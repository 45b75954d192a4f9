// cards_search.js – which cards are shown, and in which order. Pure functions on the library's rows.

const ENOUGH = 40; // with so many cards found, none is looked for that is only much like what was typed
const LEAST_FOR_A_SLIP = 4;
const MOST_FOR_A_SLIP = 24; // letters; longer ones are pasted, not typed

/** Returns a card with what it is searched and sorted by. */
function prepared(card) {
  const cut = card.file.lastIndexOf("/");
  const word = card.word.toLowerCase();
  return {
    card,
    word,
    folder: cut < 0 ? "" : card.file.slice(0, cut),
    place: card.file.slice(0, Math.max(cut, 0)).toLowerCase(),
    tags: (card.tags ?? []).map((tag) => tag.toLowerCase()),
    about: `${card.family ?? ""}\n${card.description ?? ""}`.toLowerCase(),
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
    const chosen = inOrder(choice).filter(
      (row) =>
        (!choice.folder || row.folder === choice.folder || row.folder.startsWith(below)) &&
        (!choice.fits || (row.card.state ?? "usable") === "usable"),
    );
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
  const patterns = new Map(terms.map((term) => [term, likeness(term)]));
  const known = new Set(found);
  const more = scored(
    rows.filter((row) => !known.has(row)),
    terms,
    (row, term) => strictly(row, term) || (patterns.get(term)?.test(`${row.word} ${row.tags.join(" ")}`) ? 1 : 0),
  );
  return [...found, ...more];
}

function scored(rows, terms, score) {
  const found = [];
  for (const [index, row] of rows.entries()) {
    let sum = 0;
    for (const term of terms) {
      const points = score(row, term);
      if (!points) {
        sum = 0;
        break;
      }
      sum += points;
    }
    if (sum) found.push({ row, sum, index });
  }
  found.sort((a, b) => b.sum - a.sum || a.index - b.index);
  return found.map(({ row }) => row);
}

/** Returns how well a row has a term: in its word most, then in its tags, folder, family and description. */
function strictly({ word, tags, place, about }, term) {
  const at = word.indexOf(term);
  if (at === 0) return word.length === term.length ? 100 : 80;
  if (at > 0) return /[\p{L}\p{N}]/u.test(word[at - 1]) ? 50 : 60;
  if (tags.includes(term)) return 45;
  if (tags.some((tag) => tag.includes(term))) return 35;
  if (place.includes(term)) return 30;
  return about.includes(term) ? 20 : 0;
}

/** A pattern for a term with a letter too many, left out, wrong or swapped, or with letters skipped between its own. */
function likeness(term) {
  const letters = [...term];
  if (letters.length < 2 || letters.length > MOST_FOR_A_SLIP) return null;
  const part = (from, to) => letters.slice(from, to).map(escaped).join("");
  const ways = [letters.map(escaped).join("[^\\s]{0,2}")];
  if (letters.length >= LEAST_FOR_A_SLIP) {
    for (let index = 0; index < letters.length; index++) {
      ways.push(`${part(0, index)}.?${part(index + 1)}`);
      if (index + 1 < letters.length) ways.push(`${part(0, index)}${part(index + 1, index + 2)}${part(index, index + 1)}${part(index + 2)}`);
    }
  }
  return new RegExp(ways.join("|"), "u");
}

function escaped(letter) {
  return letter.replace(/[.*+?^${}()|[\]\\/]/gu, "\\$&");
}
