// cards_card.js – one card: its picture, its word, and what is to be known of it at a glance.

import { address } from "../lib/api.js";
import { element } from "../lib/dom.js";
import { problemOf } from "../lib/library.js";

/** Returns the cell of a card: a button if the embedding can be used, and the one that opens the editor. */
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
  const usable = (card.state ?? "usable") === "usable"; // though another file may have its word
  const main = !usable
    ? element("div", { className: "ti-card ti-card-greyed" }, ...content)
    : element("button", { type: "button", className: `ti-card${problem ? " ti-card-second" : ""}`, draggable: true, "aria-pressed": "false" }, ...content);
  const edit = element("button", {
    type: "button",
    className: "ti-card-edit",
    tabIndex: -1,
    title: "Edit (E)",
    "aria-label": `Edit ${card.word}`,
  });
  return element("div", { className: "ti-card-cell", role: "listitem", dataset: { id: card.id } }, main, edit);
}

/** Returns what stands below a card's word. */
export function detailsOf({ vectors, step, weight }) {
  const parts = [vectors && `${vectors} ${vectors === 1 ? "vector" : "vectors"}`, step && `step ${step}`, weight && `× ${weight}`];
  return parts.filter(Boolean).join(" · ");
}

function picture(card) {
  if (!card.picture) return element("span", { className: "ti-card-picture ti-card-blank", "aria-hidden": "true" });
  const image = element("img", { className: "ti-card-picture", alt: "", decoding: "async", draggable: false });
  image.addEventListener("error", () => image.classList.add("ti-card-blank"));
  image.src = address(card.picture);
  return image;
}
