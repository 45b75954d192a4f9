// softening.js – Soften in the Embeddings tab: moves a word towards its class word, with previews of the strengths.

/** @import { FoundEmbedding, SofteningView } from "../lib/types.d.ts" */

import { call } from "../lib/api.js";
import { button, group, labelled, select, textBox, toolbar } from "../lib/controls.js";
import { element, setText } from "../lib/dom.js";

const STRENGTHS = [0, 0.25, 0.5, 0.75, 1];
const METHODS = [
  ["adjust", "norm and direction"],
  ["subspace", "where it has drifted"],
];

/**
 * Returns the group's `root`, and `show(embedding)` and `draw(isBusy)` that the tab calls after changes.
 *
 * @param {object} tab
 * @param {() => FoundEmbedding | null} tab.current returns the shown embedding
 * @param {() => boolean} tab.withMetadata returns whether new files get metadata
 * @param {(message: string, task: () => Promise<string>) => void} tab.run runs a task and shows its result
 * @param {(embedding: FoundEmbedding) => string} tab.addNew adds a new embedding; returns the message for it
 */
export function softening({ current, withMetadata, run, addNew }) {
  const classWord = textBox("Class word", "what it began as");
  const strength = element("input", {
    type: "range",
    min: 0,
    max: 1,
    step: 0.05,
    value: 0.4,
    "aria-label": "Strength",
  });
  const strengthText = element("output", { textContent: "0.4" });
  const method = select(METHODS, "What is brought back");
  const name = textBox("Name of the softened word", "my-cat-soft");
  const preview = button("Previews");
  const soften = button("Soften");
  const strip = element("div", {
    className: "ti-strengths",
    role: "group",
    "aria-label": "Previews of the strengths",
    hidden: true,
  });
  const root = group(
    "Soften",
    element("p", {
      className: "ti-note",
      textContent: "For a word that paints its pictures whatever else the prompt says.",
    }),
    labelled("Class word", classWord),
    labelled("Strength", element("span", { className: "ti-slider" }, strength, strengthText)),
    labelled("Bring back", method),
    strip,
    labelled("Name of the softened word", name),
    toolbar(preview, soften),
  );

  const request = () => ({ embedding: current()?.id, class_word: classWord.value.trim(), method: method.value });
  /** @param {number} value */
  const choose = (value) => {
    strength.value = String(value);
    drawStrength();
  };
  const drawStrength = () => {
    setText(strengthText, strength.value);
    for (const each of strip.querySelectorAll("button")) {
      each.setAttribute("aria-pressed", String(each.value === strength.value));
    }
  };
  /** @param {SofteningView} view */
  const strengthButton = ({ strength: value, image }) => {
    const created = element(
      "button",
      { type: "button", className: "ti-strength", value: String(value), "aria-label": `Strength ${value}` },
      element("img", { src: `data:image/png;base64,${image}`, alt: "" }),
      element("span", { textContent: value === 0 ? "as it is" : String(value) }),
    );
    created.addEventListener("click", () => choose(value));
    return created;
  };

  const clearPreviews = () => {
    strip.replaceChildren();
    strip.hidden = true;
  };

  strength.addEventListener("input", drawStrength);
  for (const each of [classWord, method]) each.addEventListener("input", clearPreviews);
  preview.addEventListener("click", () =>
    run("Painting five strengths …", async () => {
      const embedding = current();
      const body = { ...request(), strengths: STRENGTHS };
      /** @type {SofteningView[]} */
      const previews = await call("tools/soften/previews", { method: "POST", body });
      if (current() !== embedding) return "";
      strip.replaceChildren(...previews.map(strengthButton));
      strip.hidden = previews.length === 0;
      drawStrength();
      return previews.length ? "One prompt, one seed; choose the least strength that obeys." : "Nothing was painted.";
    }),
  );
  soften.addEventListener("click", () =>
    run("Softening …", async () => {
      const share = Number(strength.value);
      const file = { name: name.value.trim() || name.placeholder, metadata: withMetadata() };
      const body = { ...request(), ...file, norm: share, direction: share };
      return addNew(await call("tools/soften", { method: "POST", body }));
    }),
  );

  return {
    root,
    /** @param {FoundEmbedding | null} embedding */
    show: (embedding) => {
      clearPreviews();
      classWord.value = "";
      name.value = "";
      name.placeholder = embedding ? `${embedding.word}-soft` : "my-cat-soft";
    },
    /** @param {boolean} isBusy */
    draw: (isBusy) => {
      for (const each of [preview, soften]) each.disabled = isBusy || !current();
    },
  };
}
