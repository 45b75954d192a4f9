// prompts.js – the two prompt boxes: which one was used last, where its caret was, and how to change its text.

const BOXES = ["ti_prompt", "ti_negative_prompt"];
const carets = new WeakMap();
let lastUsed = BOXES[0];

function box(id) {
  return document.querySelector(`#${id} textarea`);
}

/** Remembers which prompt has the focus and where its caret is. */
export function watchPrompts() {
  const remember = ({ target }) => {
    const id = BOXES.find((candidate) => target === box(candidate));
    if (!id) return;
    lastUsed = id;
    carets.set(target, target.selectionEnd);
  };
  for (const kind of ["focusin", "input", "keyup", "pointerup", "select"]) document.addEventListener(kind, remember);
}

/** Returns the prompt box that had the focus last; the positive one at first. */
export function lastPrompt() {
  return box(lastUsed);
}

/** Returns the negative prompt's box. */
export function negativePrompt() {
  return box(BOXES[1]);
}

/** Returns both prompt boxes. */
export function promptBoxes() {
  return BOXES.map(box).filter(Boolean);
}

/** Where the caret of a box was last; null for one that never had the focus. */
export function caretOf(textarea) {
  return carets.get(textarea) ?? null;
}

/** Changes a box's text the way typing does, so that Gradio takes notice. */
export function setPrompt(textarea, text, caret = null) {
  const setter = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set;
  setter.call(textarea, text);
  if (caret !== null) {
    textarea.setSelectionRange(caret, caret);
    carets.set(textarea, caret);
  }
  textarea.dispatchEvent(new Event("input", { bubbles: true }));
}
