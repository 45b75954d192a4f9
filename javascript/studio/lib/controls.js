// controls.js – the small parts that the Embeddings tab's tools are made of.

import { element } from "./dom.js";

export function select(options, label) {
  return element("select", { "aria-label": label }, ...options.map(([value, text]) => element("option", { value, textContent: text })));
}

export function textBox(label, placeholder) {
  return element("input", { type: "text", placeholder, "aria-label": label, autocomplete: "off", spellcheck: false });
}

export function button(text) {
  return element("button", { type: "button", className: "ti-button", textContent: text });
}

export function labelled(text, control) {
  return element("div", { className: "ti-labelled" }, element("span", { textContent: text, "aria-hidden": "true" }), control);
}

export function actions(...buttons) {
  return element("div", { className: "ti-bar" }, ...buttons);
}

export function group(title, ...content) {
  return element("fieldset", { className: "ti-group" }, element("legend", { textContent: title }), ...content);
}
