// tools.js – the Embeddings tab: choose embeddings, look into one, convert it, merge several, soften one.

import { address, call } from "../lib/api.js";
import { actions, button, group, labelled, select, textBox } from "../lib/controls.js";
import { element, setText } from "../lib/dom.js";
import { inspection } from "./inspection.js";
import { embeddingSearch } from "./search.js";
import { softening } from "./softening.js";

const FORMS = [
  ["safetensors", ".safetensors"],
  ["pt", ".pt (A1111)"],
  ["diffusers", "diffusers"],
  ["onetrainer", "OneTrainer"],
  ["png", "PNG card"],
];
const SAVED = ["safetensors", "pt", "png"]; // what the library looks at, and one file each
const METHODS = [
  ["concat", "one after the other"],
  ["average", "weighted sum"],
  ["slerp", "between two (slerp)"],
];
const HINTS = {
  concat: "The new word has the vectors of all of them, in this order.",
  average: "Vector by vector, with the weights above; 1 and -1 subtract.",
  slerp: "On the arc from the first embedding (0) to the second (1).",
};

/** Fills the tab's section; `onMade` is called when the library has a new embedding. */
export function embeddingTools(section, { onMade }) {
  const chosen = []; // { embedding, weight }
  let shown = null;
  let busy = false;

  const list = element("ul", { className: "ti-chosen", "aria-label": "Chosen embeddings" });
  const search = embeddingSearch((embedding) => add(embedding));
  const said = element("p", { className: "ti-note", role: "status" });
  const problem = element("p", { className: "ti-problem", role: "alert" });
  const panel = inspection();

  const form = select(FORMS, "Format");
  const copyName = textBox("Name", "as it is");
  const download = button("Download");
  const save = button("Save to the library");
  const convertGroup = group("Convert", labelled("Format", form), labelled("Name", copyName), actions(download, save));

  const how = select(METHODS, "How");
  const share = element("input", { type: "range", min: 0, max: 1, step: 0.05, value: 0.5, "aria-label": "Share of the second" });
  const shareText = element("output", { textContent: "0.5" });
  const shareRow = labelled("Share of the second", element("span", { className: "ti-share" }, share, shareText));
  const hint = element("p", { className: "ti-note" });
  const mergedName = textBox("Name of the new word", "cat-hat");
  const merge = button("Merge");
  const mergeGroup = group("Merge", labelled("How", how), shareRow, hint, labelled("Name of the new word", mergedName), actions(merge));

  const described = element("input", { type: "checkbox", checked: true });
  const describedRow = actions(element("label", { className: "ti-check" }, described, "Say in new files how they were made"));

  const soften = softening({
    shown: () => shown,
    describes: () => described.checked,
    work: (told, task) => work(told, task),
    made: (embedding) => made(embedding),
  });
  const groups = [convertGroup, mergeGroup, soften.place];

  section.append(
    element("div", { className: "ti-tools-left" }, search.box, list, ...groups, describedRow, said, problem),
    element("div", { className: "ti-tools-right" }, panel.place),
  );

  const add = (embedding) => {
    if (!chosen.some((each) => each.embedding.id === embedding.id)) chosen.push({ embedding, weight: null });
    show(embedding);
  };
  const remove = (embedding) => {
    chosen.splice(chosen.findIndex((each) => each.embedding === embedding), 1);
    if (shown === embedding) show(chosen.at(-1)?.embedding ?? null);
    else draw();
  };
  const show = (embedding) => {
    shown = embedding;
    soften.show(embedding);
    copyName.placeholder = embedding?.word ?? "";
    panel.show(embedding);
    draw();
  };
  const draw = () => {
    list.replaceChildren(...chosen.map((each) => row(each)));
    const slerp = how.value === "slerp";
    shareRow.hidden = !slerp;
    setText(shareText, share.value);
    setText(hint, HINTS[how.value]);
    for (const made of [download, save]) made.disabled = busy || !shown;
    soften.draw(busy);
    save.hidden = !SAVED.includes(form.value);
    merge.disabled = busy || (slerp ? chosen.length !== 2 : chosen.length < 2);
  };
  const row = (each) => {
    const { embedding } = each;
    const name = element(
      "button",
      { type: "button", className: "ti-chosen-name", "aria-pressed": String(embedding === shown), title: embedding.file },
      element("strong", { textContent: embedding.word }),
      element("span", { className: "ti-note", textContent: details(embedding) }),
    );
    name.addEventListener("click", () => show(embedding));
    const weight = element("input", {
      type: "number",
      step: 0.1,
      value: each.weight ?? "",
      placeholder: String(Number((1 / chosen.length).toFixed(2))),
      hidden: how.value !== "average",
      "aria-label": `Weight of ${embedding.word}`,
    });
    weight.addEventListener("input", () => (each.weight = weight.value === "" ? null : Number(weight.value)));
    const away = element("button", { type: "button", className: "ti-button ti-away", textContent: "×", "aria-label": `Leave out ${embedding.word}` });
    away.addEventListener("click", () => remove(embedding));
    return element("li", {}, name, weight, away);
  };

  /** Does something on the server, and says how it went. */
  const work = async (told, task) => {
    busy = true;
    setText(problem, "");
    setText(said, told);
    draw();
    try {
      setText(said, await task());
    } catch (error) {
      setText(said, "");
      setText(problem, error.message);
    }
    busy = false;
    draw();
  };
  const made = (embedding) => {
    add(embedding);
    onMade();
    return `${embedding.file} is in the library.`;
  };

  form.addEventListener("change", draw);
  how.addEventListener("change", draw);
  share.addEventListener("input", draw);
  download.addEventListener("click", () =>
    work("Converting …", async () => {
      const query = new URLSearchParams({ form: form.value, name: copyName.value.trim(), metadata: described.checked });
      return `${await fetchFile(`tools/embeddings/${shown.id}/file?${query}`)} was sent.`;
    }),
  );
  save.addEventListener("click", () =>
    work("Converting …", async () => {
      const body = { embedding: shown.id, name: copyName.value.trim() || shown.word, form: form.value, metadata: described.checked };
      return made(await call("tools/convert", { method: "POST", body }));
    }),
  );
  merge.addEventListener("click", () =>
    work("Merging …", async () => {
      const embeddings = chosen.map(({ embedding }) => embedding.id);
      const body = { embeddings, how: how.value, name: mergedName.value.trim(), metadata: described.checked };
      if (how.value === "slerp") body.share = Number(share.value);
      if (how.value === "average" && chosen.some(({ weight }) => weight !== null)) {
        body.weights = chosen.map(({ weight }) => weight ?? 1 / chosen.length);
      }
      return made(await call("tools/merge", { method: "POST", body }));
    }),
  );
  draw();
}

/** Fetches a file and hands it to the browser's downloads; returns its name. */
async function fetchFile(path) {
  const response = await fetch(address(path)).catch((error) => {
    throw new Error("The server does not answer. It may have been stopped.", { cause: error });
  });
  if (!response.ok) {
    const body = await response.json().catch(() => ({}));
    throw new Error(String(body.detail ?? `The server answered ${response.status}.`));
  }
  const name = decodeURIComponent(response.headers.get("content-disposition").split("utf-8''")[1]);
  const link = element("a", { href: URL.createObjectURL(await response.blob()), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  return name;
}

/** Returns what an embedding is, in a few words. */
export function details({ family, vectors_per_token: vectors }) {
  return [family, vectors && `${vectors} ${vectors === 1 ? "vector" : "vectors"}`].filter(Boolean).join(" · ");
}
