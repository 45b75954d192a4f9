// cards.js – the extra-networks picker: every embedding a card, and the clicked one's word goes into the prompt.

import { cardBar } from "./bar.js";
import { cardCell } from "./card.js";
import { remove } from "./changes.js";
import { cardDetails } from "./details.js";
import { dragCards } from "./drag.js";
import { cardEditor } from "./editor.js";
import { cardGrid } from "./grid.js";
import { searchable } from "./search.js";
import { trashDialog } from "./trash.js";
import { folderTree } from "./tree.js";
import { cardsInHost } from "./host.js";
import { markUsed, toggleCard } from "./use.js";
import { element, setText } from "../lib/dom.js";
import { tell } from "../lib/toast.js";

/** Fills the picker's section with the cards of a library; returns `{ toggle, refresh }`. */
export function cardPicker(section, library) {
  const bar = cardBar({
    query: () => draw({ fromTop: true }),
    choice: (changed) => choose(changed),
    refresh: () => refresh(),
    trash: () => trash.open(),
  });
  const tree = folderTree({ onChoose: (folder) => bar.choose({ folder }) });
  const outside = cardsInHost();
  const mark = (cells) => {
    markUsed(cells);
    outside?.mark(cells);
  };
  const make = (card) => (outside ? outside.add(cardCell(card), card) : cardCell(card));
  const grid = cardGrid({ make, onDraw: mark });
  const cardOf = (target) => {
    const id = target.closest?.(".ti-card-cell")?.dataset.id;
    return id ? grid.cells().find(({ card }) => card.id === id)?.card : null;
  };
  const details = cardDetails(grid.root, cardOf);
  const editor = cardEditor({ folders: () => tree.paths(), onChange: () => refresh() });
  const trash = trashDialog({ onChange: () => refresh() });
  const main = element("div", { className: "ti-shelf-cards" }, tree.crumbs, grid.root);
  const shelf = element("div", { className: "ti-shelf" }, tree.root, main);
  section.append(bar.root, shelf);
  let find = null;

  const draw = ({ fromTop = false } = {}) => {
    const shown = library.get();
    if (!find) return;
    const found = shown.complete ? find(bar.search.value, bar.choice) : shown.cards;
    grid.show(found, shown.complete ? found.length : shown.total, { fromTop });
    setText(bar.note, describe(shown, found.length));
    shelf.hidden = shown.all === 0;
  };
  const choose = (changed) => {
    if ("size" in changed) grid.resize(changed.size);
    if ("folder" in changed) tree.choose(changed.folder);
    if ("tree" in changed) tree.root.hidden = !changed.tree;
    if (!("size" in changed || "tree" in changed)) draw({ fromTop: true });
  };
  const chosen = () => {
    const { sort, descending, folder, fits } = bar.choice;
    return { sort, descending, folder, fits };
  };
  const refresh = async () => {
    try {
      await library.load(chosen());
    } catch (error) {
      setText(bar.note, error.message);
    }
  };
  const toggle = () => {
    section.hidden = !section.hidden;
    if (section.hidden) {
      details.hide();
    } else {
      draw();
      refresh();
    }
    return !section.hidden;
  };
  library.watch((now) => {
    find = searchable(now.complete ? now.cards : []);
    tree.show(now.cards);
    if (now.complete && !tree.has(bar.choice.folder)) bar.choose({ folder: "" });
    if (!section.hidden) draw();
  });
  const edit = (card) => editor.open(card).catch((error) => tell(error.message));
  const discard = async (card) => {
    try {
      const undo = await remove(card);
      tell(`${card.word} is in the trash.`, async () => {
        await undo();
        await refresh();
      });
      await refresh();
    } catch (error) {
      tell(error.message);
    }
  };

  grid.root.addEventListener("click", ({ target }) => {
    const card = cardOf(target);
    if (!card) return;
    const box = target.closest("button[data-outside]")?.dataset.outside;
    if (target.closest(".ti-card-edit")) edit(card);
    else if (box) outside.toggle(card, box, grid.cells());
    else if (target.closest("button.ti-card")) toggleCard(card);
  });
  grid.root.addEventListener("keydown", (event) => {
    const card = cardOf(event.target);
    if (!card || event.ctrlKey || event.metaKey || event.altKey) return;
    const use = (box) => outside.toggle(card, box, grid.cells());
    const keys = {
      e: () => edit(card),
      Delete: () => discard(card),
      Escape: () => bar.search.focus(),
      ...(outside && { t: () => use("prompt"), n: () => use("negative") }),
    };
    if (!Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    if (event.key === "Escape") event.stopPropagation(); // it interrupts pictures elsewhere
    details.hide();
    keys[event.key]();
  });
  bar.search.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") grid.focus(0);
    else if (event.key === "Enter" && bar.search.value) useFirst();
    else if (event.key === "Escape" && bar.search.value) {
      event.stopPropagation();
      bar.search.value = "";
      draw({ fromTop: true });
    } else return;
    event.preventDefault();
  });
  const useFirst = () => {
    const first = grid.root.querySelector("[aria-posinset='1'] > button.ti-card");
    if (first) toggleCard(cardOf(first));
  };
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || section.hidden || !section.checkVisibility() || isTypedInto(event.target)) return;
    event.preventDefault();
    bar.search.focus();
  });
  document.addEventListener("input", ({ target }) => target !== bar.search && mark(grid.cells()));
  if (outside) window.addEventListener("focus", () => mark(grid.cells()));
  dragCards(grid.root, cardOf);
  grid.resize(bar.choice.size);
  tree.choose(bar.choice.folder);
  tree.root.hidden = !bar.choice.tree;
  library.loadFirst(chosen()).catch(() => {}); // so that they are there when the picker is opened; it says what is wrong
  return { toggle, refresh: () => (section.hidden ? undefined : refresh()) };
}

function isTypedInto(target) {
  return target.isContentEditable || target.closest?.("dialog, select, textarea, input:not([type=checkbox], [type=range])");
}

function describe({ all, total, folder, complete }, shown) {
  if (all === 0) {
    return `No embeddings yet. Train one in the Train tab, or drop a .safetensors or .pt file into ${folder}`;
  }
  if (!complete) return `${total} of ${all} …`;
  return shown === 0 ? `None of ${all} embeddings matches.` : `${shown} of ${all}`;
}
