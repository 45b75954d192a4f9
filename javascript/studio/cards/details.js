// details.js – an embedding's details, in a tooltip beside its card.

/** @import { CardOf, CardRow, EmbeddingDetails } from "../lib/types.d.ts" */

import { call } from "../lib/api.js";
import { closest, element } from "../lib/dom.js";
import { dateTime, fileSize } from "../lib/format.js";
import { problemOf } from "../lib/library.js";

const PAUSE_MS = 400;
const MARGIN = 8;

/**
 * Shows the details of the card under the pointer or the focus; returns `{ hide }`.
 *
 * @param {HTMLElement} root the grid of the cards
 * @param {CardOf} cardOf
 */
export function cardDetails(root, cardOf) {
  const box = element("div", { className: "ti-details", id: "ti_card_details", role: "tooltip", hidden: true });
  document.body.append(box);
  /** @type {number | undefined} */
  let timer;
  /** @type {CardRow | null} */
  let current = null;

  const hide = () => {
    clearTimeout(timer);
    current = null;
    box.hidden = true;
  };
  /**
   * @param {CardRow} card
   * @param {HTMLElement} cell
   */
  const show = async (card, cell) => {
    current = card;
    draw(box, card, null);
    box.hidden = false;
    place(box, cell);
    const details = await call(`embeddings/${card.id}`).catch(() => null); // the card's own facts stay
    if (current !== card || !details) return;
    draw(box, card, details);
    place(box, cell);
  };
  /** @param {EventTarget | null} target */
  const showSoon = (target) => {
    const cell = closest(target, ".ti-card-cell");
    const card = cell && cardOf(cell);
    if (!card || card === current) return;
    hide();
    timer = setTimeout(() => show(card, cell), PAUSE_MS);
  };
  root.addEventListener("pointerover", ({ target, pointerType }) => pointerType !== "touch" && showSoon(target));
  root.addEventListener("focusin", ({ target }) => {
    if (target instanceof Element && target.matches(":focus-visible")) showSoon(target);
  });
  for (const type of ["pointerleave", "pointerdown", "scroll", "focusout", "dragstart"]) {
    root.addEventListener(type, hide);
  }
  return { hide };
}

/**
 * @param {HTMLElement} box
 * @param {CardRow} card
 * @param {EmbeddingDetails | null} details
 */
function draw(box, card, details) {
  const facts = factsOf(card, details).map(([name, value]) => [
    element("dt", { textContent: name }),
    element("dd", { textContent: value }),
  ]);
  const description = details?.description || card.description;
  const tags = (card.tags ?? []).map((tag) => element("span", { textContent: tag }));
  const problem = problemOf(card) ?? details?.card_problem;
  box.replaceChildren(
    element("strong", { textContent: card.word }),
    ...(problem ? [element("p", { className: "ti-problem", textContent: problem })] : []),
    ...(description ? [element("p", { className: "ti-details-text", textContent: description })] : []),
    ...(tags.length ? [element("p", { className: "ti-tags" }, ...tags)] : []),
    element("dl", {}, ...facts.flat()),
  );
}

/**
 * Returns an embedding's facts as pairs of name and value.
 *
 * @param {CardRow} card
 * @param {EmbeddingDetails | null} details
 * @returns {[string, string | number][]}
 */
export function factsOf(card, details) {
  const isRenamed = details?.trigger && details.trigger !== card.word;
  const inside = details?.inside_preview;
  /** @type {[string, string | number | null | undefined][]} */
  const facts = [
    ["Family", card.family],
    ["Vectors", card.vectors],
    ["Step", card.step],
    ["Base model", details?.base_checkpoint],
    ["Trained as", isRenamed ? details.trigger : null],
    ["Began as", details?.initialization_text],
    ["Weight", card.weight],
    ["Size", fileSize(card.size)],
    ["Modified", dateTime(card.modified)],
    ["Last used", card.used ? dateTime(card.used) : null],
    ["File", card.file],
    ["SHA-256", details?.sha256?.slice(0, 12)],
    ["Not used", inside ? `the embedding inside ${inside}, which is this one's preview. Rename it to use it.` : null],
  ];
  return facts.filter(hasValue);
}

/**
 * @param {[string, string | number | null | undefined]} fact
 * @returns {fact is [string, string | number]}
 */
function hasValue(fact) {
  return fact[1] !== null && fact[1] !== undefined && fact[1] !== "";
}

/**
 * Places the box beside the cell, inside the window.
 *
 * @param {HTMLElement} box
 * @param {HTMLElement} cell
 */
function place(box, cell) {
  const edges = cell.getBoundingClientRect();
  const { width, height } = box.getBoundingClientRect();
  const right = edges.right + MARGIN;
  const left = right + width <= window.innerWidth ? right : edges.left - MARGIN - width;
  const top = Math.min(edges.top, window.innerHeight - height - MARGIN);
  box.style.left = `${Math.max(MARGIN, Math.min(left, window.innerWidth - width - MARGIN))}px`;
  box.style.top = `${Math.max(MARGIN, top)}px`;
}
