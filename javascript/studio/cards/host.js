// cards_host.js – inside another WebUI's page: buttons on the cards that put their words into that WebUI's prompts.

import { element } from "../lib/dom.js";
import { hostPage } from "../prompt/host.js";
import { problemOf } from "../lib/library.js";

const BUTTONS = { prompt: ["txt2img", "Use in txt2img", "T"], negative: ["negative", "Use as negative", "N"] };

/** Returns `{ add, toggle, mark }`, or null where the page stands alone. */
export function cardsInHost() {
  const host = hostPage();
  if (!host) return null;
  const button = ([box, [textContent, label, key]]) =>
    element("button", {
      type: "button",
      textContent,
      title: `${label} (${key})`,
      tabIndex: -1,
      dataset: { outside: box },
      "aria-label": label,
      "aria-pressed": "false",
    });
  const mark = (cells) => {
    for (const { card, cell } of cells) {
      for (const made of cell.querySelectorAll("button[data-outside]")) {
        made.setAttribute("aria-pressed", String(host.has(card.word, made.dataset.outside)));
      }
    }
  };
  return {
    mark,
    /** Adds the buttons to a card's cell, if its word can be used. */
    add(cell, card) {
      if (!problemOf(card)) cell.append(element("div", { className: "ti-card-outside" }, ...Object.entries(BUTTONS).map(button)));
      return cell;
    },
    /** Puts a card's word into a prompt of the WebUI, or takes it out. */
    toggle(card, box, cells) {
      host.toggle(card, box);
      mark(cells);
    },
  };
}
