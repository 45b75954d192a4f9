// words.js – puts words into prompts and takes them out. Pure functions on text.

// A word ends where another name could not go on: "cat" is not found in "catalogue", "blue-cat" or "cat.v2".
const BEFORE = String.raw`(?<![\p{L}\p{N}_-]|[\p{L}\p{N}]\.)`;
const AFTER = String.raw`(?![\p{L}\p{N}_-]|\.[\p{L}\p{N}])`;
const OPENING = /[([{<]$/;
const CLOSING = /^[)\]}>,.;:!?]/;

function escaped(word) {
  return word.replace(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`);
}

/** A pattern for the word on its own, and for what names it: `<embedding:word:1.2>`, `<embed:word>`, `embedding:word`. */
function pattern(word) {
  const name = escaped(word);
  const tag = String.raw`<\s*embed(?:ding)?\s*:\s*(?:[^<>:\n]*\/)?${name}\s*(?::[^<>\n]*)?>`;
  return new RegExp(`${tag}|${BEFORE}(?:embedding:)?${name}${AFTER}`, "giu");
}

const OPENED = /(?<!\\)[([]\s*$/;
const CLOSED = { "(": /^\s*(?::\s*[+-]?[\d.]+\s*)?\)/, "[": /^\s*\]/ };

/** Returns where the word and the emphasis around it alone begin and end: `((word):1.2)` as a whole. */
function widened(text, from, to) {
  let [start, end] = [from, to];
  for (;;) {
    const open = OPENED.exec(text.slice(0, start));
    const close = open && CLOSED[open[0][0]].exec(text.slice(end));
    if (!close) return [start, end];
    start = open.index;
    end += close[0].length;
  }
}

/** Returns whether the prompt uses the word. */
export function hasWord(text, word) {
  return text.toLowerCase().includes(word.toLowerCase()) && pattern(word).test(text);
}

/** Returns the text with the word at the caret, and where the caret is then; without a caret, at the end after a comma. */
export function insertWord(text, word, caret = null) {
  const at = caret ?? text.length;
  let left = text.slice(0, at);
  const right = text.slice(at);
  if (caret === null && /[^\s,]\s*$/.test(left)) left = `${left.trimEnd()}, `;
  else if (/[^\s]$/.test(left) && !OPENING.test(left)) left += " ";
  const gap = right && !/^\s/.test(right) && !CLOSING.test(right) ? " " : "";
  return { text: left + word + gap + right, caret: left.length + word.length };
}

/** Returns the text without the word, its commas and spaces tidied where it stood and nowhere else. */
export function removeWord(text, word) {
  let result = "";
  let rest = text;
  for (let match = pattern(word).exec(rest); match; match = pattern(word).exec(rest)) {
    const [start, end] = widened(rest, match.index, match.index + match[0].length);
    result += rest.slice(0, start);
    rest = rest.slice(end);
    [result, rest] = closeGap(result, rest);
  }
  return result + rest;
}

/** Returns the text with the word called by another name wherever it stood, its weights and tags as they were. */
export function replaceWord(text, old, word) {
  return text.replace(pattern(old), (found) => {
    if (!found.startsWith("<")) return /^embedding:/i.test(found) ? spelled(word, true) : promptForm(word);
    const [, kind, weight = ""] = /^<\s*(\w+)[^<>:]*:[^<>:]*(:[^<>]*)?>$/.exec(found);
    return `<${kind}:${word}${weight}>`;
  });
}

function closeGap(before, after) {
  let left = before.replace(/[ \t]+$/, "");
  let right = after.replace(/^[ \t]+/, "");
  if (right.startsWith(",") && (left === "" || /[,\n([]$/.test(left))) right = right.replace(/^,[ \t]*/, "");
  if (right === "" && left.endsWith(",")) left = left.replace(/[ \t]*,$/, "");
  const joined = left && right && !/\s$/.test(left) && !OPENING.test(left) && !/^\s/.test(right) && !CLOSING.test(right);
  return [joined ? `${left} ` : left, right];
}

const TAG = /<(?:embed|embedding):([^<>:\n]*)$/i;
const COMFY = /(?<![\p{L}\p{N}_<:-])embedding:([^\s,:|()[\]<>]*)$/iu;
const BARE = /[^\s,:|()[\]<>]{2,}$/u;
const PLAIN_WORD = /^[\p{L}\p{N}_.-]+$/u;

/** Returns the name that is being typed before the caret, `{ query, start, replacedBy }`, or null. */
export function typedName(text, caret) {
  const before = text.slice(0, caret);
  const after = text.slice(caret);
  const [tag, comfy, bare] = [TAG, COMFY, BARE].map((kind) => kind.exec(before));
  const found = tag ?? comfy ?? bare;
  if (!found || /^[\p{L}\p{N}_-]/u.test(after)) return null;
  const query = tag || comfy ? found[1] : found[0];
  const replacedBy = (word, plain = false) => {
    const tagged = tag ? `<embedding:${word}>` : spelled(word, Boolean(comfy));
    const named = plain ? word : tagged;
    const rest = tag ? after.replace(/^>/, "") : after;
    return { text: before.slice(0, found.index) + named + rest, caret: found.index + named.length };
  };
  return { query, start: found.index, replacedBy };
}

const UNTAGGABLE = /[<>:\n]/;
const FILE = /\.(?:safetensors|pt|bin|ckpt)$/i;

/** Returns how a prompt calls an embedding with a weight: a name that is no single word, or a file's, by its tag, if one
 *  can hold it. */
export function promptForm(word, weight = null) {
  const weighted = Boolean(weight) && weight !== 1;
  if ((PLAIN_WORD.test(word) && !FILE.test(word)) || UNTAGGABLE.test(word)) return weighted ? `(${word}:${weight})` : word;
  return weighted ? `<embedding:${word}:${weight}>` : `<embedding:${word}>`;
}

/** A name that is no single word can only be called by its tag. */
function spelled(word, comfy) {
  if (!PLAIN_WORD.test(word)) return `<embedding:${word}>`;
  return comfy ? `embedding:${word}` : word;
}

/** Returns the embeddings whose word goes on from what was typed, then those that hold it; none for a finished word. */
export function completions(embeddings, { query }) {
  const wanted = query.toLowerCase();
  const rank = ({ word }) => {
    const lower = word.toLowerCase();
    if (lower.startsWith(wanted)) return 0;
    return lower.includes(wanted) ? 1 : 2;
  };
  const ranked = embeddings.map((embedding) => [rank(embedding), embedding]).filter(([value]) => value < 2);
  if (ranked.length === 1 && ranked[0][1].word.toLowerCase() === wanted) return [];
  ranked.sort(([a, { word: one }], [b, { word: other }]) => a - b || one.length - other.length || one.localeCompare(other));
  return ranked.map(([, embedding]) => embedding);
}
