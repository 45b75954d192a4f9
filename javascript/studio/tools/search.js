// search.js – a combobox that finds embeddings by name.

/** @import { FoundEmbedding } from "../lib/types.d.ts" */

import { call, isAbort, messageOf } from "../lib/api.js";
import { closest, element } from "../lib/dom.js";
import { joined, vectorCount } from "../lib/format.js";

const LIST = "ti_search_results";

/**
 * Returns `{ root }`.
 *
 * @param {(embedding: FoundEmbedding) => void} onChoose
 */
export function embeddingSearch(onChoose) {
  const input = element("input", {
    type: "search",
    placeholder: "Add an embedding …",
    role: "combobox",
    autocomplete: "off",
    "aria-label": "Add an embedding",
    "aria-controls": LIST,
    "aria-expanded": "false",
    "aria-autocomplete": "list",
  });
  const list = element("ul", {
    id: LIST,
    className: "ti-completions ti-search-results",
    role: "listbox",
    hidden: true,
    "aria-label": "Embeddings",
  });
  const root = element("div", { className: "ti-bar ti-search" }, input, list);
  /** @type {FoundEmbedding[]} */
  let results = [];
  let active = 0;
  /** @type {AbortController | null} */
  let request = null;

  const close = () => {
    request?.abort();
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const search = async () => {
    request?.abort();
    request = new AbortController();
    const query = new URLSearchParams({ query: input.value });
    try {
      results = await call(`tools/embeddings?${query}`, { signal: request.signal });
    } catch (error) {
      if (!isAbort(error)) showList([note(messageOf(error))]);
      return;
    }
    showList(results.length ? results.map(option) : [note("No embedding matches.")]);
    if (results.length) activate(0);
  };
  /** @param {HTMLElement[]} items */
  const showList = (items) => {
    list.replaceChildren(...items);
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
  };
  /** @param {number} index */
  const activate = (index) => {
    active = (index + results.length) % results.length;
    for (const [number, item] of [...list.children].entries()) {
      item.setAttribute("aria-selected", String(number === active));
    }
    list.children[active].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", list.children[active].id);
  };
  /** @param {number} index */
  const choose = (index) => {
    const embedding = results[index];
    input.value = "";
    close();
    if (embedding) onChoose(embedding);
  };

  /** @type {Record<string, () => unknown>} */
  const keys = {
    ArrowDown: () => (list.hidden ? search() : results.length && activate(active + 1)),
    ArrowUp: () => results.length && activate(active - 1),
    Enter: () => choose(active),
    Escape: close,
  };
  input.addEventListener("input", search);
  input.addEventListener("focus", search);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.isComposing || !Object.hasOwn(keys, event.key) || (list.hidden && event.key !== "ArrowDown")) return;
    event.preventDefault();
    keys[event.key]();
  });
  list.addEventListener("pointerdown", (event) => {
    event.preventDefault(); // the box keeps the focus
    const item = closest(event.target, "li[role=option]");
    if (item) choose([...list.children].indexOf(item));
  });
  return { root };
}

/**
 * @param {FoundEmbedding} embedding
 * @param {number} index
 */
function option(embedding, index) {
  const details = joined([embedding.family, vectorCount(embedding.vectors_per_token)]);
  return element(
    "li",
    { role: "option", id: `${LIST}_${index}`, title: embedding.file },
    element("span", { className: "ti-completion-word", textContent: embedding.word }),
    element("span", { className: "ti-completion-details", textContent: details }),
  );
}

/** @param {string} text */
function note(text) {
  return element("li", { className: "ti-note", textContent: text });
}
