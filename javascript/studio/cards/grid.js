// cards_grid.js – a grid of any number of cards, of which the page has only those that are in sight, or nearly.

import { element } from "../lib/dom.js";

const GAP = 8;
const TEXT = 80; // pixels below a card's picture
const SIZES = { small: 104, medium: 136, large: 188 };
const NEARLY = 0.6; // of the grid's height, above and below

/**
 * Returns `{ root, show, resize, focus, cells }`.
 *
 * `make(card)` returns a card's cell, whose first child takes the focus; `onDraw(cells)` is called with those that have come.
 */
export function cardGrid({ make, onDraw }) {
  const space = element("div", { className: "ti-cards-space" });
  const root = element("div", { className: "ti-cards", role: "list", "aria-label": "Embeddings" }, space);
  const cells = new Map();
  let cards = [];
  let total = 0;
  let least = SIZES.medium;
  let grid = { columns: 1, width: least, height: least + TEXT };
  let current = 0;
  let waiting = false;

  const measure = () => {
    const inner = space.clientWidth;
    if (!inner) return false;
    const columns = Math.max(1, Math.floor((inner + GAP) / (least + GAP)));
    const width = Math.floor((inner - GAP * (columns - 1)) / columns);
    if (columns !== grid.columns || width !== grid.width) grid = { columns, width, height: width + TEXT };
    return true;
  };
  /** Returns from which card to which those are that are in sight, and `nearly` of the grid's height above and below. */
  const inSight = (top, height, nearly) => {
    const row = grid.height + GAP;
    const first = Math.max(0, Math.floor((top - height * nearly) / row));
    const last = Math.ceil((top + height * (1 + nearly)) / row);
    return [first * grid.columns, Math.min(cards.length, last * grid.columns)];
  };
  /** Draws the cards that are nearly in sight; with `atOnce`, of those that are not there yet only what is in sight. */
  const draw = ({ atOnce = false } = {}) => {
    const height = root.clientHeight; // before anything is changed: the page would have to be laid out for it
    const top = root.scrollTop;
    if (!height) return;
    const [from, to] = inSight(top, height, NEARLY);
    const [first, last] = atOnce ? inSight(top, height, 0) : [from, to];
    const wanted = new Map();
    for (let index = from; index < to; index++) wanted.set(cards[index].id, index);
    for (const [id, { cell, card }] of cells) {
      const keeps = cards[wanted.get(id)] === card || (cell.contains(document.activeElement) && cards.includes(card));
      if (keeps) continue;
      cell.remove();
      cells.delete(id);
    }
    const fresh = [];
    for (const [id, index] of wanted) {
      if (!cells.has(id)) {
        if (index < first || index >= last) continue;
        cells.set(id, { card: cards[index], cell: make(cards[index]) });
        fresh.push(cells.get(id));
      }
      put(cells.get(id), index);
    }
    const all = `${Math.max(0, Math.ceil(total / grid.columns) * (grid.height + GAP) - GAP)}px`;
    if (space.style.height !== all) space.style.height = all;
    if (fresh.length) onDraw(fresh);
  };
  const layOut = (how) => {
    if (measure()) draw(how);
  };
  const put = (entry, index) => {
    const { cell } = entry;
    cell.firstElementChild.tabIndex = index === current ? 0 : -1;
    if (entry.index === index && entry.grid === grid && entry.total === total) return;
    Object.assign(entry, { index, grid, total });
    const column = index % grid.columns;
    Object.assign(cell.style, {
      left: `${column * (grid.width + GAP)}px`,
      top: `${Math.floor(index / grid.columns) * (grid.height + GAP)}px`,
      width: `${grid.width}px`,
      height: `${grid.height}px`,
    });
    cell.setAttribute("aria-posinset", index + 1);
    cell.setAttribute("aria-setsize", total);
    if (cell.parentElement !== space) space.append(cell);
  };
  const soon = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  };
  const indexOf = (id) => cards.findIndex((card) => card.id === id);

  /** Shows cards; `all` is how many there will be when the rest has come. */
  const show = (newCards, all = newCards.length, { fromTop = false } = {}) => {
    cards = newCards;
    total = all;
    if (fromTop) root.scrollTop = 0;
    current = fromTop ? 0 : Math.min(current, Math.max(0, cards.length - 1));
    const hadFocus = root.contains(document.activeElement);
    layOut({ atOnce: true });
    requestAnimationFrame(() => setTimeout(draw)); // the rest when what is in sight is on the screen
    if (hadFocus && !root.contains(document.activeElement)) focus(current);
  };
  const resize = (size) => {
    least = SIZES[size] ?? SIZES.medium;
    layOut();
  };
  /** Moves the focus to the card of an index, and brings it into sight. */
  const focus = (index) => {
    if (cards.length === 0) return;
    current = Math.max(0, Math.min(index, cards.length - 1));
    const top = Math.floor(current / grid.columns) * (grid.height + GAP);
    if (top < root.scrollTop) root.scrollTop = top;
    else if (top + grid.height > root.scrollTop + root.clientHeight) root.scrollTop = top + grid.height - root.clientHeight;
    draw();
    cells.get(cards[current].id)?.cell.firstElementChild.focus({ preventScroll: true });
  };
  const moves = {
    ArrowRight: () => 1,
    ArrowLeft: () => -1,
    ArrowDown: () => grid.columns,
    ArrowUp: () => -grid.columns,
    PageDown: () => grid.columns * Math.max(1, Math.floor(root.clientHeight / grid.height)),
    PageUp: () => -moves.PageDown(),
    Home: () => -cards.length,
    End: () => cards.length,
  };
  root.addEventListener("keydown", (event) => {
    if (!Object.hasOwn(moves, event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const by = moves[event.key]();
    if (Math.abs(by) === grid.columns && !cards[current + by]) return;
    focus(current + by);
  });
  root.addEventListener("focusin", ({ target }) => {
    const index = indexOf(target.closest(".ti-card-cell")?.dataset.id);
    if (index >= 0) current = index;
  });
  root.addEventListener("scroll", soon, { passive: true });
  new ResizeObserver(() => layOut()).observe(root);
  return { root, show, resize, focus, cells: () => [...cells.values()] };
}
