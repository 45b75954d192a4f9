// inspection.js – one embedding in detail: facts, its vectors compared with the vocabulary, and its file's metadata.

/** @import { ComparedRow, ComparisonView, FoundEmbedding } from "../lib/types.d.ts" */
/** @import { InspectionView, NeighbourView, RowView } from "../lib/types.d.ts" */

import { call, messageOf } from "../lib/api.js";
import { element, setText } from "../lib/dom.js";
import { dateTime, number } from "../lib/format.js";

const NOTHING = "Choose an embedding to look into it.";
const COMPARING = "Comparing with the checkpoint's vocabulary …";

/** Returns `{ root, show }`; `show` takes an embedding, or null for none. */
export function inspection() {
  const root = element("section", { className: "ti-inspection", "aria-label": "Inspection" });
  let latest = 0;

  /** @param {FoundEmbedding | null} embedding */
  const show = async (embedding) => {
    const request = ++latest;
    const isLatest = () => request === latest;
    if (!embedding) {
      root.replaceChildren(element("p", { className: "ti-note", textContent: NOTHING }));
      return;
    }
    try {
      /** @type {InspectionView} */
      const view = await call(`tools/embeddings/${embedding.id}`);
      if (!isLatest()) return;
      const note = element("p", { className: "ti-note", role: "status", textContent: COMPARING });
      const table = element("div", { className: "ti-table" }, rowTable(view.rows));
      root.replaceChildren(heading(view), facts(view), table, note, ...metadata(view));
      await compare(embedding, table, note, isLatest);
    } catch (error) {
      const problem = element("p", { className: "ti-problem", role: "alert", textContent: messageOf(error) });
      if (isLatest()) root.replaceChildren(problem);
    }
  };
  show(null);
  return { root, show };
}

/**
 * Adds the comparison with the vocabulary.
 *
 * @param {FoundEmbedding} embedding
 * @param {HTMLElement} table
 * @param {HTMLElement} note
 * @param {() => boolean} isLatest whether the embedding is still the shown one
 */
async function compare(embedding, table, note, isLatest) {
  try {
    /** @type {ComparisonView} */
    const { checkpoint, rows } = await call(`tools/embeddings/${embedding.id}/vocabulary`);
    if (!isLatest()) return;
    table.replaceChildren(rowTable(rows));
    const columns = "the norm over the vocabulary's mean norm, and the words that point the same way (cosine)";
    setText(note, `Beside the vocabulary of ${checkpoint}: ${columns}.`);
  } catch (error) {
    if (isLatest()) setText(note, messageOf(error));
  }
}

/** @param {InspectionView} view */
function heading({ word, file }) {
  return element("h2", { title: file }, element("bdi", { textContent: word }));
}

/** @param {InspectionView} view */
function facts(view) {
  const widths = Object.entries(view.widths).map(([encoder, width]) => `${encoder} ${width}`);
  const rows = Object.entries({
    File: view.file,
    Family: view.family ?? "unknown",
    Vectors: view.vectors_per_token,
    Width: widths.join(", "),
    Step: view.step,
    Size: `${view.size.toLocaleString()} bytes`,
    Modified: dateTime(view.modified),
    Hash: view.sha256.slice(0, 12),
  }).filter(([, value]) => value !== null);
  return element("dl", { className: "ti-facts" }, ...rows.map(([name, value]) => pair(name, String(value))));
}

/**
 * @param {string} name
 * @param {string} value
 */
function pair(name, value) {
  const text = element("dd", { textContent: value });
  return element("div", {}, element("dt", { textContent: name }), text);
}

/**
 * Returns the table of the learned rows; compared rows have more columns.
 *
 * @param {RowView[] | ComparedRow[]} rows
 */
function rowTable(rows) {
  const isCompared = rows.length > 0 && "nearest" in rows[0];
  const names = ["Vector", "Norm", ...(isCompared ? ["Relative", "Nearest words"] : [])];
  const head = element("tr", {}, ...names.map((name) => element("th", { scope: "col", textContent: name })));
  const hasSeveralEncoders = new Set(rows.map(({ encoder }) => encoder)).size > 1;
  const body = rows.map((row) =>
    element(
      "tr",
      {},
      element("th", { scope: "row", textContent: `${hasSeveralEncoders ? `${row.encoder} ` : ""}${row.number}` }),
      element("td", { textContent: number(row.norm, 3) }),
      ...("nearest" in row ? comparedCells(row) : []),
    ),
  );
  return element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
}

/** @param {ComparedRow} row */
function comparedCells({ relative_norm: relativeNorm, nearest }) {
  const words = element("td", {}, ...nearest.map(neighbour));
  return [element("td", { textContent: `×${number(relativeNorm, 3)}` }), words];
}

/** @param {NeighbourView} view */
function neighbour({ word, cosine }) {
  const similarity = element("small", { textContent: cosine.toFixed(2) });
  return element("span", { className: "ti-neighbour" }, element("bdi", { textContent: word }), similarity);
}

/** @param {InspectionView} view */
function metadata({ metadata, request }) {
  const sections = [collapsed("What the file says", metadata), collapsed("Training request", request)];
  return sections.filter((section) => section !== null);
}

/**
 * @param {string} title
 * @param {Record<string, unknown> | null} values
 */
function collapsed(title, values) {
  const rows = Object.entries(values ?? {}).map(([name, value]) =>
    pair(name, typeof value === "string" ? value : JSON.stringify(value)),
  );
  if (rows.length === 0) return null;
  const summary = element("summary", { textContent: `${title} (${rows.length})` });
  return element("details", {}, summary, element("dl", { className: "ti-metadata" }, ...rows));
}
