// suggestions.js – the button under Initialization text that asks which words the checkpoint finds the pictures by.

import { call } from "../lib/api.js";
import { element, setText } from "../lib/dom.js";
import { setPrompt } from "../prompt/prompts.js";

/** Draws the button, and what was suggested, into a place. */
export function suggestTexts(place) {
  const button = element("button", { type: "button", className: "ti-button", textContent: "Suggest" });
  button.title = "Which words of the vocabulary fit the pictures best, by denoising loss";
  const said = element("p", { className: "ti-note", role: "status" });
  const problem = element("p", { className: "ti-problem", role: "alert" });
  const chips = element("div", { className: "ti-chips", role: "group", "aria-label": "Suggested initialization texts" });
  place.append(button, said, problem, chips);
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true"); // not `disabled`: the focus stays
    chips.replaceChildren();
    setText(problem, "");
    setText(said, "Trying words on the pictures …");
    try {
      const found = await call("suggestions", { method: "POST", body: wanted() });
      chips.append(...found.best.map(chip));
      setText(said, sentence(found));
    } catch (error) {
      setText(said, "");
      setText(problem, error.message);
    } finally {
      button.removeAttribute("aria-disabled");
    }
  });
}

function wanted() {
  const vectors = Number(document.querySelector("#ti_vectors input[type=number]").value);
  return {
    dataset_directory: box("ti_dataset_directory").value.trim(),
    current: box("ti_initialization_text").value.trim(),
    longest: vectors > 1 ? 2 : 1,
  };
}

function box(id) {
  return document.querySelector(`#${id} textarea, #${id} input`);
}

function chip({ text, loss }) {
  const made = element("button", { type: "button", className: "ti-button ti-chip" }, text, " ");
  made.append(element("small", { textContent: told(loss) }));
  made.addEventListener("click", () => use(text));
  return made;
}

function use(text) {
  const field = box("ti_initialization_text");
  if (field.tagName === "TEXTAREA") setPrompt(field, text);
  else {
    Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(field, text);
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
  field.dispatchEvent(new Event("blur"));
}

function sentence({ best, current, complete }) {
  const parts = [best.length ? "Less loss fits better." : "The vocabulary has no words to suggest."];
  if (current) parts.push(`The present text: ${told(current.loss)}.`);
  if (!complete) parts.push("The time did not suffice to try everything.");
  return parts.join(" ");
}

function told(loss) {
  return loss === null ? "no number" : loss.toFixed(4);
}
