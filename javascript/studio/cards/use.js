// cards_use.js – puts a card's word into a prompt, takes it out again, and marks the cards that the prompts use.

import { setText } from "../lib/dom.js";
import { callOf } from "../lib/library.js";
import { caretOf, lastPrompt, negativePrompt, promptBoxes, setPrompt } from "../prompt/prompts.js";
import { hasWord, insertWord, promptForm, removeWord, replaceWord } from "../prompt/words.js";

/** Puts the word into the prompt that was used last, or into the negative one if it belongs there; or takes it out. */
export function toggleCard(card) {
  const box = card.negative ? negativePrompt() : lastPrompt();
  const name = callOf(card);
  if (hasWord(box.value, name)) setPrompt(box, removeWord(box.value, name));
  else insertCard(card, box, caretOf(box));
}

/** Puts the word at a place of a prompt, with the weight that is preferred for it. */
export function insertCard(card, box, caret) {
  const { text, caret: after } = insertWord(box.value, promptForm(callOf(card), card.weight), caret);
  setPrompt(box, text, after);
}

/** Puts a word into the prompt that was used last, unless a prompt has it already. */
export function useWord(word) {
  if (!promptBoxes().some((box) => hasWord(box.value, word))) toggleCard({ word });
}

/** Lets the prompts call an embedding by its new name. */
export function renameInPrompts(old, word) {
  for (const box of promptBoxes().filter(({ value }) => hasWord(value, old))) setPrompt(box, replaceWord(box.value, old, word));
}

/** Marks the cards whose words stand in the prompts; cells are `{ card, cell }`. */
export function markUsed(cells) {
  const [prompt, negative] = promptBoxes().map((box) => box.value);
  for (const { card, cell } of cells) {
    const main = cell.firstElementChild;
    if (main.tagName !== "BUTTON") continue;
    const places = [];
    const name = callOf(card);
    if (hasWord(prompt ?? "", name)) places.push("in the prompt");
    if (hasWord(negative ?? "", name)) places.push("in the negative prompt");
    main.setAttribute("aria-pressed", String(places.length > 0));
    setText(main.querySelector(".ti-card-use"), places.join(" and "));
  }
}
