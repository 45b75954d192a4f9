// use.js – adds a card's word to a prompt, removes it, and marks the cards that the prompts use.

/** @import { CardCell, CardRow } from "../lib/types.d.ts" */

import { setText } from "../lib/dom.js";
import { promptName } from "../lib/library.js";
import { caretOf, lastUsedPrompt, negativePrompt, promptBoxes, setPrompt } from "../prompt/prompts.js";
import { hasWord, insertWord, promptForm, removeWord, replaceWord } from "../prompt/words.js";

/** @typedef {Pick<CardRow, "word" | "conflict" | "weight" | "negative"> & { file?: string }} UsedCard */

/**
 * Adds the word to the prompt that was used last, or to the negative prompt if it belongs there; or removes it.
 *
 * @param {UsedCard} card
 */
export function toggleCard(card) {
  const box = card.negative ? negativePrompt() : lastUsedPrompt();
  if (!box) return;
  const name = promptName(card);
  if (hasWord(box.value, name)) setPrompt(box, removeWord(box.value, name));
  else insertCard(card, box, caretOf(box));
}

/**
 * Inserts the word into a prompt, with its preferred weight.
 *
 * @param {UsedCard} card
 * @param {HTMLTextAreaElement} box
 * @param {number | null} caret null for the end
 */
export function insertCard(card, box, caret) {
  const { text, caret: after } = insertWord(box.value, promptForm(promptName(card), card.weight), caret);
  setPrompt(box, text, after);
}

/**
 * Adds a word to the prompt that was used last, unless one of the prompts has it.
 *
 * @param {string} word
 */
export function useWord(word) {
  if (!promptBoxes().some((box) => hasWord(box.value, word))) toggleCard({ word });
}

/**
 * Replaces a renamed embedding's word in the prompts.
 *
 * @param {string} old
 * @param {string} word
 */
export function renameInPrompts(old, word) {
  for (const box of promptBoxes()) if (hasWord(box.value, old)) setPrompt(box, replaceWord(box.value, old, word));
}

/**
 * Marks the cards whose words are in the prompts.
 *
 * @param {CardCell[]} cells
 */
export function markUsed(cells) {
  const [prompt, negative] = promptBoxes().map((box) => box.value);
  for (const { card, cell } of cells) {
    const main = cell.firstElementChild;
    const label = main?.querySelector(".ti-card-use");
    if (main?.tagName !== "BUTTON" || !label) continue;
    const places = [];
    const name = promptName(card);
    if (hasWord(prompt ?? "", name)) places.push("in the prompt");
    if (hasWord(negative ?? "", name)) places.push("in the negative prompt");
    main.setAttribute("aria-pressed", String(places.length > 0));
    setText(label, places.join(" and "));
  }
}
