// controls.js – the form controls of the Embeddings tab.

import { element } from "./dom.js";

/**
 * Returns a select.
 *
 * @param {string[][]} options pairs of value and text
 * @param {string} label
 */
export function select(options, label) {
  const items = options.map(([value, text]) => element("option", { value, textContent: text }));
  return element("select", { "aria-label": label }, ...items);
}

/**
 * Returns a text input.
 *
 * @param {string} label
 * @param {string} placeholder
 */
export function textBox(label, placeholder) {
  return element("input", { type: "text", placeholder, "aria-label": label, autocomplete: "off", spellcheck: false });
}

/**
 * Returns a button.
 *
 * @param {string} text
 */
export function button(text) {
  return element("button", { type: "button", className: "ti-button", textContent: text });
}

/**
 * Returns a control with its label.
 *
 * @param {string} text
 * @param {HTMLElement} control
 */
export function labelled(text, control) {
  const label = element("span", { textContent: text, "aria-hidden": "true" });
  return element("div", { className: "ti-field" }, label, control);
}

/**
 * Returns a row of controls.
 *
 * @param {...HTMLElement} controls
 */
export function toolbar(...controls) {
  return element("div", { className: "ti-bar" }, ...controls);
}

/**
 * Returns a fieldset.
 *
 * @param {string} title
 * @param {...HTMLElement} content
 */
export function group(title, ...content) {
  return element("fieldset", { className: "ti-group" }, element("legend", { textContent: title }), ...content);
}
