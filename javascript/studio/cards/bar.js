// cards_bar.js – what is typed and chosen above the cards; the choices are kept over a reload.

import { element } from "../lib/dom.js";

const KEY = "ti-studio-cards";
const SORTS = { path: "Path", name: "Name", created: "Date created", modified: "Date modified", used: "Last used" };
const SIZES = { small: "Small", medium: "Medium", large: "Large" };
const DEFAULTS = { sort: "path", descending: false, folder: "", fits: false, size: "medium", tree: true };
const NARROW = 640; // pixels of a window that has no room for a tree beside the cards

/** Returns `{ root, search, note, choice, choose }`; `on` has a function for each change: `query`, `choice`, `refresh`,
 *  `trash`. */
export function cardBar(on) {
  const choice = { ...DEFAULTS, tree: window.innerWidth > NARROW, ...kept() };
  const search = element("input", { type: "search", placeholder: "Search …  ( / )", "aria-label": "Search embeddings" });
  const note = element("p", { className: "ti-note", role: "status" });
  const sort = select("Sort by", SORTS);
  const size = select("Card size", SIZES);
  const way = button("ti-way", "", () => choose({ descending: !choice.descending }));
  const fits = element("input", { type: "checkbox" });
  const fitsLabel = element("label", { className: "ti-check", title: "Only what fits the loaded checkpoint" }, fits, "fits");
  const tree = button("", "Folders", () => choose({ tree: !choice.tree }));
  const refresh = button("", "Refresh", () => on.refresh());
  const trash = button("", "Trash", () => on.trash());

  const draw = () => {
    sort.value = choice.sort;
    size.value = choice.size;
    fits.checked = choice.fits;
    way.textContent = choice.descending ? "↓" : "↑";
    way.title = choice.descending ? "Descending" : "Ascending";
    way.setAttribute("aria-label", way.title);
    tree.setAttribute("aria-pressed", String(choice.tree));
  };
  /** Changes some of the choices, and keeps them. */
  const choose = (changed) => {
    Object.assign(choice, changed);
    keep(choice);
    draw();
    on.choice(changed);
  };
  search.addEventListener("input", () => on.query());
  sort.addEventListener("change", () => choose({ sort: sort.value }));
  size.addEventListener("change", () => choose({ size: size.value }));
  fits.addEventListener("change", () => choose({ fits: fits.checked }));
  draw();
  const root = element("div", { className: "ti-bar" }, search, sort, way, fitsLabel, size, tree, refresh, trash, note);
  return { root, search, note, choice, choose };
}

function select(name, options) {
  const made = element("select", { className: "ti-button", "aria-label": name, title: name });
  made.append(...Object.entries(options).map(([value, text]) => element("option", { value, textContent: text })));
  return made;
}

function button(className, text, onClick) {
  const made = element("button", { type: "button", className: `ti-button ${className}`, textContent: text });
  made.addEventListener("click", onClick);
  return made;
}

/** Returns what was kept of the choices, as far as it is one. */
function kept() {
  let found = {};
  try {
    found = JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {}; // the browser keeps nothing, or something that is not ours
  }
  const fits = ([name, value]) => typeof value === typeof DEFAULTS[name];
  const chosen = Object.fromEntries(Object.entries(found).filter(fits));
  if (!Object.hasOwn(SORTS, chosen.sort ?? "path")) delete chosen.sort;
  if (!Object.hasOwn(SIZES, chosen.size ?? "medium")) delete chosen.size;
  return chosen;
}

function keep(choice) {
  try {
    localStorage.setItem(KEY, JSON.stringify(choice));
  } catch {
    // A browser that keeps nothing: the picker begins afresh after a reload.
  }
}
