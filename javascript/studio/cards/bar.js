// bar.js – the search box and the options above the cards. The browser stores the options.

/** @import { CardQuery } from "../lib/types.d.ts" */

import { element } from "../lib/dom.js";

/** @typedef {CardQuery & { size: string, tree: boolean }} CardOptions */

const KEY = "ti-studio-cards";
const SORTS = { path: "Path", name: "Name", created: "Date created", modified: "Date modified", used: "Last used" };
const SIZES = { small: "Small", medium: "Medium", large: "Large" };
/** @type {CardOptions} */
const DEFAULTS = { sort: "path", descending: false, folder: "", fits: false, size: "medium", tree: true };
const NARROW = 640; // pixels of a window that has no room for a tree beside the cards

/**
 * Returns the bar and its options; `choose` changes some of the options.
 *
 * @param {object} on called after a change
 * @param {() => void} on.query
 * @param {(changed: Partial<CardOptions>) => void} on.options
 * @param {() => void} on.refresh
 * @param {() => void} on.trash
 */
export function cardBar(on) {
  const options = { ...DEFAULTS, tree: window.innerWidth > NARROW, ...storedOptions() };
  const search = element("input", {
    type: "search",
    placeholder: "Search …  ( / )",
    "aria-label": "Search embeddings",
  });
  const note = element("p", { className: "ti-note", role: "status" });
  const sort = select("Sort by", SORTS);
  const size = select("Card size", SIZES);
  const direction = button("ti-sort-direction", "", () => choose({ descending: !options.descending }));
  const fits = element("input", { type: "checkbox" });
  const fitsTitle = "Only what fits the loaded checkpoint";
  const fitsLabel = element("label", { className: "ti-check", title: fitsTitle }, fits, "fits");
  const tree = button("", "Folders", () => choose({ tree: !options.tree }));
  const refresh = button("", "Refresh", () => on.refresh());
  const trash = button("", "Trash", () => on.trash());

  const draw = () => {
    sort.value = options.sort;
    size.value = options.size;
    fits.checked = options.fits;
    direction.textContent = options.descending ? "↓" : "↑";
    direction.title = options.descending ? "Descending" : "Ascending";
    direction.setAttribute("aria-label", direction.title);
    tree.setAttribute("aria-pressed", String(options.tree));
  };
  /** @param {Partial<CardOptions>} changed */
  const choose = (changed) => {
    Object.assign(options, changed);
    store(options);
    draw();
    on.options(changed);
  };
  search.addEventListener("input", () => on.query());
  sort.addEventListener("change", () => choose({ sort: sort.value }));
  size.addEventListener("change", () => choose({ size: size.value }));
  fits.addEventListener("change", () => choose({ fits: fits.checked }));
  draw();
  const controls = [search, sort, direction, fitsLabel, size, tree, refresh, trash, note];
  const root = element("div", { className: "ti-bar" }, ...controls);
  return { root, search, note, options, choose };
}

/**
 * @param {string} name
 * @param {Record<string, string>} texts by value
 */
function select(name, texts) {
  const items = Object.entries(texts).map(([value, textContent]) => element("option", { value, textContent }));
  return element("select", { className: "ti-button", "aria-label": name, title: name }, ...items);
}

/**
 * @param {string} className
 * @param {string} text
 * @param {() => void} onClick
 */
function button(className, text, onClick) {
  const created = element("button", { type: "button", className: `ti-button ${className}`, textContent: text });
  created.addEventListener("click", onClick);
  return created;
}

/**
 * Returns the stored options, without those that are not valid.
 *
 * @returns {Partial<CardOptions>}
 */
function storedOptions() {
  let stored = {};
  try {
    stored = JSON.parse(localStorage.getItem(KEY) ?? "null") ?? {};
  } catch {
    return {}; // the browser stores nothing, or something else under this key
  }
  /** @type {Record<string, unknown>} */
  const defaults = { ...DEFAULTS };
  /** @type {Partial<CardOptions>} */
  const valid = Object.fromEntries(
    Object.entries(stored).filter(([name, value]) => typeof value === typeof defaults[name]),
  );
  if (!Object.hasOwn(SORTS, valid.sort ?? "path")) delete valid.sort;
  if (!Object.hasOwn(SIZES, valid.size ?? "medium")) delete valid.size;
  return valid;
}

/** @param {CardOptions} options */
function store(options) {
  try {
    localStorage.setItem(KEY, JSON.stringify(options));
  } catch {
    // A browser that stores nothing: a reload resets the options.
  }
}
