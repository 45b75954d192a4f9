// cards_tree.js – the library's folders: a tree to choose one from, and the way to it above the cards.

import { element } from "../lib/dom.js";

const MOST = 400; // folders shown in one folder

/** Returns `{ root, crumbs, show, choose, has }`; `onChoose(path)` is called when a folder is clicked. */
export function folderTree({ onChoose }) {
  const root = element("nav", { className: "ti-tree", "aria-label": "Folders" });
  const crumbs = element("nav", { className: "ti-crumbs", "aria-label": "Folder" });
  const open = new Set([""]);
  let top = folder("", "All");
  let chosen = "";

  const draw = () => {
    root.replaceChildren(element("ul", {}, item(top)));
    const parts = chosen ? chosen.split("/") : [];
    const way = parts.map((name, index) => [parts.slice(0, index + 1).join("/"), name]);
    crumbs.replaceChildren(...[["", "All"], ...way].map(([path, name]) => choice(path, name)));
  };
  const choice = (path, name, ...more) =>
    element("button", { type: "button", className: "ti-folder", dataset: { path }, "aria-current": String(path === chosen) }, name, ...more);
  const item = (node) => {
    const isOpen = open.has(node.path);
    const toggle = element("button", {
      type: "button",
      className: "ti-folder-toggle",
      dataset: { toggle: node.path },
      "aria-expanded": String(isOpen),
      "aria-label": `Folders in ${node.name}`,
      hidden: node.children.size === 0,
    });
    const count = element("span", { className: "ti-folder-count", textContent: node.count });
    const row = element("div", { className: "ti-folder-row" }, toggle, choice(node.path, node.name, " ", count));
    const inside = isOpen && node.children.size > 0 ? element("ul", {}, ...shownChildren(node).map(item)) : null;
    const left = node.children.size - MOST;
    if (inside && left > 0) inside.append(element("li", { className: "ti-note", textContent: `and ${left} more` }));
    return element("li", {}, row, inside);
  };
  const shownChildren = (node) => [...node.children.values()].sort((a, b) => a.name.localeCompare(b.name)).slice(0, MOST);

  const click = ({ target }) => {
    const button = target.closest("button");
    if (button?.dataset.toggle !== undefined) {
      const path = button.dataset.toggle;
      if (!open.delete(path)) open.add(path);
      draw();
      root.querySelector(`[data-toggle="${CSS.escape(path)}"]`)?.focus();
    } else if (button) {
      choose(button.dataset.path);
      onChoose(chosen);
    }
  };
  root.addEventListener("click", click);
  crumbs.addEventListener("click", click);

  /** Marks a folder, and opens those that it lies in. */
  const choose = (path) => {
    chosen = path;
    const parts = path.split("/");
    for (let depth = 1; depth < parts.length; depth++) open.add(parts.slice(0, depth).join("/"));
    draw();
  };
  const show = (cards) => {
    top = grown(cards);
    draw();
  };
  return { root, crumbs, show, choose, has: (path) => Boolean(find(top, path)), paths: () => [...pathsOf(top)] };
}

function folder(path, name) {
  return { path, name, count: 0, children: new Map() };
}

/** Returns the tree of the folders that these cards lie in. */
function grown(cards) {
  const top = folder("", "All");
  for (const { file } of cards) {
    let node = top;
    node.count += 1;
    const parts = file.split("/").slice(0, -1);
    for (const [depth, name] of parts.entries()) {
      if (!node.children.has(name)) node.children.set(name, folder(parts.slice(0, depth + 1).join("/"), name));
      node = node.children.get(name);
      node.count += 1;
    }
  }
  return top;
}

function find(top, path) {
  const step = (node, name) => node?.children.get(name);
  return path === "" ? top : path.split("/").reduce(step, top);
}

function* pathsOf(node) {
  if (node.path) yield node.path;
  for (const child of node.children.values()) yield* pathsOf(child);
}
