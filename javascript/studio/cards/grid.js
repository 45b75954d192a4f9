// grid.js – a grid of any number of cards. The page has only the cells that are in view, and those nearby.

/** @import { CardCell, CardRow } from "../lib/types.d.ts" */

import { closest, element } from "../lib/dom.js";

const GAP = 8;
const TEXT_HEIGHT = 80; // pixels below a card's picture
/** @type {Record<string, number>} */
const SIZES = { small: 104, medium: 136, large: 188 };
const OVERSCAN = 0.6; // of the grid's height, above and below

/** @typedef {{ columns: number, width: number, height: number }} Layout the number of columns, and a cell's size */
/** @typedef {CardCell & { index?: number, layout?: Layout, total?: number }} Entry a cell, and what it was placed by */

/**
 * Returns `{ root, show, resize, focus, cells }`.
 *
 * @param {object} options
 * @param {(card: CardRow) => HTMLElement} options.createCell returns a card's cell, whose first child takes the focus
 * @param {(cells: CardCell[]) => void} options.onDraw called with the new cells
 */
export function cardGrid({ createCell, onDraw }) {
  const space = element("div", { className: "ti-cards-space" });
  const root = element("div", { className: "ti-cards", role: "list", "aria-label": "Embeddings" }, space);
  /** @type {Map<string, Entry>} */
  const cells = new Map();
  /** @type {CardRow[]} */
  let cards = [];
  let total = 0;
  let minWidth = SIZES.medium;
  /** @type {Layout} */
  let layout = { columns: 1, width: minWidth, height: minWidth + TEXT_HEIGHT };
  let current = 0;
  let isScheduled = false;

  const measure = () => {
    const inner = space.clientWidth;
    if (!inner) return false;
    const columns = Math.max(1, Math.floor((inner + GAP) / (minWidth + GAP)));
    const width = Math.floor((inner - GAP * (columns - 1)) / columns);
    if (columns !== layout.columns || width !== layout.width) {
      layout = { columns, width, height: width + TEXT_HEIGHT };
    }
    return true;
  };
  /** Draws the cells in view and nearby. With `onlyInView`, new cells are created only in view. */
  const draw = ({ onlyInView = false } = {}) => {
    const height = root.clientHeight; // read before anything is changed, or the browser lays the page out once more
    const top = root.scrollTop;
    if (!height) return;
    const range = visibleRange({ layout, top, height, overscan: OVERSCAN, count: cards.length });
    const [first, last] = onlyInView ? visibleRange({ layout, top, height, overscan: 0, count: cards.length }) : range;
    /** @type {Map<string, number>} */
    const indices = new Map();
    for (let index = range[0]; index < range[1]; index++) indices.set(cards[index].id, index);
    removeCellsOutside(indices);
    const created = [];
    for (const [id, index] of indices) {
      let entry = cells.get(id);
      if (!entry) {
        if (index < first || index >= last) continue;
        entry = { card: cards[index], cell: createCell(cards[index]) };
        cells.set(id, entry);
        created.push(entry);
      }
      place(entry, index);
    }
    const rows = Math.ceil(total / layout.columns);
    const all = `${Math.max(0, rows * (layout.height + GAP) - GAP)}px`;
    if (space.style.height !== all) space.style.height = all;
    if (created.length) onDraw(created);
  };
  /** @param {Map<string, number>} indices of the cards to keep, by id */
  const removeCellsOutside = (indices) => {
    for (const [id, { cell, card }] of cells) {
      const index = indices.get(id);
      const isInRange = index !== undefined && cards[index] === card;
      if (isInRange || (cell.contains(document.activeElement) && cards.includes(card))) continue;
      cell.remove();
      cells.delete(id);
    }
  };
  /** @param {{ onlyInView?: boolean }} [options] */
  const measureAndDraw = (options) => {
    if (measure()) draw(options);
  };
  /**
   * @param {Entry} entry
   * @param {number} index
   */
  const place = (entry, index) => {
    const { cell } = entry;
    mainOf(cell).tabIndex = index === current ? 0 : -1;
    if (entry.index === index && entry.layout === layout && entry.total === total) return;
    Object.assign(entry, { index, layout, total });
    const column = index % layout.columns;
    Object.assign(cell.style, {
      left: `${column * (layout.width + GAP)}px`,
      top: `${Math.floor(index / layout.columns) * (layout.height + GAP)}px`,
      width: `${layout.width}px`,
      height: `${layout.height}px`,
    });
    cell.setAttribute("aria-posinset", String(index + 1));
    cell.setAttribute("aria-setsize", String(total));
    if (cell.parentElement !== space) space.append(cell);
  };
  const drawSoon = () => {
    if (isScheduled) return;
    isScheduled = true;
    requestAnimationFrame(() => {
      isScheduled = false;
      draw();
    });
  };

  /**
   * Shows cards.
   *
   * @param {CardRow[]} newCards
   * @param {number} [finalCount] their number once all are loaded
   * @param {{ fromTop?: boolean }} [options]
   */
  const show = (newCards, finalCount = newCards.length, { fromTop = false } = {}) => {
    cards = newCards;
    total = finalCount;
    if (fromTop) root.scrollTop = 0;
    current = fromTop ? 0 : Math.min(current, Math.max(0, cards.length - 1));
    const hadFocus = root.contains(document.activeElement);
    measureAndDraw({ onlyInView: true });
    requestAnimationFrame(() => setTimeout(draw)); // those nearby, after the browser has painted those in view
    if (hadFocus && !root.contains(document.activeElement)) focus(current);
  };
  /** @param {string} size a name of SIZES */
  const resize = (size) => {
    minWidth = SIZES[size] ?? SIZES.medium;
    measureAndDraw();
  };
  /**
   * Scrolls to the card of an index and moves the focus to it.
   *
   * @param {number} index
   */
  const focus = (index) => {
    if (cards.length === 0) return;
    current = Math.max(0, Math.min(index, cards.length - 1));
    const top = Math.floor(current / layout.columns) * (layout.height + GAP);
    const bottom = top + layout.height;
    if (top < root.scrollTop) root.scrollTop = top;
    else if (bottom > root.scrollTop + root.clientHeight) root.scrollTop = bottom - root.clientHeight;
    draw();
    const entry = cells.get(cards[current].id);
    if (entry) mainOf(entry.cell).focus({ preventScroll: true });
  };
  const page = () => layout.columns * Math.max(1, Math.floor(root.clientHeight / layout.height));
  /** @type {Record<string, () => number>} */
  const moves = {
    ArrowRight: () => 1,
    ArrowLeft: () => -1,
    ArrowDown: () => layout.columns,
    ArrowUp: () => -layout.columns,
    PageDown: page,
    PageUp: () => -page(),
    Home: () => -cards.length,
    End: () => cards.length,
  };
  root.addEventListener("keydown", (event) => {
    if (!Object.hasOwn(moves, event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const by = moves[event.key]();
    if (Math.abs(by) === layout.columns && !cards[current + by]) return;
    focus(current + by);
  });
  root.addEventListener("focusin", ({ target }) => {
    const id = closest(target, ".ti-card-cell")?.dataset.id;
    const index = cards.findIndex((card) => card.id === id);
    if (index >= 0) current = index;
  });
  root.addEventListener("scroll", drawSoon, { passive: true });
  new ResizeObserver(() => measureAndDraw()).observe(root);
  return { root, show, resize, focus, cells: () => [...cells.values()] };
}

/**
 * Returns the range of the cards in view: the index of the first, and that after the last.
 *
 * @param {object} view
 * @param {Layout} view.layout
 * @param {number} view.top pixels that are scrolled away
 * @param {number} view.height of the grid, in pixels
 * @param {number} view.overscan part of the height above and below that counts as in view
 * @param {number} view.count of the cards
 * @returns {[number, number]}
 */
export function visibleRange({ layout, top, height, overscan, count }) {
  const row = layout.height + GAP;
  const first = Math.max(0, Math.floor((top - height * overscan) / row));
  const last = Math.ceil((top + height * (1 + overscan)) / row);
  return [first * layout.columns, Math.min(count, last * layout.columns)];
}

/**
 * Returns the part of a cell that takes the focus.
 *
 * @param {HTMLElement} cell
 */
function mainOf(cell) {
  return /** @type {HTMLElement} */ (cell.firstElementChild);
}
