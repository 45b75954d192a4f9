// tools.js – the Embeddings tab: inspects, converts, merges and softens embeddings.

/** @import { FoundEmbedding } from "../lib/types.d.ts" */

import { address, call, messageOf } from "../lib/api.js";
import { button, group, labelled, select, textBox, toolbar } from "../lib/controls.js";
import { element, setText } from "../lib/dom.js";
import { joined, vectorCount } from "../lib/format.js";
import { inspection } from "./inspection.js";
import { embeddingSearch } from "./search.js";
import { softening } from "./softening.js";

/** @typedef {{ embedding: FoundEmbedding, weight: number | null }} Selected */

const FORMATS = [
  ["safetensors", ".safetensors"],
  ["pt", ".pt (A1111)"],
  ["diffusers", "diffusers"],
  ["onetrainer", "OneTrainer"],
  ["png", "PNG card"],
];
const LIBRARY_FORMATS = ["safetensors", "pt", "png"]; // single files that the library reads
const METHODS = [
  ["concat", "one after the other"],
  ["average", "weighted sum"],
  ["slerp", "between two (slerp)"],
];
/** @type {Record<string, string>} */
const HINTS = {
  concat: "The new word has the vectors of all of them, in this order.",
  average: "Vector by vector, with the weights above; 1 and -1 subtract.",
  slerp: "On the arc from the first embedding (0) to the second (1).",
};

/**
 * Fills the tab's section.
 *
 * @param {HTMLElement} section
 * @param {{ onNewEmbedding: () => void }} options
 */
export function embeddingTools(section, { onNewEmbedding }) {
  /** @type {Selected[]} */
  const selected = [];
  /** @type {FoundEmbedding | null} */
  let current = null;
  let isBusy = false;

  const list = element("ul", { className: "ti-selected", "aria-label": "Chosen embeddings" });
  const search = embeddingSearch((embedding) => add(embedding));
  const status = element("p", { className: "ti-note", role: "status" });
  const problem = element("p", { className: "ti-problem", role: "alert" });
  const panel = inspection();
  const convert = convertGroup();
  const merge = mergeGroup();

  const metadata = element("input", { type: "checkbox", checked: true });
  const metadataLabel = element("label", { className: "ti-check" }, metadata, "Say in new files how they were made");

  const soften = softening({
    current: () => current,
    withMetadata: () => metadata.checked,
    run: (message, task) => run(message, task),
    addNew: (embedding) => addNew(embedding),
  });
  const groups = [convert.root, merge.root, soften.root];

  section.append(
    element(
      "div",
      { className: "ti-tools-left" },
      search.root,
      list,
      ...groups,
      toolbar(metadataLabel),
      status,
      problem,
    ),
    element("div", { className: "ti-tools-right" }, panel.root),
  );

  /** @param {FoundEmbedding} embedding */
  const add = (embedding) => {
    if (!selected.some((each) => each.embedding.id === embedding.id)) selected.push({ embedding, weight: null });
    show(embedding);
  };
  /** @param {FoundEmbedding} embedding */
  const remove = (embedding) => {
    const index = selected.findIndex((each) => each.embedding === embedding);
    selected.splice(index, 1);
    if (current === embedding) show(selected.at(-1)?.embedding ?? null);
    else draw();
  };
  /** @param {FoundEmbedding | null} embedding */
  const show = (embedding) => {
    current = embedding;
    soften.show(embedding);
    convert.name.placeholder = embedding?.word ?? "";
    panel.show(embedding);
    draw();
  };
  const draw = () => {
    const withWeights = merge.method.value === "average";
    const rows = selected.map((each) => {
      const options = { isCurrent: each.embedding === current, withWeights, count: selected.length };
      return selectedRow(each, options, { show, remove });
    });
    list.replaceChildren(...rows);
    convert.draw(isBusy || !current);
    merge.draw(isBusy, selected.length);
    soften.draw(isBusy);
  };

  /**
   * Runs a task on the server and shows its result.
   *
   * @param {string} message shown meanwhile
   * @param {() => Promise<string>} task returns the message that is shown then
   */
  const run = async (message, task) => {
    isBusy = true;
    setText(problem, "");
    setText(status, message);
    draw();
    try {
      setText(status, await task());
    } catch (error) {
      setText(status, "");
      setText(problem, messageOf(error));
    }
    isBusy = false;
    draw();
  };
  /** @param {FoundEmbedding} embedding */
  const addNew = (embedding) => {
    add(embedding);
    onNewEmbedding();
    return `${embedding.file} is in the library.`;
  };

  convert.format.addEventListener("change", draw);
  merge.method.addEventListener("change", draw);
  merge.share.addEventListener("input", draw);
  convert.download.addEventListener("click", () =>
    run("Converting …", async () => {
      const query = new URLSearchParams({
        form: convert.format.value,
        name: convert.name.value.trim(),
        metadata: String(metadata.checked),
      });
      return `${await download(`tools/embeddings/${current?.id}/file?${query}`)} was sent.`;
    }),
  );
  convert.save.addEventListener("click", () =>
    run("Converting …", async () => {
      const name = convert.name.value.trim() || current?.word;
      const body = { embedding: current?.id, name, form: convert.format.value, metadata: metadata.checked };
      return addNew(await call("tools/convert", { method: "POST", body }));
    }),
  );
  merge.button.addEventListener("click", () =>
    run("Merging …", async () => {
      const body = { ...merge.request(selected), metadata: metadata.checked };
      return addNew(await call("tools/merge", { method: "POST", body }));
    }),
  );
  draw();
}

function convertGroup() {
  const format = select(FORMATS, "Format");
  const name = textBox("Name", "as it is");
  const download = button("Download");
  const save = button("Save to the library");
  const root = group("Convert", labelled("Format", format), labelled("Name", name), toolbar(download, save));
  /** @param {boolean} isDisabled */
  const draw = (isDisabled) => {
    for (const each of [download, save]) each.disabled = isDisabled;
    save.hidden = !LIBRARY_FORMATS.includes(format.value);
  };
  return { root, format, name, download, save, draw };
}

function mergeGroup() {
  const method = select(METHODS, "How");
  const share = element("input", {
    type: "range",
    min: 0,
    max: 1,
    step: 0.05,
    value: 0.5,
    "aria-label": "Share of the second",
  });
  const shareText = element("output", { textContent: "0.5" });
  const slider = element("span", { className: "ti-slider" }, share, shareText);
  const shareRow = labelled("Share of the second", slider);
  const hint = element("p", { className: "ti-note" });
  const name = textBox("Name of the new word", "cat-hat");
  const merge = button("Merge");
  const nameRow = labelled("Name of the new word", name);
  const root = group("Merge", labelled("How", method), shareRow, hint, nameRow, toolbar(merge));
  /**
   * @param {boolean} isBusy
   * @param {number} count of the selected embeddings
   */
  const draw = (isBusy, count) => {
    const isSlerp = method.value === "slerp";
    shareRow.hidden = !isSlerp;
    setText(shareText, share.value);
    setText(hint, HINTS[method.value]);
    merge.disabled = isBusy || (isSlerp ? count !== 2 : count < 2);
  };
  /** @param {Selected[]} selected */
  const request = (selected) => {
    const embeddings = selected.map(({ embedding }) => embedding.id);
    const body = { embeddings, how: method.value, name: name.value.trim() };
    if (method.value === "slerp") return { ...body, share: Number(share.value) };
    if (method.value !== "average" || selected.every(({ weight }) => weight === null)) return body;
    return { ...body, weights: selected.map(({ weight }) => weight ?? 1 / selected.length) };
  };
  return { root, method, share, button: merge, draw, request };
}

/**
 * Returns the list item of a selected embedding.
 *
 * @param {Selected} selected
 * @param {{ isCurrent: boolean, withWeights: boolean, count: number }} options
 * @param {Record<"show" | "remove", (embedding: FoundEmbedding) => void>} on
 */
function selectedRow(selected, { isCurrent, withWeights, count }, on) {
  const { embedding } = selected;
  const name = element(
    "button",
    { type: "button", className: "ti-selected-name", "aria-pressed": String(isCurrent), title: embedding.file },
    element("strong", { textContent: embedding.word }),
    element("span", { className: "ti-note", textContent: detailsOf(embedding) }),
  );
  name.addEventListener("click", () => on.show(embedding));
  const weight = element("input", {
    type: "number",
    step: 0.1,
    value: selected.weight ?? "",
    placeholder: String(Number((1 / count).toFixed(2))),
    hidden: !withWeights,
    "aria-label": `Weight of ${embedding.word}`,
  });
  weight.addEventListener("input", () => {
    selected.weight = weight.value === "" ? null : Number(weight.value);
  });
  const remove = element("button", {
    type: "button",
    className: "ti-button ti-deselect",
    textContent: "×",
    "aria-label": `Leave out ${embedding.word}`,
  });
  remove.addEventListener("click", () => on.remove(embedding));
  return element("li", {}, name, weight, remove);
}

/**
 * Downloads a file by the browser; returns its name.
 *
 * @param {string} path
 */
async function download(path) {
  const response = await fetch(address(path)).catch((error) => {
    throw new Error("The server does not answer. It may have been stopped.", { cause: error });
  });
  if (!response.ok) {
    const body = await response.json().catch(() => ({}));
    throw new Error(String(body.detail ?? `The server answered ${response.status}.`));
  }
  const disposition = response.headers.get("content-disposition") ?? "";
  const name = decodeURIComponent(disposition.split("utf-8''")[1]);
  const link = element("a", { href: URL.createObjectURL(await response.blob()), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  return name;
}

/** @param {FoundEmbedding} embedding */
function detailsOf({ family, vectors_per_token: vectors }) {
  return joined([family, vectorCount(vectors)]);
}
