// words.js – adds words to prompts and removes them. Pure functions on text.

// A word ends where another name could not go on: "cat" is not found in "catalogue", "blue-cat" or "cat.v2".
const BEFORE = String.raw`(?<![\p{L}\p{N}_-]|[\p{L}\p{N}]\.)`;
const AFTER = String.raw`(?![\p{L}\p{N}_-]|\.[\p{L}\p{N}])`;
const OPENING = /[([{<]$/;
const CLOSING = /^[)\]}>,.;:!?]/;

/** @param {string} word */
function escaped(word) {
  return word.replace(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`);
}

/**
 * Returns a pattern for the word alone, and in `<embedding:word:1.2>`, `<embed:word>` and `embedding:word`.
 *
 * @param {string} word
 */
function pattern(word) {
  const name = escaped(word);
  const tag = String.raw`<\s*embed(?:ding)?\s*:\s*(?:[^<>:\n]*\/)?${name}\s*(?::[^<>\n]*)?>`;
  return new RegExp(`${tag}|${BEFORE}(?:embedding:)?${name}${AFTER}`, "giu");
}

const OPENED = /(?<!\\)[([]\s*$/;
/** @type {Record<string, RegExp>} */
const CLOSED = { "(": /^\s*(?::\s*[+-]?[\d.]+\s*)?\)/, "[": /^\s*\]/ };

/**
 * Returns start and end of the word with the emphasis that surrounds it alone: `((word):1.2)` as a whole.
 *
 * @param {string} text
 * @param {number} from
 * @param {number} to
 */
function withEmphasis(text, from, to) {
  let [start, end] = [from, to];
  for (;;) {
    const open = OPENED.exec(text.slice(0, start));
    const close = open && CLOSED[open[0][0]].exec(text.slice(end));
    if (!open || !close) return [start, end];
    start = open.index;
    end += close[0].length;
  }
}

/**
 * Returns whether the prompt uses the word.
 *
 * @param {string} text
 * @param {string} word
 */
export function hasWord(text, word) {
  return text.toLowerCase().includes(word.toLowerCase()) && pattern(word).test(text);
}

/**
 * Returns `{ text, caret }` with the word at the caret; without a caret, at the end after a comma.
 *
 * @param {string} text
 * @param {string} word
 * @param {number | null} [caret]
 */
export function insertWord(text, word, caret = null) {
  const at = caret ?? text.length;
  let left = text.slice(0, at);
  const right = text.slice(at);
  if (caret === null && /[^\s,]\s*$/.test(left)) left = `${left.trimEnd()}, `;
  else if (/[^\s]$/.test(left) && !OPENING.test(left)) left += " ";
  const gap = right && !/^\s/.test(right) && !CLOSING.test(right) ? " " : "";
  return { text: left + word + gap + right, caret: left.length + word.length };
}

/**
 * Returns the text without the word. Commas and spaces are tidied only where it stood.
 *
 * @param {string} text
 * @param {string} word
 */
export function removeWord(text, word) {
  let result = "";
  let rest = text;
  for (let match = pattern(word).exec(rest); match; match = pattern(word).exec(rest)) {
    const [start, end] = withEmphasis(rest, match.index, match.index + match[0].length);
    result += rest.slice(0, start);
    rest = rest.slice(end);
    [result, rest] = closeGap(result, rest);
  }
  return result + rest;
}

/**
 * Returns the text with another word in place of one. Weights and tags stay as they were.
 *
 * @param {string} text
 * @param {string} old
 * @param {string} word
 */
export function replaceWord(text, old, word) {
  return text.replace(pattern(old), (match) => {
    if (!match.startsWith("<")) return /^embedding:/i.test(match) ? nameOrTag(word, true) : promptForm(word);
    const [, kind, weight = ""] = /^<\s*(\w+)[^<>:]*:[^<>:]*(:[^<>]*)?>$/.exec(match) ?? [];
    return `<${kind}:${word}${weight}>`;
  });
}

/**
 * Returns both sides of a removed word, without the comma and the spaces that belonged to it.
 *
 * @param {string} before
 * @param {string} after
 */
function closeGap(before, after) {
  let left = before.replace(/[ \t]+$/, "");
  let right = after.replace(/^[ \t]+/, "");
  if (right.startsWith(",") && (left === "" || /[,\n([]$/.test(left))) right = right.replace(/^,[ \t]*/, "");
  if (right === "" && left.endsWith(",")) left = left.replace(/[ \t]*,$/, "");
  const leftTouches = left && !/\s$/.test(left) && !OPENING.test(left);
  const rightTouches = right && !/^\s/.test(right) && !CLOSING.test(right);
  return [leftTouches && rightTouches ? `${left} ` : left, right];
}

const TAG = /<(?:embed|embedding):([^<>:\n]*)$/i;
const COMFY = /(?<![\p{L}\p{N}_<:-])embedding:([^\s,:|()[\]<>]*)$/iu;
const BARE = /[^\s,:|()[\]<>]{2,}$/u;
const PLAIN_WORD = /^[\p{L}\p{N}_.-]+$/u;

/**
 * @typedef {object} TypedName an embedding's name that is being typed
 * @property {string} query its letters so far
 * @property {number} start where it begins in the text
 * @property {(word: string, plain?: boolean) => { text: string, caret: number }} replacedBy returns the prompt with a
 *   whole name in its place; `plain` is for prompts without tags
 */

/**
 * Returns the name that is being typed before the caret, or null.
 *
 * @param {string} text
 * @param {number} caret
 * @returns {TypedName | null}
 */
export function typedName(text, caret) {
  const before = text.slice(0, caret);
  const after = text.slice(caret);
  const [tag, comfy, bare] = [TAG, COMFY, BARE].map((kind) => kind.exec(before));
  const match = tag ?? comfy ?? bare;
  if (!match || /^[\p{L}\p{N}_-]/u.test(after)) return null;
  const query = tag || comfy ? match[1] : match[0];
  /**
   * @param {string} word
   * @param {boolean} [plain]
   */
  const replacedBy = (word, plain = false) => {
    const tagged = tag ? `<embedding:${word}>` : nameOrTag(word, Boolean(comfy));
    const name = plain ? word : tagged;
    const rest = tag ? after.replace(/^>/, "") : after;
    return { text: before.slice(0, match.index) + name + rest, caret: match.index + name.length };
  };
  return { query, start: match.index, replacedBy };
}

const UNTAGGABLE = /[<>:\n]/;
const FILE = /\.(?:safetensors|pt|bin|ckpt)$/i;

/**
 * Returns an embedding's name with its weight, as prompts have it.
 *
 * File names and names that are no single word need a tag, unless a tag can't hold them.
 *
 * @param {string} word
 * @param {number | null} [weight]
 */
export function promptForm(word, weight = null) {
  const weighted = Boolean(weight) && weight !== 1;
  if ((PLAIN_WORD.test(word) && !FILE.test(word)) || UNTAGGABLE.test(word))
    return weighted ? `(${word}:${weight})` : word;
  return weighted ? `<embedding:${word}:${weight}>` : `<embedding:${word}>`;
}

/**
 * Returns the word, with ComfyUI's prefix if wanted; the tag of a name that is no single word.
 *
 * @param {string} word
 * @param {boolean} comfy
 */
function nameOrTag(word, comfy) {
  if (!PLAIN_WORD.test(word)) return `<embedding:${word}>`;
  return comfy ? `embedding:${word}` : word;
}

/**
 * Returns the embeddings whose word begins with the typed letters, then those that contain them; none for a whole word.
 *
 * @template {{ word: string }} Embedding
 * @param {Embedding[]} embeddings
 * @param {{ query: string }} typed
 * @returns {Embedding[]}
 */
export function completions(embeddings, { query }) {
  const letters = query.toLowerCase();
  /** @param {Embedding} embedding */
  const rankOf = ({ word }) => {
    const lower = word.toLowerCase();
    if (lower.startsWith(letters)) return 0;
    return lower.includes(letters) ? 1 : 2;
  };
  const ranked = embeddings.map((embedding) => ({ rank: rankOf(embedding), embedding })).filter(({ rank }) => rank < 2);
  if (ranked.length === 1 && ranked[0].embedding.word.toLowerCase() === letters) return [];
  ranked.sort((a, b) => {
    const [one, other] = [a.embedding.word, b.embedding.word];
    return a.rank - b.rank || one.length - other.length || one.localeCompare(other);
  });
  return ranked.map(({ embedding }) => embedding);
}
