// inspection.js – what is known of one embedding: facts, its vectors beside the vocabulary, what its file says.

import { call } from "../lib/api.js";
import { element, setText } from "../lib/dom.js";
import { moment, number } from "../lib/format.js";

const NOTHING = "Choose an embedding to look into it.";

/** Returns `{ place, show }`; `show` takes an embedding, or null for none. */
export function inspection() {
  const place = element("section", { className: "ti-inspection", "aria-label": "Inspection" });
  let latest = null;

  const show = async (embedding) => {
    const asked = (latest = {});
    if (!embedding) {
      place.replaceChildren(element("p", { className: "ti-note", textContent: NOTHING }));
      return;
    }
    try {
      const known = await call(`tools/embeddings/${embedding.id}`);
      if (asked !== latest) return;
      const words = element("p", { className: "ti-note", role: "status", textContent: "Comparing with the checkpoint's vocabulary …" });
      const table = element("div", { className: "ti-table" }, rowTable(known.rows));
      place.replaceChildren(heading(known), facts(known), table, words, ...texts(known));
      await compare(embedding, table, words, () => asked === latest);
    } catch (error) {
      if (asked === latest) place.replaceChildren(element("p", { className: "ti-problem", role: "alert", textContent: error.message }));
    }
  };
  show(null);
  return { place, show };
}

async function compare(embedding, table, words, wanted) {
  try {
    const { checkpoint, rows } = await call(`tools/embeddings/${embedding.id}/vocabulary`);
    if (!wanted()) return;
    table.replaceChildren(rowTable(rows));
    setText(words, `Beside the vocabulary of ${checkpoint}: the norm over the vocabulary's mean norm, and the words that point the same way (cosine).`);
  } catch (error) {
    if (wanted()) setText(words, error.message);
  }
}

function heading({ word, file }) {
  return element("h2", { title: file }, element("bdi", { textContent: word }));
}

function facts(known) {
  const widths = Object.entries(known.widths).map(([encoder, width]) => `${encoder} ${width}`);
  const listed = [
    ["File", known.file],
    ["Family", known.family ?? "unknown"],
    ["Vectors", known.vectors_per_token],
    ["Width", widths.join(", ")],
    ["Step", known.step],
    ["Size", `${known.size.toLocaleString()} bytes`],
    ["Modified", moment(known.modified)],
    ["Hash", known.sha256.slice(0, 12)],
  ].filter(([, value]) => value !== null);
  return element("dl", { className: "ti-facts" }, ...listed.map(([name, value]) => pair(name, String(value))));
}

function pair(name, value) {
  const text = element("dd", { textContent: value });
  return element("div", {}, element("dt", { textContent: name }), text);
}

/** Returns the table of rows; those that were compared have more columns. */
function rowTable(rows) {
  const compared = rows.length > 0 && rows[0].nearest !== undefined;
  const names = ["Vector", "Norm", ...(compared ? ["Relative", "Nearest words"] : [])];
  const head = element("tr", {}, ...names.map((name) => element("th", { scope: "col", textContent: name })));
  const several = new Set(rows.map(({ encoder }) => encoder)).size > 1;
  const body = rows.map((row) =>
    element(
      "tr",
      {},
      element("th", { scope: "row", textContent: several ? `${row.encoder} ${row.number}` : String(row.number) }),
      element("td", { textContent: number(row.norm, 3) }),
      ...(compared ? [element("td", { textContent: `×${number(row.relative_norm, 3)}` }), nearest(row.nearest)] : []),
    ),
  );
  return element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
}

function nearest(words) {
  const shown = words.map(({ word, cosine }) =>
    element("span", { className: "ti-near" }, element("bdi", { textContent: word }), element("small", { textContent: cosine.toFixed(2) })),
  );
  return element("td", {}, ...shown);
}

function texts({ metadata, request }) {
  return [folded("What the file says", metadata), folded("Training request", request)].filter(Boolean);
}

function folded(title, values) {
  const listed = Object.entries(values ?? {});
  if (listed.length === 0) return null;
  const rows = listed.map(([name, value]) => pair(name, typeof value === "string" ? value : JSON.stringify(value)));
  return element("details", {}, element("summary", { textContent: `${title} (${listed.length})` }), element("dl", { className: "ti-said" }, ...rows));
}
