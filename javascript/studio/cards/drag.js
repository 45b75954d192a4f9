// drag.js – a card that is dropped on a prompt adds its word at that position.

/** @import { CardOf, CardRow } from "../lib/types.d.ts" */

import { promptName } from "../lib/library.js";
import { promptBoxes } from "../prompt/prompts.js";
import { promptForm } from "../prompt/words.js";
import { insertCard } from "./use.js";

const TYPE = "application/x-ti-card";

/**
 * Makes the cards of a grid draggable.
 *
 * @param {HTMLElement} root
 * @param {CardOf} cardOf
 */
export function dragCards(root, cardOf) {
  /** @type {CardRow | null} */
  let dragged = null;
  root.addEventListener("dragstart", (event) => {
    dragged = cardOf(event.target);
    if (!dragged || !event.dataTransfer) return;
    event.dataTransfer.setData(TYPE, dragged.id);
    event.dataTransfer.setData("text/plain", promptForm(promptName(dragged), dragged.weight)); // for other programs
    event.dataTransfer.effectAllowed = "copy";
  });
  root.addEventListener("dragend", () => {
    dragged = null;
  });
  /** @param {DragEvent} event */
  const boxOf = (event) => {
    if (!dragged || !event.dataTransfer?.types.includes(TYPE)) return null;
    return promptBoxes().find((box) => box === event.target);
  };
  document.addEventListener("dragover", (event) => {
    if (!boxOf(event) || !event.dataTransfer) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  });
  document.addEventListener("drop", (event) => {
    const box = boxOf(event);
    if (!box || !dragged) return;
    event.preventDefault();
    box.focus();
    insertCard(dragged, box, indexUnder(box, event));
    dragged = null;
  });
}

/**
 * Returns the index of the character under the pointer; null (the end) where the browser has no API for that.
 *
 * @param {HTMLTextAreaElement} box
 * @param {MouseEvent} event
 */
function indexUnder(box, { clientX, clientY }) {
  const position = document.caretPositionFromPoint?.(clientX, clientY);
  return position?.offsetNode === box ? position.offset : null;
}
