// cards.js – the extra-networks picker: every embedding a card, and the clicked one's word goes into the prompt.

import { address, call } from "./api.js";
import { element, setText } from "./dom.js";
import { caretOf, lastPrompt, promptBoxes, setPrompt } from "./prompts.js";
import { hasWord, insertWord, removeWord } from "./words.js";

/** Fills the picker's section and returns `{ toggle, refresh }`. */
export function cardPicker(section) {
  const search = element("input", { type: "search", placeholder: "Search …", "aria-label": "Search embeddings" });
  const refreshButton = element("button", { type: "button", className: "ti-button", textContent: "Refresh" });
  const note = element("p", { className: "ti-note", role: "status" });
  const grid = element("div", { className: "ti-cards" });
  section.append(element("div", { className: "ti-bar" }, search, refreshButton, note), grid);
  let library = null;

  const draw = () => {
    if (!library) return;
    const shown = library.embeddings.filter((embedding) => matches(embedding, search.value));
    grid.replaceChildren(...shown.map(card));
    setText(note, describe(library, shown.length));
    markUsed(grid);
  };
  const refresh = async () => {
    try {
      library = await call("embeddings");
      draw();
    } catch (error) {
      setText(note, error.message);
    }
  };
  const toggle = () => {
    section.hidden = !section.hidden;
    if (!section.hidden) refresh();
    return !section.hidden;
  };

  search.addEventListener("input", draw);
  refreshButton.addEventListener("click", refresh);
  grid.addEventListener("click", ({ target }) => {
    const word = target.closest("button[data-word]")?.dataset.word;
    if (word) toggleWord(word);
  });
  document.addEventListener("input", () => markUsed(grid));
  return { toggle, refresh: () => (section.hidden ? undefined : refresh()) };
}

/** Puts the word into the prompt that was used last, unless a prompt has it already. */
export function useWord(word) {
  if (!promptBoxes().some((box) => hasWord(box.value, word))) toggleWord(word);
}

function toggleWord(word) {
  const box = lastPrompt();
  if (hasWord(box.value, word)) {
    setPrompt(box, removeWord(box.value, word));
  } else {
    const { text, caret } = insertWord(box.value, word, caretOf(box));
    setPrompt(box, text, caret);
  }
}

function markUsed(grid) {
  const [prompt, negative] = promptBoxes().map((box) => box.value);
  for (const made of grid.querySelectorAll("button[data-word]")) {
    const places = [];
    if (hasWord(prompt ?? "", made.dataset.word)) places.push("in the prompt");
    if (hasWord(negative ?? "", made.dataset.word)) places.push("in the negative prompt");
    made.setAttribute("aria-pressed", String(places.length > 0));
    setText(made.querySelector(".ti-card-use"), places.join(" and "));
  }
}

function matches(embedding, query) {
  const text = `${embedding.file} ${embedding.family ?? ""}`.toLowerCase();
  return query.toLowerCase().split(/\s+/).every((part) => text.includes(part));
}

function describe(library, shown) {
  const all = library.embeddings.length;
  if (all === 0) {
    return `No embeddings yet. Train one in the Train tab, or drop a .safetensors or .pt file into ${library.folder}`;
  }
  return shown === 0 ? `None of ${all} embeddings matches.` : `${shown} of ${all}`;
}

function card(embedding) {
  const problem = problemOf(embedding);
  const details = [
    embedding.vectors_per_token && `${embedding.vectors_per_token} ${embedding.vectors_per_token === 1 ? "vector" : "vectors"}`,
    embedding.step && `step ${embedding.step}`,
  ].filter(Boolean);
  const content = [
    picture(embedding),
    element("strong", { className: "ti-card-name", textContent: embedding.word }),
    element("span", { className: "ti-card-details", textContent: details.join(" · ") }),
  ];
  if (problem) {
    const reason = element("span", { className: "ti-card-problem", textContent: problem });
    return element("div", { className: "ti-card ti-card-greyed", title: `${embedding.file}: ${problem}` }, ...content, reason);
  }
  return element(
    "button",
    { type: "button", className: "ti-card", title: embedding.file, dataset: { word: embedding.word }, "aria-pressed": "false" },
    ...content,
    element("span", { className: "ti-card-use" }),
  );
}

function problemOf(embedding) {
  if (embedding.state === "unreadable") return `Unreadable: ${embedding.reason}`;
  if (embedding.state === "incompatible") return `Does not fit: ${embedding.reason}`;
  return embedding.conflict && `The word is taken by ${embedding.conflict}`;
}

function picture(embedding) {
  if (!embedding.preview) return element("span", { className: "ti-card-picture ti-card-blank", "aria-hidden": "true" });
  return element("img", { className: "ti-card-picture", src: address(embedding.preview), alt: "", loading: "lazy" });
}
