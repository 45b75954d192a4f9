// host.js – the page inside another WebUI's tab: that WebUI's prompt boxes, which are of the same origin.

import { hasWord, insertWord, removeWord } from "./words.js";
import { setPrompt } from "./prompts.js";

const BOXES = { prompt: "#txt2img_prompt textarea", negative: "#txt2img_neg_prompt textarea" };

/** Returns the WebUI around this page, or null where the page stands alone. */
export function hostPage() {
  if (window.parent === window || !document.querySelector('meta[name="ti-host"]')) return null;
  const outside = window.parent;
  const box = (name) => outside.document.querySelector(BOXES[name]);
  return {
    /** Returns whether one of the WebUI's prompts has the word. */
    has: (word, name) => hasWord(box(name)?.value ?? "", word),
    /** Puts the word into one of the WebUI's prompts, or takes it out again. */
    toggle({ word, weight }, name) {
      const found = box(name);
      if (!found) return;
      const form = weight && weight !== 1 ? `(${word}:${weight})` : word; // it knows no tags
      setPrompt(found, hasWord(found.value, word) ? removeWord(found.value, word) : insertWord(found.value, form).text);
    },
    /** Tells the WebUI's page that its server does not answer: it takes this page away, so that nothing here asks a
     *  server that is just starting. A1111 may fail over that. */
    lost: () => outside.document.dispatchEvent(new outside.Event("ti-studio:lost")),
    /** Puts the word into the WebUI's prompt, unless it is there, and shows that. */
    use(word) {
      if (!this.has(word, "prompt") && !this.has(word, "negative")) this.toggle({ word }, "prompt");
      outside.switch_to_txt2img?.();
    },
  };
}
