// suggestions.js – the Suggest button below Initialization text: the words with the least denoising loss.

/** @import { SuggestionView, SuggestionsView } from "../lib/types.d.ts" */

import { call, messageOf } from "../lib/api.js";
import { element, setText } from "../lib/dom.js";
import { setNativeValue, setPrompt } from "../prompt/prompts.js";

/**
 * Adds the button and its results to an element.
 *
 * @param {HTMLElement} root
 */
export function suggestTexts(root) {
  const button = element("button", { type: "button", className: "ti-button", textContent: "Suggest" });
  button.title = "Which words of the vocabulary fit the pictures best, by denoising loss";
  const status = element("p", { className: "ti-note", role: "status" });
  const problem = element("p", { className: "ti-problem", role: "alert" });
  const chips = element("div", {
    className: "ti-chips",
    role: "group",
    "aria-label": "Suggested initialization texts",
  });
  root.append(button, status, problem, chips);
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true"); // `disabled` would take the focus away
    chips.replaceChildren();
    setText(problem, "");
    setText(status, "Trying words on the pictures …");
    try {
      /** @type {SuggestionsView} */
      const suggestions = await call("suggestions", { method: "POST", body: request() });
      chips.append(...suggestions.best.map(chip));
      setText(status, summary(suggestions));
    } catch (error) {
      setText(status, "");
      setText(problem, messageOf(error));
    } finally {
      button.removeAttribute("aria-disabled");
    }
  });
}

function request() {
  /** @type {HTMLInputElement | null} */
  const vectors = document.querySelector('#ti_vectors input[type="number"]');
  return {
    dataset_directory: fieldOf("ti_dataset_directory").value.trim(),
    current: fieldOf("ti_initialization_text").value.trim(),
    longest: Number(vectors?.value) > 1 ? 2 : 1,
  };
}

/** @param {string} id */
function fieldOf(id) {
  /** @type {HTMLTextAreaElement | HTMLInputElement | null} */
  const field = document.querySelector(`#${id} textarea, #${id} input`);
  if (!field) throw new Error(`The page has no field ${id}. Reload it.`);
  return field;
}

/** @param {SuggestionView} suggestion */
function chip({ text, loss }) {
  const created = element("button", { type: "button", className: "ti-button ti-chip" }, text, " ");
  created.append(element("small", { textContent: lossText(loss) }));
  created.addEventListener("click", () => use(text));
  return created;
}

/** @param {string} text */
function use(text) {
  const field = fieldOf("ti_initialization_text");
  if (field instanceof HTMLTextAreaElement) setPrompt(field, text);
  else {
    setNativeValue(HTMLInputElement.prototype, field, text);
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
  field.dispatchEvent(new Event("blur"));
}

/**
 * Returns the text above the suggestions.
 *
 * @param {Pick<SuggestionsView, "best" | "current" | "complete">} suggestions
 */
export function summary({ best, current, complete }) {
  const parts = [best.length ? "Less loss fits better." : "The vocabulary has no words to suggest."];
  if (current) parts.push(`The present text: ${lossText(current.loss)}.`);
  if (!complete) parts.push("The time did not suffice to try everything.");
  return parts.join(" ");
}

/** @param {number | null} loss */
function lossText(loss) {
  return loss === null ? "no number" : loss.toFixed(4);
}
