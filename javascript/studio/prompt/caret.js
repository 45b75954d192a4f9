// caret.js – where in the window a place in a text box is.

const COPIED = [
  "boxSizing", "width", "borderTopWidth", "borderRightWidth", "borderBottomWidth", "borderLeftWidth", "paddingTop",
  "paddingRight", "paddingBottom", "paddingLeft", "fontFamily", "fontSize", "fontStyle", "fontWeight", "letterSpacing",
  "lineHeight", "tabSize", "textIndent", "textTransform", "wordSpacing",
];

/** Returns `{ left, top, bottom }` of the place before a character, in the window's pixels. A text box does not tell, so a
 *  copy of it is laid out that does. */
export function caretPlace(textarea, index) {
  const style = getComputedStyle(textarea);
  const copy = document.createElement("div");
  for (const name of COPIED) copy.style[name] = style[name];
  Object.assign(copy.style, { position: "fixed", visibility: "hidden", whiteSpace: "pre-wrap", overflowWrap: "break-word" });
  const mark = document.createElement("span");
  mark.textContent = "\u200b";
  copy.append(textarea.value.slice(0, index), mark);
  document.body.append(copy);
  const box = textarea.getBoundingClientRect();
  const [from, to] = [copy.getBoundingClientRect(), mark.getBoundingClientRect()];
  copy.remove();
  const top = box.top + to.top - from.top - textarea.scrollTop;
  return { left: box.left + to.left - from.left, top, bottom: top + to.height };
}
