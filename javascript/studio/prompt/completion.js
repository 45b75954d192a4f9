// completion.js – offers the names of embeddings while a prompt is typed.

import { caretPlace } from "./caret.js";
import { element } from "../lib/dom.js";
import { problemOf } from "../lib/library.js";
import { promptBoxes, setPrompt } from "./prompts.js";
import { completions, typedName } from "./words.js";

const MOST = 12;
const LIST = "ti_completions";

/** Watches prompt boxes and offers what is in the library; returns `{ refresh }`, which looks for new embeddings. `plain` is
 *  for prompts that know no tags. */
export function completeWords(library, { boxes = promptBoxes(), plain = false } = {}) {
  const list = element("ul", { className: "ti-completions", id: LIST, role: "listbox", hidden: true, "aria-label": "Embeddings" });
  document.body.append(list);
  let words = null;
  let early = null; // a box that was typed into before the words were there
  let open = null;

  const close = () => {
    open?.box.removeAttribute("aria-activedescendant");
    open = null;
    list.hidden = true;
  };
  library.watch((now) => {
    if (!now.complete) return;
    words = now.cards.filter((card) => !problemOf(card));
    if (early && early === document.activeElement) offer(early);
    early = null;
  });
  const offer = (box) => {
    if (!words) {
      early = box;
      return;
    }
    const typed = box.selectionStart === box.selectionEnd ? typedName(box.value, box.selectionEnd) : null;
    const found = typed ? completions(words, typed).slice(0, MOST) : [];
    if (found.length === 0) {
      close();
      return;
    }
    open = { box, typed, found, chosen: 0 };
    list.replaceChildren(...found.map(option));
    list.hidden = false;
    put(list, caretPlace(box, typed.start));
    choose(0);
  };
  const choose = (index) => {
    open.chosen = (index + open.found.length) % open.found.length;
    for (const [number, item] of [...list.children].entries()) item.setAttribute("aria-selected", String(number === open.chosen));
    list.children[open.chosen].scrollIntoView({ block: "nearest" });
    open.box.setAttribute("aria-activedescendant", list.children[open.chosen].id);
  };
  const accept = (index) => {
    const { box, typed, found } = open;
    const { text, caret } = typed.replacedBy(found[index].word, plain);
    close();
    setPrompt(box, text, caret);
    close();
  };

  const keys = {
    ArrowDown: () => choose(open.chosen + 1),
    ArrowUp: () => choose(open.chosen - 1),
    Enter: () => accept(open.chosen),
    Tab: () => accept(open.chosen),
    Escape: close,
  };
  document.addEventListener(
    "keydown",
    (event) => {
      if (!open || event.isComposing || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
      if (!Object.hasOwn(keys, event.key)) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      keys[event.key]();
    },
    true,
  );
  for (const box of boxes) {
    box.setAttribute("aria-autocomplete", "list");
    box.setAttribute("aria-controls", LIST);
    box.addEventListener("input", (event) => {
      if (event.isTrusted && !event.isComposing) offer(box);
      else if (!event.isTrusted) close();
    });
    box.addEventListener("compositionend", () => offer(box));
    box.addEventListener("blur", close);
    box.addEventListener("scroll", close);
    box.addEventListener("pointerdown", close);
    box.addEventListener("focus", () => library.load().catch(() => {}), { once: true });
  }
  list.addEventListener("pointerdown", (event) => {
    event.preventDefault(); // the box keeps the focus
    const item = event.target.closest("li");
    if (item) accept([...list.children].indexOf(item));
  });
  return { refresh: () => library.load() };
}

function option(embedding, index) {
  const { vectors } = embedding;
  return element(
    "li",
    { role: "option", id: `${LIST}_${index}` },
    element("span", { className: "ti-completion-word", textContent: embedding.word }),
    element("span", {
      className: "ti-completion-details",
      textContent: [embedding.family, vectors && `${vectors} ${vectors === 1 ? "vector" : "vectors"}`].filter(Boolean).join(" · "),
    }),
  );
}

/** Puts the list below the line of the caret, or above it where there is no room, and inside the window. */
function put(list, { left, top, bottom }) {
  const { width, height } = list.getBoundingClientRect();
  const below = bottom + height <= window.innerHeight;
  list.style.left = `${Math.max(4, Math.min(left, window.innerWidth - width - 4))}px`;
  list.style.top = `${below ? bottom : Math.max(4, top - height)}px`;
}
