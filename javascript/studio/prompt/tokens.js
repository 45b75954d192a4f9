// tokens.js – the token counter of each prompt box, as A1111's.

/** @import { TokenCountView, TokenCountsView } from "../lib/types.d.ts" */

import { call, messageOf } from "../lib/api.js";
import { element, setText } from "../lib/dom.js";
import { promptBoxes } from "./prompts.js";

const PAUSE_MS = 150;

/** Shows the counts, now and whenever a prompt or the number of steps changes; returns a function that counts again. */
export function countTokens() {
  const counters = promptBoxes().map(addCounter);
  /** @type {number | undefined} */
  let timer;
  let latest = 0;

  const count = async () => {
    const number = ++latest;
    const [prompt, negative_prompt] = promptBoxes().map((box) => box.value);
    try {
      const body = { prompt, negative_prompt, steps: steps() };
      /** @type {TokenCountsView} */
      const counts = await call("prompts/tokens", { method: "POST", body });
      if (number !== latest) return;
      const inOrder = [counts.prompt, counts.negative_prompt];
      for (const [index, counter] of counters.entries()) show(counter, inOrder[index]);
    } catch (error) {
      if (number === latest) for (const counter of counters) showError(counter, error);
    }
  };
  const countSoon = () => {
    clearTimeout(timer);
    timer = setTimeout(count, PAUSE_MS);
  };
  document.addEventListener("input", countSoon);
  countSoon();
  return countSoon;
}

/** @param {HTMLTextAreaElement} box */
function addCounter(box) {
  const counter = element("output", { className: "ti-tokens", "aria-label": "Tokens", textContent: "0/75" });
  box.parentElement?.classList.add("ti-with-tokens");
  box.parentElement?.append(counter);
  return counter;
}

function steps() {
  /** @type {HTMLInputElement | null} */
  const input = document.querySelector('#ti_steps input[type="number"]');
  return Number(input?.value) || 20;
}

/**
 * @param {HTMLOutputElement} counter
 * @param {TokenCountView} count
 */
function show(counter, { used, room }) {
  setText(counter, `${used}/${room}`);
  counter.title = `${used} of ${room} tokens; a chunk has 75, and an embedding takes as many as it has vectors`;
}

/**
 * @param {HTMLOutputElement} counter
 * @param {unknown} error
 */
function showError(counter, error) {
  setText(counter, "–");
  counter.title = messageOf(error);
}
