// cards_drag.js – a card that is dragged onto a prompt leaves its word where it was dropped.

import { insertCard } from "./use.js";
import { callOf } from "../lib/library.js";
import { promptBoxes } from "../prompt/prompts.js";
import { promptForm } from "../prompt/words.js";

const KIND = "application/x-ti-card";

/** Lets the cards of a grid be dragged; `cardOf(element)` returns the card that an element belongs to. */
export function dragCards(root, cardOf) {
  let dragged = null;
  root.addEventListener("dragstart", (event) => {
    dragged = cardOf(event.target);
    if (!dragged) return;
    event.dataTransfer.setData(KIND, dragged.id);
    event.dataTransfer.setData("text/plain", promptForm(callOf(dragged), dragged.weight)); // for other programs
    event.dataTransfer.effectAllowed = "copy";
  });
  root.addEventListener("dragend", () => (dragged = null));
  const boxOf = (event) => (dragged && event.dataTransfer?.types.includes(KIND) ? promptBoxes().find((box) => box === event.target) : null);
  document.addEventListener("dragover", (event) => {
    if (!boxOf(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  });
  document.addEventListener("drop", (event) => {
    const box = boxOf(event);
    if (!box) return;
    event.preventDefault();
    box.focus();
    insertCard(dragged, box, placeUnder(box, event));
    dragged = null;
  });
}

/** Returns which character of a text box is under the pointer; null (its end) where the browser does not tell. */
function placeUnder(box, { clientX, clientY }) {
  const place = document.caretPositionFromPoint?.(clientX, clientY);
  return place?.offsetNode === box ? place.offset : null;
}
