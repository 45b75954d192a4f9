// Loading of the library's cards, and the names that prompts have for them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { cardLibrary, problemOf, promptName } from "../../javascript/studio/lib/library.js";
import { fakeServer } from "./fake_server.mjs";

const QUERY = { sort: "path", descending: false, folder: "", fits: false };
const answerOf = (cards) => ({ folder: "/e", checkpoint: null, all: cards, total: cards, offset: 0, cards: [] });

test("the first cards are published before all", async (context) => {
  const requests = fakeServer(context, () => answerOf(3));
  const library = cardLibrary();
  const published = [];
  library.subscribe(({ complete }) => published.push(complete));
  await library.load(QUERY);
  assert.deepEqual(published, [false, true]);
  assert.equal(requests[0].path, "cards?sort=path&descending=false&folder=&fits=false&limit=100");
  assert.equal(requests.length, 2);
});

test("the first cards are not requested once all are there", async (context) => {
  const requests = fakeServer(context, () => answerOf(3));
  const library = cardLibrary();
  await library.load();
  await library.load(QUERY);
  assert.deepEqual(new Set(requests.map(({ path }) => path)), new Set(["cards?limit=100000"]));
});

test("nothing is published where the server has nothing new", async (context) => {
  fakeServer(context, () => new Response(JSON.stringify(answerOf(3)), { headers: { etag: '"a"' } }));
  const library = cardLibrary();
  let published = 0;
  library.subscribe(() => {
    published += 1;
  });
  await library.load();
  await library.load();
  assert.equal(published, 1);
});

test("calls during a request share one later request, whose answer they get", async (context) => {
  let count = 0;
  const requests = fakeServer(context, () => answerOf(++count));
  const library = cardLibrary();
  const first = library.load();
  const later = [library.load(), library.load(), library.load()];
  await first;
  await Promise.all(later);
  assert.equal(requests.length, 2);
  assert.equal(library.get().all, 2);
});

test("a failed request does not stop the later one", async (context) => {
  let count = 0;
  fakeServer(context, () => (++count === 1 ? new Response("", { status: 500 }) : answerOf(9)));
  const library = cardLibrary();
  const first = library.load();
  const second = library.load();
  await assert.rejects(first);
  await second;
  assert.equal(library.get().all, 9);
});

test("a word that another file has is called by its file", () => {
  assert.equal(promptName({ word: "cat", file: "zoo/cat.pt" }), "cat");
  assert.equal(promptName({ word: "cat", file: "zoo/cat.pt", conflict: "cat.pt" }), "zoo/cat.pt");
});

test("a card's problem has its reason", () => {
  assert.equal(problemOf({}), null);
  assert.equal(problemOf({ state: "usable" }), null);
  assert.equal(problemOf({ state: "unreadable", reason: "no header" }), "Unreadable: no header");
  assert.equal(problemOf({ state: "incompatible", reason: "768 wide" }), "Does not fit: 768 wide");
  assert.equal(problemOf({ conflict: "cat.pt" }), "The word is taken by cat.pt");
});
