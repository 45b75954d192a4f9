// cards_details.js – all that is known of an embedding, beside its card while the pointer or the focus rests on it.

import { call } from "../lib/api.js";
import { element } from "../lib/dom.js";
import { bytes, moment } from "../lib/format.js";
import { problemOf } from "../lib/library.js";

const PAUSE_MS = 400;
const MARGIN = 8;

/** Watches a grid's cards; `cardOf(element)` returns the card that an element belongs to. Returns `{ hide }`. */
export function cardDetails(root, cardOf) {
  const box = element("div", { className: "ti-details", id: "ti_card_details", role: "tooltip", hidden: true });
  document.body.append(box);
  let timer = null;
  let asked = null;

  const hide = () => {
    clearTimeout(timer);
    asked = null;
    box.hidden = true;
  };
  const show = async (card, cell) => {
    asked = card;
    draw(box, card, null);
    box.hidden = false;
    put(box, cell);
    const details = await call(`embeddings/${card.id}`).catch(() => null); // what the card says stays
    if (asked !== card || !details) return;
    draw(box, card, details);
    put(box, cell);
  };
  const soon = (target) => {
    const cell = target.closest(".ti-card-cell");
    const card = cell && cardOf(cell);
    if (!card || card === asked) return;
    hide();
    timer = setTimeout(() => show(card, cell), PAUSE_MS);
  };
  root.addEventListener("pointerover", ({ target, pointerType }) => pointerType !== "touch" && soon(target));
  root.addEventListener("focusin", ({ target }) => target.matches(":focus-visible") && soon(target));
  for (const kind of ["pointerleave", "pointerdown", "scroll", "focusout", "dragstart"]) root.addEventListener(kind, hide);
  return { hide };
}

function draw(box, card, details) {
  const facts = factsOf(card, details).map(([name, value]) => [
    element("dt", { textContent: name }),
    element("dd", { textContent: value }),
  ]);
  const description = details?.description || card.description;
  const tags = card.tags ?? [];
  const problem = problemOf(card) ?? details?.card_problem;
  box.replaceChildren(
    element("strong", { textContent: card.word }),
    ...(problem ? [element("p", { className: "ti-problem", textContent: problem })] : []),
    ...(description ? [element("p", { className: "ti-details-text", textContent: description })] : []),
    ...(tags.length ? [element("p", { className: "ti-tags" }, ...tags.map((tag) => element("span", { textContent: tag })))] : []),
    element("dl", {}, ...facts.flat()),
  );
}

/** Returns what is known of an embedding as pairs of texts. */
export function factsOf(card, details) {
  const renamed = details?.trigger && details.trigger !== card.word;
  const facts = [
    ["Family", card.family],
    ["Vectors", card.vectors],
    ["Step", card.step],
    ["Base model", details?.base_checkpoint],
    ["Trained as", renamed ? details.trigger : null],
    ["Began as", details?.initialization_text],
    ["Weight", card.weight],
    ["Size", bytes(card.size)],
    ["Modified", moment(card.modified)],
    ["Last used", card.used ? moment(card.used) : null],
    ["File", card.file],
    ["SHA-256", details?.sha256?.slice(0, 12)],
    ["Not used", details?.inside_preview ? `the embedding inside ${details.inside_preview}, which is this one's preview. Rename it to use it.` : null],
  ];
  return facts.filter(([, value]) => value !== null && value !== undefined && value !== "");
}

/** Puts the box beside the cell, inside the window. */
function put(box, cell) {
  const place = cell.getBoundingClientRect();
  const { width, height } = box.getBoundingClientRect();
  const right = place.right + MARGIN;
  const left = right + width <= window.innerWidth ? right : place.left - MARGIN - width;
  const top = Math.min(place.top, window.innerHeight - height - MARGIN);
  box.style.left = `${Math.max(MARGIN, Math.min(left, window.innerWidth - width - MARGIN))}px`;
  box.style.top = `${Math.max(MARGIN, top)}px`;
}
