// host.js – the page inside another WebUI's tab: that WebUI's prompt boxes, which are of the same origin.

/** @import { CardRow } from "../lib/types.d.ts" */

import { setPrompt } from "./prompts.js";
import { hasWord, insertWord, removeWord } from "./words.js";

/** @typedef {"prompt" | "negative"} HostPrompt */
/** @typedef {NonNullable<ReturnType<typeof hostPage>>} HostPage */

const BOXES = { prompt: "#txt2img_prompt textarea", negative: "#txt2img_neg_prompt textarea" };

/** Returns the WebUI around this page, or null where the page stands alone. */
export function hostPage() {
  if (window.parent === window || !document.querySelector('meta[name="ti-host"]')) return null;
  const host = /** @type {Window & typeof globalThis & { switch_to_txt2img?: () => void }} */ (window.parent);
  /**
   * @param {HostPrompt} name
   * @returns {HTMLTextAreaElement | null}
   */
  const boxOf = (name) => host.document.querySelector(BOXES[name]);
  return {
    /**
     * Returns whether one of the WebUI's prompts has the word.
     *
     * @param {string} word
     * @param {HostPrompt} name
     */
    has: (word, name) => hasWord(boxOf(name)?.value ?? "", word),
    /**
     * Adds the word to one of the WebUI's prompts, or removes it.
     *
     * @param {Pick<CardRow, "word" | "weight">} card
     * @param {HostPrompt} name
     */
    toggle({ word, weight }, name) {
      const box = boxOf(name);
      if (!box) return;
      const form = weight && weight !== 1 ? `(${word}:${weight})` : word; // A1111 has no tags for embeddings
      setPrompt(box, hasWord(box.value, word) ? removeWord(box.value, word) : insertWord(box.value, form).text);
    },
    /** Notifies the WebUI's page that its server does not answer. It removes this page, because requests to a server
     *  that is just starting may make A1111 fail. */
    reportServerLost: () => host.document.dispatchEvent(new host.Event("ti-studio:lost")),
    /**
     * Adds the word to the WebUI's prompt, unless a prompt has it, and opens that tab.
     *
     * @param {string} word
     */
    use(word) {
      if (!this.has(word, "prompt") && !this.has(word, "negative")) this.toggle({ word }, "prompt");
      host.switch_to_txt2img?.();
    },
  };
}
