// host.js – inside another WebUI's page: buttons on the cards for that WebUI's prompts.

/** @import { CardCell, CardRow } from "../lib/types.d.ts" */
/** @import { HostPrompt } from "../prompt/host.js" */

import { element } from "../lib/dom.js";
import { problemOf } from "../lib/library.js";
import { hostPage } from "../prompt/host.js";

const BUTTONS = { prompt: ["txt2img", "Use in txt2img", "T"], negative: ["negative", "Use as negative", "N"] };

/** Returns `{ add, toggle, mark }`, or null where the page stands alone. */
export function hostButtons() {
  const host = hostPage();
  if (!host) return null;
  /** @param {[string, string[]]} entry */
  const button = ([prompt, [textContent, label, key]]) =>
    element("button", {
      type: "button",
      textContent,
      title: `${label} (${key})`,
      tabIndex: -1,
      dataset: { hostPrompt: prompt },
      "aria-label": label,
      "aria-pressed": "false",
    });
  /** @param {CardCell[]} cells */
  const mark = (cells) => {
    for (const { card, cell } of cells) {
      for (const each of /** @type {NodeListOf<HTMLElement>} */ (cell.querySelectorAll("button[data-host-prompt]"))) {
        const prompt = /** @type {HostPrompt} */ (each.dataset.hostPrompt);
        each.setAttribute("aria-pressed", String(host.has(card.word, prompt)));
      }
    }
  };
  return {
    mark,
    /**
     * Adds the buttons to a card's cell, if its word can be used; returns the cell.
     *
     * @param {HTMLElement} cell
     * @param {CardRow} card
     */
    add(cell, card) {
      if (problemOf(card)) return cell;
      cell.append(element("div", { className: "ti-card-host" }, ...Object.entries(BUTTONS).map(button)));
      return cell;
    },
    /**
     * Adds a card's word to a prompt of the WebUI, or removes it.
     *
     * @param {CardRow} card
     * @param {HostPrompt} prompt
     * @param {CardCell[]} cells
     */
    toggle(card, prompt, cells) {
      host.toggle(card, prompt);
      mark(cells);
    },
  };
}
