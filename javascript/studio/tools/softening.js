// softening.js – the Embeddings tab's Soften: a word part of the way back to its class, looked at before it is saved.

import { call } from "../lib/api.js";
import { actions, button, group, labelled, select, textBox } from "../lib/controls.js";
import { element, setText } from "../lib/dom.js";

const STRENGTHS = [0, 0.25, 0.5, 0.75, 1];
const METHODS = [
  ["adjust", "norm and direction"],
  ["subspace", "where it has drifted"],
];

/**
 * Returns the group's `place`, and what the tab tells it: `show(embedding)` and `draw(busy)`.
 *
 * `shown()` is the embedding that is looked at, `describes()` whether new files say how they were made; `work(told, task)`
 * does something on the server and says how it went, `made(embedding)` tells of a new one.
 */
export function softening({ shown, describes, work, made }) {
  const classWord = textBox("Class word", "what it began as");
  const strength = element("input", { type: "range", min: 0, max: 1, step: 0.05, value: 0.4, "aria-label": "Strength" });
  const strengthText = element("output", { textContent: "0.4" });
  const method = select(METHODS, "What is brought back");
  const name = textBox("Name of the softened word", "my-cat-soft");
  const look = button("Previews");
  const soften = button("Soften");
  const strip = element("div", { className: "ti-strengths", role: "group", "aria-label": "Previews of the strengths", hidden: true });
  const place = group(
    "Soften",
    element("p", { className: "ti-note", textContent: "For a word that paints its pictures whatever else the prompt says." }),
    labelled("Class word", classWord),
    labelled("Strength", element("span", { className: "ti-share" }, strength, strengthText)),
    labelled("Bring back", method),
    strip,
    labelled("Name of the softened word", name),
    actions(look, soften),
  );

  const asked = () => ({ embedding: shown().id, class_word: classWord.value.trim(), method: method.value });
  const choose = (value) => {
    strength.value = value;
    drawStrength();
  };
  const drawStrength = () => {
    setText(strengthText, strength.value);
    for (const each of strip.children) each.setAttribute("aria-pressed", String(each.value === strength.value));
  };
  const picture = ({ strength: value, image }) => {
    const shownAs = element("img", { src: `data:image/png;base64,${image}`, alt: "" });
    const chosen = element(
      "button",
      { type: "button", className: "ti-strength", value: String(value), "aria-label": `Strength ${value}` },
      shownAs,
      element("span", { textContent: value === 0 ? "as it is" : String(value) }),
    );
    chosen.addEventListener("click", () => choose(value));
    return chosen;
  };

  const forget = () => {
    strip.replaceChildren();
    strip.hidden = true;
  };

  strength.addEventListener("input", drawStrength);
  for (const each of [classWord, method]) each.addEventListener("input", forget);
  look.addEventListener("click", () =>
    work("Painting five strengths …", async () => {
      const embedding = shown();
      const painted = await call("tools/soften/previews", { method: "POST", body: { ...asked(), strengths: STRENGTHS } });
      if (shown() !== embedding) return "";
      strip.replaceChildren(...painted.map(picture));
      strip.hidden = painted.length === 0;
      drawStrength();
      return painted.length ? "One prompt, one seed; choose the least strength that obeys." : "Nothing was painted.";
    }),
  );
  soften.addEventListener("click", () =>
    work("Softening …", async () => {
      const share = Number(strength.value);
      const body = { ...asked(), name: name.value.trim() || name.placeholder, norm: share, direction: share, metadata: describes() };
      return made(await call("tools/soften", { method: "POST", body }));
    }),
  );

  return {
    place,
    show: (embedding) => {
      forget();
      classWord.value = "";
      name.value = "";
      name.placeholder = embedding ? `${embedding.word}-soft` : "my-cat-soft";
    },
    draw: (busy) => {
      for (const each of [look, soften]) each.disabled = busy || !shown();
    },
  };
}
