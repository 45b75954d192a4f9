// tree.js – the library's folders: the tree beside the cards, and the breadcrumbs above them.

/** @import { CardRow } from "../lib/types.d.ts" */

import { closest, element } from "../lib/dom.js";

const MAX_CHILDREN = 400; // folders shown in one folder

/**
 * @typedef {object} Folder
 * @property {string} path inside the embeddings folder
 * @property {string} name
 * @property {number} count cards in it and below it
 * @property {Map<string, Folder>} children by name
 */

/**
 * Returns the tree and the breadcrumbs.
 *
 * @param {{ onChoose: (path: string) => void }} options `onChoose` is called when a folder is clicked
 */
export function folderTree({ onChoose }) {
  const root = element("nav", { className: "ti-tree", "aria-label": "Folders" });
  const breadcrumbs = element("nav", { className: "ti-breadcrumbs", "aria-label": "Folder" });
  const open = new Set([""]);
  let top = foldersOf([]);
  let selected = "";

  const draw = () => {
    root.replaceChildren(element("ul", {}, item(top)));
    breadcrumbs.replaceChildren(...breadcrumbsOf(selected).map(([path, name]) => folderButton(path, name)));
  };
  /**
   * @param {string} path
   * @param {...(Node | string)} content
   */
  const folderButton = (path, ...content) => {
    const current = { "aria-current": String(path === selected) };
    return element("button", { type: "button", className: "ti-folder", dataset: { path }, ...current }, ...content);
  };
  /**
   * @param {Folder} folder
   * @returns {HTMLLIElement}
   */
  const item = (folder) => {
    const isOpen = open.has(folder.path);
    const toggle = element("button", {
      type: "button",
      className: "ti-folder-toggle",
      dataset: { toggle: folder.path },
      "aria-expanded": String(isOpen),
      "aria-label": `Folders in ${folder.name}`,
      hidden: folder.children.size === 0,
    });
    const count = element("span", { className: "ti-folder-count", textContent: folder.count });
    const button = folderButton(folder.path, folder.name, " ", count);
    const row = element("div", { className: "ti-folder-row" }, toggle, button);
    if (!isOpen || folder.children.size === 0) return element("li", {}, row);
    const items = sortedChildren(folder).slice(0, MAX_CHILDREN).map(item);
    const more = folder.children.size - MAX_CHILDREN;
    if (more > 0) items.push(element("li", { className: "ti-note", textContent: `and ${more} more` }));
    return element("li", {}, row, element("ul", {}, ...items));
  };

  /** @param {MouseEvent} event */
  const click = ({ target }) => {
    const button = closest(target, "button");
    if (button?.dataset.toggle !== undefined) {
      const path = button.dataset.toggle;
      if (!open.delete(path)) open.add(path);
      draw();
      /** @type {HTMLElement | null} */
      const redrawn = root.querySelector(`[data-toggle="${CSS.escape(path)}"]`);
      redrawn?.focus();
    } else if (button) {
      choose(button.dataset.path ?? "");
      onChoose(selected);
    }
  };
  root.addEventListener("click", click);
  breadcrumbs.addEventListener("click", click);

  /**
   * Selects a folder and opens its parents.
   *
   * @param {string} path
   */
  const choose = (path) => {
    selected = path;
    const parts = path.split("/");
    for (let depth = 1; depth < parts.length; depth++) open.add(parts.slice(0, depth).join("/"));
    draw();
  };
  /** @param {Pick<CardRow, "file">[]} cards */
  const show = (cards) => {
    top = foldersOf(cards);
    draw();
  };
  return {
    root,
    breadcrumbs,
    show,
    choose,
    /** @param {string} path */
    has: (path) => Boolean(folderAt(top, path)),
    paths: () => [...pathsOf(top)],
  };
}

/**
 * Returns an empty folder.
 *
 * @param {string} path
 * @param {string} name
 * @returns {Folder}
 */
function emptyFolder(path, name) {
  return { path, name, count: 0, children: new Map() };
}

/**
 * Returns the tree of these cards' folders.
 *
 * @param {Pick<CardRow, "file">[]} cards
 */
export function foldersOf(cards) {
  const top = emptyFolder("", "All");
  for (const { file } of cards) {
    let folder = top;
    folder.count += 1;
    const parts = file.split("/").slice(0, -1);
    for (const [depth, name] of parts.entries()) {
      const child = folder.children.get(name) ?? emptyFolder(parts.slice(0, depth + 1).join("/"), name);
      folder.children.set(name, child);
      folder = child;
      folder.count += 1;
    }
  }
  return top;
}

/**
 * Returns the folder at a path, undefined where there is none.
 *
 * @param {Folder} top
 * @param {string} path
 */
export function folderAt(top, path) {
  /**
   * @param {Folder | undefined} folder
   * @param {string} name
   */
  const childOf = (folder, name) => folder?.children.get(name);
  return path === "" ? top : path.split("/").reduce(childOf, /** @type {Folder | undefined} */ (top));
}

/**
 * Returns the paths of all folders, each before those below it.
 *
 * @param {Folder} folder
 * @returns {Generator<string, void, undefined>}
 */
export function* pathsOf(folder) {
  if (folder.path) yield folder.path;
  for (const child of folder.children.values()) yield* pathsOf(child);
}

/**
 * Returns the folders from the top to a path, as pairs of path and name.
 *
 * @param {string} path
 * @returns {[string, string][]}
 */
export function breadcrumbsOf(path) {
  const parts = path ? path.split("/") : [];
  return [
    ["", "All"],
    ...parts.map((name, index) => /** @type {[string, string]} */ ([parts.slice(0, index + 1).join("/"), name])),
  ];
}

/** @param {Folder} folder */
function sortedChildren(folder) {
  return [...folder.children.values()].sort((a, b) => a.name.localeCompare(b.name));
}
