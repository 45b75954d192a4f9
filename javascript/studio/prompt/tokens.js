// tokens.js – how many tokens each prompt has, beside its box, while it is typed.

import { call } from "../lib/api.js";
import { element, setText } from "../lib/dom.js";
import { promptBoxes } from "./prompts.js";

const PAUSE_MS = 150;

/** Shows the counts, now and whenever a prompt, the number of steps or the library changes; returns `refresh`. */
export function countTokens() {
  const counters = promptBoxes().map(counterBeside);
  let timer = null;
  let asked = 0;

  const count = async () => {
    const number = ++asked;
    const [prompt, negative_prompt] = promptBoxes().map((box) => box.value);
    try {
      const counts = await call("prompts/tokens", { method: "POST", body: { prompt, negative_prompt, steps: steps() } });
      if (number === asked) [counts.prompt, counts.negative_prompt].forEach((each, index) => show(counters[index], each));
    } catch (error) {
      if (number === asked) counters.forEach((counter) => fail(counter, error));
    }
  };
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(count, PAUSE_MS);
  };
  document.addEventListener("input", soon);
  soon();
  return soon;
}

function counterBeside(box) {
  const counter = element("output", { className: "ti-tokens", "aria-label": "Tokens", textContent: "0/75" });
  box.parentElement.classList.add("ti-counted");
  box.parentElement.append(counter);
  return counter;
}

function steps() {
  return Number(document.querySelector("#ti_steps input[type=number]")?.value) || 20;
}

function show(counter, { used, room }) {
  setText(counter, `${used}/${room}`);
  counter.title = `${used} of ${room} tokens; a chunk has 75, and an embedding takes as many as it has vectors`;
}

function fail(counter, error) {
  setText(counter, "–");
  counter.title = error.message;
}
