// card.js – one card: its picture, its word and its most important facts.

/** @import { CardRow } from "../lib/types.d.ts" */

import { address } from "../lib/api.js";
import { element } from "../lib/dom.js";
import { joined, vectorCount } from "../lib/format.js";
import { problemOf } from "../lib/library.js";

/**
 * Returns the cell of a card: a button if the embedding can be used, and the button that opens the editor.
 *
 * @param {CardRow} card
 */
export function cardCell(card) {
  const problem = problemOf(card);
  const content = [
    picture(card),
    element("strong", { className: "ti-card-name", textContent: card.word }),
    element("span", { className: "ti-card-details", textContent: detailsOf(card) }),
    element("span", { className: "ti-card-use" }),
  ];
  if (card.negative) content.push(element("span", { className: "ti-card-mark", textContent: "negative" }));
  if (problem) content.push(element("span", { className: "ti-card-problem", textContent: problem }));
  const isUsable = (card.state ?? "usable") === "usable"; // though another file may have its word
  const main = isUsable
    ? cardButton(Boolean(problem), content)
    : element("div", { className: "ti-card ti-card-unusable" }, ...content);
  const edit = element("button", {
    type: "button",
    className: "ti-card-edit",
    tabIndex: -1,
    title: "Edit (E)",
    "aria-label": `Edit ${card.word}`,
  });
  return element("div", { className: "ti-card-cell", role: "listitem", dataset: { id: card.id } }, main, edit);
}

/**
 * @param {boolean} isShadowed whether another file has the word
 * @param {HTMLElement[]} content
 */
function cardButton(isShadowed, content) {
  const className = isShadowed ? "ti-card ti-card-shadowed" : "ti-card";
  return element("button", { type: "button", className, draggable: true, "aria-pressed": "false" }, ...content);
}

/**
 * Returns the text below a card's word.
 *
 * @param {Pick<CardRow, "vectors" | "step" | "weight">} card
 */
export function detailsOf({ vectors, step, weight }) {
  return joined([vectorCount(vectors), step && `step ${step}`, weight && `× ${weight}`]);
}

/** @param {CardRow} card */
function picture(card) {
  if (!card.picture) return element("span", { className: "ti-card-picture ti-card-blank", "aria-hidden": "true" });
  const image = element("img", { className: "ti-card-picture", alt: "", decoding: "async", draggable: false });
  image.addEventListener("error", () => image.classList.add("ti-card-blank"));
  image.src = address(card.picture);
  return image;
}
