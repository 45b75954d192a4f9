// Texts of the cards, the card editor and the monitor.

import assert from "node:assert/strict";
import { test } from "node:test";
import { detailsOf } from "../../javascript/studio/cards/card.js";
import { summary as cardSummary } from "../../javascript/studio/cards/cards.js";
import { factsOf } from "../../javascript/studio/cards/details.js";
import { tagsOf } from "../../javascript/studio/cards/form.js";
import { visibleRange } from "../../javascript/studio/cards/grid.js";
import { progressOf, stateOf } from "../../javascript/studio/train/monitor.js";
import { summary as suggestionSummary } from "../../javascript/studio/train/suggestions.js";

const CARD = { id: "1", word: "cat", file: "cat.pt", size: 640, modified: 0, created: 0 };
const LIBRARY = { folder: "/e", checkpoint: null, all: 9, total: 4, offset: 0, cards: [], complete: true };

test("a card has its vectors, step and weight below its word", () => {
  assert.equal(detailsOf({ vectors: 2, step: 300, weight: 0.8 }), "2 vectors · step 300 · × 0.8");
  assert.equal(detailsOf({}), "");
});

test("facts without a value are left out", () => {
  const names = factsOf(CARD, null).map(([name]) => name);
  assert.deepEqual(names, ["Size", "Modified", "File"]);
});

test("a renamed embedding has the word that it was trained as", () => {
  const trainedAs = (trigger) => Object.fromEntries(factsOf(CARD, { trigger }))["Trained as"];
  assert.equal(trainedAs("tom"), "tom");
  assert.equal(trainedAs("cat"), undefined);
});

test("the note beside the search box counts the cards", () => {
  assert.equal(cardSummary(LIBRARY, 3), "3 of 9");
  assert.equal(cardSummary(LIBRARY, 0), "None of 9 embeddings matches.");
  assert.equal(cardSummary({ ...LIBRARY, complete: false }, 3), "4 of 9 …");
  assert.match(cardSummary({ ...LIBRARY, all: 0 }, 0), /No embeddings yet.* into \/e$/);
});

test("tags are separated by commas, and each is there once", () => {
  assert.deepEqual(tagsOf(" red, cat ,,red"), ["red", "cat"]);
  assert.deepEqual(tagsOf(""), []);
});

test("a grid shows the rows in view, and more with overscan", () => {
  const view = { layout: { columns: 3, width: 100, height: 92 }, height: 200, count: 1000 };
  assert.deepEqual(visibleRange({ ...view, top: 0, overscan: 0 }), [0, 6]);
  assert.deepEqual(visibleRange({ ...view, top: 1050, overscan: 0 }), [30, 39]);
  assert.deepEqual(visibleRange({ ...view, top: 1050, overscan: 0.5 }), [27, 42]);
  assert.deepEqual(visibleRange({ ...view, top: 0, overscan: 0, count: 4 }), [0, 4]);
});

test("a running training without a step is preparing", () => {
  assert.equal(stateOf({ status: "running", step: 0 }), "preparing");
  assert.equal(stateOf({ status: "running", step: 1 }), "running");
  assert.equal(progressOf({ status: "running", step: 0, message: "Encoding" }), "Encoding");
});

test("the progress has the time that is left, and the time that it took", () => {
  const running = { status: "running", step: 3, max_steps: 9, seconds_left: 60, elapsed: 30 };
  assert.equal(progressOf(running), "Step 3 / 9 · 1 min 0 s left · 30 s so far");
  assert.equal(progressOf({ ...running, status: "finished" }), "Step 3 / 9 · took 30 s");
  assert.match(progressOf({ status: "queued", queue_position: 2 }), /^Waits as number 2;/);
});

test("suggestions are summed up with the present text's loss", () => {
  const best = [{ text: "cat", loss: 0.1 }];
  assert.equal(suggestionSummary({ best, current: null, complete: true }), "Less loss fits better.");
  assert.equal(
    suggestionSummary({ best: [], current: { text: "x", loss: null }, complete: false }),
    "The vocabulary has no words to suggest. The present text: no number. The time did not suffice to try everything.",
  );
});
