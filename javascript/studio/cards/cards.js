// cards.js – the extra-networks panel: a card for every embedding, and a click on it adds its word to the prompt.

/** @import { CardCell, CardLibrary, CardRow, Library } from "../lib/types.d.ts" */
/** @import { CardOptions } from "./bar.js" */
/** @import { HostPrompt } from "../prompt/host.js" */

import { messageOf } from "../lib/api.js";
import { closest, element, setText } from "../lib/dom.js";
import { showToast } from "../lib/toast.js";
import { cardBar } from "./bar.js";
import { cardCell } from "./card.js";
import { moveToTrash } from "./changes.js";
import { cardDetails } from "./details.js";
import { dragCards } from "./drag.js";
import { cardEditor } from "./editor.js";
import { cardGrid } from "./grid.js";
import { hostButtons } from "./host.js";
import { cardSearch } from "./search.js";
import { trashDialog } from "./trash.js";
import { folderTree } from "./tree.js";
import { markUsed, toggleCard } from "./use.js";

/**
 * Fills the panel's section with the cards of a library; `toggle` returns whether the panel is open then.
 *
 * @param {HTMLElement} section
 * @param {CardLibrary} library
 */
export function cardPanel(section, library) {
  const bar = cardBar({
    query: () => draw({ fromTop: true }),
    options: (changed) => applyOptions(changed),
    refresh: () => refresh(),
    trash: () => trash.open(),
  });
  const tree = folderTree({ onChoose: (folder) => bar.choose({ folder }) });
  const host = hostButtons();
  /** @param {CardCell[]} cells */
  const mark = (cells) => {
    markUsed(cells);
    host?.mark(cells);
  };
  /** @param {CardRow} card */
  const createCell = (card) => (host ? host.add(cardCell(card), card) : cardCell(card));
  const grid = cardGrid({ createCell, onDraw: mark });
  /** @param {EventTarget | null} target */
  const cardOf = (target) => {
    const id = closest(target, ".ti-card-cell")?.dataset.id;
    return (id && grid.cells().find(({ card }) => card.id === id)?.card) || null;
  };
  const details = cardDetails(grid.root, cardOf);
  const editor = cardEditor({ folders: () => tree.paths(), onChange: () => refresh() });
  const trash = trashDialog({ onChange: () => refresh() });
  const main = element("div", { className: "ti-card-panel-cards" }, tree.breadcrumbs, grid.root);
  const panel = element("div", { className: "ti-card-panel" }, tree.root, main);
  section.append(bar.root, panel);
  /** @type {ReturnType<typeof cardSearch> | null} */
  let search = null;

  const draw = ({ fromTop = false } = {}) => {
    const { complete, cards, all, total } = library.get();
    if (!search) return;
    const matches = complete ? search(bar.search.value, bar.options) : cards;
    grid.show(matches, complete ? matches.length : total, { fromTop });
    setText(bar.note, summary(library.get(), matches.length));
    panel.hidden = all === 0;
  };
  /** @param {Partial<CardOptions>} changed */
  const applyOptions = (changed) => {
    if (changed.size !== undefined) grid.resize(changed.size);
    if (changed.folder !== undefined) tree.choose(changed.folder);
    if (changed.tree !== undefined) tree.root.hidden = !changed.tree;
    if (!("size" in changed || "tree" in changed)) draw({ fromTop: true });
  };
  const query = () => {
    const { sort, descending, folder, fits } = bar.options;
    return { sort, descending, folder, fits };
  };
  const refresh = async () => {
    try {
      await library.load(query());
    } catch (error) {
      setText(bar.note, messageOf(error));
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
  library.subscribe(({ complete, cards }) => {
    search = cardSearch(complete ? cards : []);
    tree.show(cards);
    if (complete && !tree.has(bar.options.folder)) bar.choose({ folder: "" });
    if (!section.hidden) draw();
  });
  /** @param {CardRow} card */
  const edit = (card) => editor.open(card).catch((error) => showToast(messageOf(error)));
  /** @param {CardRow} card */
  const discard = async (card) => {
    try {
      const undo = await moveToTrash(card);
      showToast(`${card.word} is in the trash.`, async () => {
        await undo();
        await refresh();
      });
      await refresh();
    } catch (error) {
      showToast(messageOf(error));
    }
  };
  /**
   * @param {CardRow} card
   * @param {string} box
   */
  const toggleInHost = (card, box) => host?.toggle(card, /** @type {HostPrompt} */ (box), grid.cells());

  grid.root.addEventListener("click", ({ target }) => {
    const card = cardOf(target);
    if (!card) return;
    const box = closest(target, "button[data-host-prompt]")?.dataset.hostPrompt;
    if (closest(target, ".ti-card-edit")) edit(card);
    else if (box) toggleInHost(card, box);
    else if (closest(target, "button.ti-card")) toggleCard(card);
  });
  grid.root.addEventListener("keydown", (event) => {
    const card = cardOf(event.target);
    if (!card || event.ctrlKey || event.metaKey || event.altKey) return;
    /** @type {Record<string, () => void>} */
    const keys = {
      e: () => edit(card),
      Delete: () => discard(card),
      Escape: () => bar.search.focus(),
      ...(host && { t: () => toggleInHost(card, "prompt"), n: () => toggleInHost(card, "negative") }),
    };
    if (!Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    if (event.key === "Escape") event.stopPropagation(); // elsewhere it interrupts the generation
    details.hide();
    keys[event.key]();
  });
  bar.search.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") grid.focus(0);
    else if (event.key === "Enter" && bar.search.value) toggleFirst();
    else if (event.key === "Escape" && bar.search.value) {
      event.stopPropagation();
      bar.search.value = "";
      draw({ fromTop: true });
    } else return;
    event.preventDefault();
  });
  const toggleFirst = () => {
    const card = cardOf(grid.root.querySelector("[aria-posinset='1'] > button.ti-card"));
    if (card) toggleCard(card);
  };
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || section.hidden || !section.checkVisibility() || isTextField(event.target)) return;
    event.preventDefault();
    bar.search.focus();
  });
  document.addEventListener("input", ({ target }) => target !== bar.search && mark(grid.cells()));
  if (host) window.addEventListener("focus", () => mark(grid.cells()));
  dragCards(grid.root, cardOf);
  grid.resize(bar.options.size);
  tree.choose(bar.options.folder);
  tree.root.hidden = !bar.options.tree;
  library.loadFirst(query()).catch(() => {}); // for the panel's first opening, which shows what failed
  return { toggle, refresh: () => (section.hidden ? undefined : refresh()) };
}

/** @param {EventTarget | null} target */
function isTextField(target) {
  if (target instanceof HTMLElement && target.isContentEditable) return true;
  return closest(target, "dialog, select, textarea, input:not([type=checkbox], [type=range])") !== null;
}

/**
 * Returns the text beside the search box.
 *
 * @param {Library} library
 * @param {number} matches
 */
export function summary({ all, total, folder, complete }, matches) {
  if (all === 0) {
    return `No embeddings yet. Train one in the Train tab, or drop a .safetensors or .pt file into ${folder}`;
  }
  if (!complete) return `${total} of ${all} …`;
  return matches === 0 ? `None of ${all} embeddings matches.` : `${matches} of ${all}`;
}
