// caret.js – the position in the window of a character in a text box.

const COPIED_STYLES = /** @type {const} */ ([
  "boxSizing",
  "width",
  "borderTopWidth",
  "borderRightWidth",
  "borderBottomWidth",
  "borderLeftWidth",
  "paddingTop",
  "paddingRight",
  "paddingBottom",
  "paddingLeft",
  "fontFamily",
  "fontSize",
  "fontStyle",
  "fontWeight",
  "letterSpacing",
  "lineHeight",
  "tabSize",
  "textIndent",
  "textTransform",
  "wordSpacing",
]);

/**
 * Returns `{ left, top, bottom }` of the position before a character, in the window's pixels.
 *
 * Browsers have no API for that in a text box: an invisible copy of it is laid out and measured.
 *
 * @param {HTMLTextAreaElement} textarea
 * @param {number} index of the character
 */
export function caretPosition(textarea, index) {
  const style = getComputedStyle(textarea);
  const copy = document.createElement("div");
  for (const name of COPIED_STYLES) copy.style[name] = style[name];
  Object.assign(copy.style, {
    position: "fixed",
    visibility: "hidden",
    whiteSpace: "pre-wrap",
    overflowWrap: "break-word",
  });
  const mark = document.createElement("span");
  mark.textContent = "\u200b";
  copy.append(textarea.value.slice(0, index), mark);
  document.body.append(copy);
  const position = positionOf(textarea, copy, mark);
  copy.remove();
  return position;
}

/**
 * Returns where a mark of the copy is in the text box: both are laid out alike, and the box may be scrolled.
 *
 * @param {Pick<HTMLTextAreaElement, "getBoundingClientRect" | "scrollTop">} textarea
 * @param {Pick<Element, "getBoundingClientRect">} copy
 * @param {Pick<Element, "getBoundingClientRect">} mark
 */
export function positionOf(textarea, copy, mark) {
  const box = textarea.getBoundingClientRect();
  const [from, to] = [copy.getBoundingClientRect(), mark.getBoundingClientRect()];
  const top = box.top + to.top - from.top - textarea.scrollTop;
  return { left: box.left + to.left - from.left, top, bottom: top + to.height };
}
