// search.js – a box that finds embeddings by name, among however many there are.

import { call } from "../lib/api.js";
import { element } from "../lib/dom.js";

const LIST = "ti_found";

/** Returns `{ box }`; `onChosen` gets the embedding that is chosen. */
export function embeddingSearch(onChosen) {
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
  const list = element("ul", { id: LIST, className: "ti-completions ti-found", role: "listbox", hidden: true, "aria-label": "Embeddings" });
  const box = element("div", { className: "ti-bar ti-search" }, input, list);
  let found = [];
  let active = 0;
  let asking = null;

  const close = () => {
    asking?.abort();
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const look = async () => {
    asking?.abort();
    asking = new AbortController();
    try {
      found = await call(`tools/embeddings?${new URLSearchParams({ query: input.value })}`, { signal: asking.signal });
    } catch (error) {
      if (error.name !== "AbortError") offer([note(error.message)]);
      return;
    }
    offer(found.length ? found.map(option) : [note("No embedding matches.")]);
    if (found.length) activate(0);
  };
  const offer = (items) => {
    list.replaceChildren(...items);
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
  };
  const activate = (index) => {
    active = (index + found.length) % found.length;
    for (const [number, item] of [...list.children].entries()) item.setAttribute("aria-selected", String(number === active));
    list.children[active].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", list.children[active].id);
  };
  const choose = (index) => {
    const embedding = found[index];
    input.value = "";
    close();
    if (embedding) onChosen(embedding);
  };

  const keys = {
    ArrowDown: () => (list.hidden ? look() : found.length && activate(active + 1)),
    ArrowUp: () => found.length && activate(active - 1),
    Enter: () => choose(active),
    Escape: close,
  };
  input.addEventListener("input", look);
  input.addEventListener("focus", look);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.isComposing || !Object.hasOwn(keys, event.key) || (list.hidden && event.key !== "ArrowDown")) return;
    event.preventDefault();
    keys[event.key]();
  });
  list.addEventListener("pointerdown", (event) => {
    event.preventDefault(); // the box keeps the focus
    const item = event.target.closest("li[role=option]");
    if (item) choose([...list.children].indexOf(item));
  });
  return { box };
}

function option(embedding, index) {
  const vectors = embedding.vectors_per_token;
  const about = [embedding.family, vectors && `${vectors} ${vectors === 1 ? "vector" : "vectors"}`].filter(Boolean).join(" · ");
  return element(
    "li",
    { role: "option", id: `${LIST}_${index}`, title: embedding.file },
    element("span", { className: "ti-completion-word", textContent: embedding.word }),
    element("span", { className: "ti-completion-details", textContent: about }),
  );
}

function note(text) {
  return element("li", { className: "ti-note", textContent: text });
}
