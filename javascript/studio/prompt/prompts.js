// prompts.js – the two prompt boxes: which one was used last, where its caret was, and how to change its text.

const POSITIVE = "ti_prompt";
const NEGATIVE = "ti_negative_prompt";
/** @type {WeakMap<EventTarget, number>} */
const carets = new WeakMap();
let lastUsed = POSITIVE;

/**
 * @param {string} id
 * @returns {HTMLTextAreaElement | null}
 */
function boxOf(id) {
  return document.querySelector(`#${id} textarea`);
}

/** Tracks which prompt has the focus and where its caret is. */
export function trackCarets() {
  /** @param {Event} event */
  const track = ({ target }) => {
    const id = [POSITIVE, NEGATIVE].find((each) => target === boxOf(each));
    if (!id) return;
    const box = /** @type {HTMLTextAreaElement} */ (target);
    lastUsed = id;
    carets.set(box, box.selectionEnd);
  };
  for (const type of ["focusin", "input", "keyup", "pointerup", "select"]) document.addEventListener(type, track);
}

/** Returns the prompt box that had the focus last; the positive one at first. */
export function lastUsedPrompt() {
  return boxOf(lastUsed);
}

/** Returns the negative prompt's box. */
export function negativePrompt() {
  return boxOf(NEGATIVE);
}

/** Returns both prompt boxes, as far as the page has them: the positive one first. */
export function promptBoxes() {
  return [POSITIVE, NEGATIVE].map(boxOf).filter((box) => box !== null);
}

/**
 * Returns where the caret of a box was last; null for a box that never had the focus.
 *
 * @param {HTMLTextAreaElement} textarea
 */
export function caretOf(textarea) {
  return carets.get(textarea) ?? null;
}

/**
 * Changes a box's text as typing does, so that Gradio notices it.
 *
 * @param {HTMLTextAreaElement} textarea
 * @param {string} text
 * @param {number | null} [caret]
 */
export function setPrompt(textarea, text, caret = null) {
  setNativeValue(HTMLTextAreaElement.prototype, textarea, text);
  if (caret !== null) {
    textarea.setSelectionRange(caret, caret);
    carets.set(textarea, caret);
  }
  textarea.dispatchEvent(new Event("input", { bubbles: true }));
}

/**
 * Sets a control's value by the browser's own setter: frameworks replace it on the element to notice scripts.
 *
 * @param {HTMLTextAreaElement | HTMLInputElement} prototype of the control
 * @param {HTMLTextAreaElement | HTMLInputElement} control
 * @param {string} value
 */
export function setNativeValue(prototype, control, value) {
  Object.getOwnPropertyDescriptor(prototype, "value")?.set?.call(control, value);
}
