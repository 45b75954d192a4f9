// completion.js – autocompletes the names of embeddings in prompt boxes.

/** @import { CardLibrary, CardRow } from "../lib/types.d.ts" */
/** @import { TypedName } from "./words.js" */

import { closest, element } from "../lib/dom.js";
import { joined, vectorCount } from "../lib/format.js";
import { problemOf } from "../lib/library.js";
import { caretPosition } from "./caret.js";
import { promptBoxes, setPrompt } from "./prompts.js";
import { completions, typedName } from "./words.js";

const MAX_ITEMS = 12;
const LIST = "ti_completions";

/**
 * Autocompletes prompt boxes from the library; returns `{ refresh }`, which loads it again.
 *
 * @param {CardLibrary} library
 * @param {{ boxes?: HTMLTextAreaElement[], plain?: boolean }} [options] `plain` is for prompts without tags
 */
export function completeWords(library, { boxes = promptBoxes(), plain = false } = {}) {
  const list = completionList();
  document.body.append(list);
  /** @type {CardRow[] | null} */
  let usable = null;
  /** @type {HTMLTextAreaElement | null} */
  let pendingBox = null; // its text was typed before the library was loaded
  /** @type {{ box: HTMLTextAreaElement, typed: TypedName, matches: CardRow[], selected: number } | null} */
  let open = null;

  const close = () => {
    open?.box.removeAttribute("aria-activedescendant");
    open = null;
    list.hidden = true;
  };
  library.subscribe(({ complete, cards }) => {
    if (!complete) return;
    usable = cards.filter((card) => !problemOf(card));
    if (pendingBox && pendingBox === document.activeElement) suggest(pendingBox);
    pendingBox = null;
  });
  /** @param {HTMLTextAreaElement} box */
  const suggest = (box) => {
    if (!usable) {
      pendingBox = box;
      return;
    }
    const typed = box.selectionStart === box.selectionEnd ? typedName(box.value, box.selectionEnd) : null;
    const matches = typed ? completions(usable, typed).slice(0, MAX_ITEMS) : [];
    if (!typed || matches.length === 0) {
      close();
      return;
    }
    open = { box, typed, matches, selected: 0 };
    list.replaceChildren(...matches.map(option));
    list.hidden = false;
    place(list, caretPosition(box, typed.start));
    select(0);
  };
  /** @param {number} index */
  const select = (index) => {
    if (!open) return;
    const selected = (index + open.matches.length) % open.matches.length;
    open.selected = selected;
    for (const [number, item] of [...list.children].entries()) {
      item.setAttribute("aria-selected", String(number === selected));
    }
    list.children[selected].scrollIntoView({ block: "nearest" });
    open.box.setAttribute("aria-activedescendant", list.children[selected].id);
  };
  /** @param {number} index */
  const accept = (index) => {
    if (!open) return;
    const { box, typed, matches } = open;
    const { text, caret } = typed.replacedBy(matches[index].word, plain);
    close();
    setPrompt(box, text, caret);
    close();
  };

  /** @type {Record<string, (selected: number) => void>} */
  const keys = {
    ArrowDown: (selected) => select(selected + 1),
    ArrowUp: (selected) => select(selected - 1),
    Enter: accept,
    Tab: accept,
    Escape: close,
  };
  document.addEventListener(
    "keydown",
    (event) => {
      if (!open || event.isComposing || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
      if (!Object.hasOwn(keys, event.key)) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      keys[event.key](open.selected);
    },
    true,
  );
  for (const box of boxes) {
    box.setAttribute("aria-autocomplete", "list");
    box.setAttribute("aria-controls", LIST);
    box.addEventListener("input", (event) => {
      const { isComposing } = /** @type {InputEvent} */ (event);
      if (event.isTrusted && !isComposing) suggest(box);
      else if (!event.isTrusted) close();
    });
    box.addEventListener("compositionend", () => suggest(box));
    box.addEventListener("blur", close);
    box.addEventListener("scroll", close);
    box.addEventListener("pointerdown", close);
    box.addEventListener("focus", () => library.load().catch(() => {}), { once: true });
  }
  list.addEventListener("pointerdown", (event) => {
    event.preventDefault(); // the box keeps the focus
    const item = closest(event.target, "li");
    if (item) accept([...list.children].indexOf(item));
  });
  return { refresh: () => library.load() };
}

function completionList() {
  return element("ul", {
    className: "ti-completions",
    id: LIST,
    role: "listbox",
    hidden: true,
    "aria-label": "Embeddings",
  });
}

/**
 * @param {CardRow} card
 * @param {number} index
 */
function option(card, index) {
  return element(
    "li",
    { role: "option", id: `${LIST}_${index}` },
    element("span", { className: "ti-completion-word", textContent: card.word }),
    element("span", {
      className: "ti-completion-details",
      textContent: joined([card.family, vectorCount(card.vectors)]),
    }),
  );
}

/**
 * Places the list below the line of the caret, or above it where there is no room, inside the window.
 *
 * @param {HTMLElement} list
 * @param {{ left: number, top: number, bottom: number }} caret
 */
function place(list, { left, top, bottom }) {
  const { width, height } = list.getBoundingClientRect();
  const below = bottom + height <= window.innerHeight;
  list.style.left = `${Math.max(4, Math.min(left, window.innerWidth - width - 4))}px`;
  list.style.top = `${below ? bottom : Math.max(4, top - height)}px`;
}
