// dom.js – builds elements. Texts are set as textContent: names and messages are never markup.

/**
 * Returns an element. Properties are set as DOM properties, or as attributes where their name has a dash or is `role`.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, unknown>} [properties]
 * @param {...(Node | string | null | undefined)} children null and undefined are left out
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, properties = {}, ...children) {
  const created = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "dataset") Object.assign(created.dataset, value);
    else if (name.includes("-") || name === "role") created.setAttribute(name, String(value));
    else Object.assign(created, { [name]: value });
  }
  created.append(...children.filter((child) => child !== null && child !== undefined));
  return created;
}

const SVG = "http://www.w3.org/2000/svg";

/**
 * Returns an SVG element.
 *
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number>} [attributes]
 * @param {...(Node | string)} children
 * @returns {SVGElementTagNameMap[Tag]}
 */
export function svgElement(tag, attributes = {}, ...children) {
  const created = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) created.setAttribute(name, String(value));
  created.append(...children);
  return created;
}

/**
 * Changes an element's text only if it differs: selections and screen readers are not disturbed.
 *
 * @param {Node} target
 * @param {string} text
 */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/**
 * Returns the element around an event's target that matches a selector, or null.
 *
 * @param {EventTarget | null} target
 * @param {string} selector
 * @returns {HTMLElement | null}
 */
export function closest(target, selector) {
  return target instanceof Element ? target.closest(selector) : null;
}

/**
 * Resolves with the element of this id as soon as the page has it. Gradio builds the page after its scripts have run.
 *
 * @param {string} id
 * @returns {Promise<HTMLElement>}
 */
export function waitForElement(id) {
  return new Promise((resolve) => {
    const check = () => {
      const existing = document.getElementById(id);
      if (existing) {
        observer.disconnect();
        resolve(existing);
      }
    };
    const observer = new MutationObserver(check);
    observer.observe(document.documentElement, { childList: true, subtree: true });
    check();
  });
}
