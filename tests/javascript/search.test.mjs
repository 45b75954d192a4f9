// Filtering and sorting of the cards.

import assert from "node:assert/strict";
import { test } from "node:test";
import { cardSearch, naturalKey } from "../../javascript/studio/cards/search.js";

const OPTIONS = { sort: "path", descending: false, folder: "", fits: false };

const card = (file, more = {}) => {
  const word = file
    .split("/")
    .at(-1)
    .replace(/\.\w+$/, "");
  return { id: file, word, file, size: 1, modified: 0, created: 0, ...more };
};
const search = (cards, text, options = {}) => {
  const matches = cardSearch(cards)(text, { ...OPTIONS, ...options });
  return matches.map(({ word }) => word);
};

test("numbers in names sort by value, and case is ignored", () => {
  assert.deepEqual(search([card("cat10.pt"), card("Cat9.pt"), card("cat2.pt")], ""), ["cat2", "Cat9", "cat10"]);
  assert.equal(naturalKey("Cat7"), naturalKey("cat007"));
});

test("each order can be reversed, and equal cards follow their paths", () => {
  const cards = [card("b.pt", { created: 1 }), card("a.pt", { created: 1 }), card("c.pt", { created: 9 })];
  assert.deepEqual(search(cards, "", { sort: "created" }), ["a", "b", "c"]);
  assert.deepEqual(search(cards, "", { sort: "created", descending: true }), ["c", "b", "a"]);
});

test("cards that were never used come first in the order of their use", () => {
  const cards = [card("b.pt", { used: 5 }), card("a.pt", { used: 3 }), card("c.pt")];
  assert.deepEqual(search(cards, "", { sort: "used" }), ["c", "a", "b"]);
});

test("a folder includes those below it and none of a similar name", () => {
  const cards = [card("a.pt"), card("zoo/b.pt"), card("zoo/big/c.pt"), card("zoology/d.pt")];
  assert.deepEqual(search(cards, "", { folder: "zoo" }).sort(), ["b", "c"]);
});

test("cards that do not fit the checkpoint can be left out", () => {
  const cards = [card("a.pt", { state: "incompatible" }), card("b.pt"), card("c.pt", { state: "usable" })];
  assert.deepEqual(search(cards, "", { fits: true }), ["b", "c"]);
});

test("the word counts most, then tags, the folder and the description", () => {
  const cards = [
    card("1-description.pt", { description: "with a cat" }),
    card("cat/2-folder.pt"),
    card("3-part-of-a-tag.pt", { tags: ["bobcat"] }),
    card("4-tag.pt", { tags: ["Cat"] }),
    card("5bobcat.pt"),
    card("6-my-cat.pt"),
    card("cat-7.pt"),
    card("cat.pt"),
  ];
  const words = search(cards, "cat");
  const expected = ["cat", "cat-7", "6-my-cat", "5bobcat", "4-tag", "3-part-of-a-tag", "2-folder", "1-description"];
  assert.deepEqual(words, expected);
});

test("every term has to match", () => {
  const cards = [card("red-cat.pt"), card("red-dog.pt"), card("cat.pt", { tags: ["red"] })];
  assert.deepEqual(search(cards, "red CAT"), ["cat", "red-cat"]);
});

test("one letter too many, too few, wrong or transposed is forgiven", () => {
  for (const text of ["zebbra", "zbra", "zebea", "zbera"]) {
    assert.deepEqual(search([card("zebra.pt"), card("horse.pt")], text), ["zebra"], text);
  }
});

test("two wrong letters are not forgiven, and none in a short term", () => {
  assert.deepEqual(search([card("zebra.pt")], "zexxa"), []);
  assert.deepEqual(search([card("cat.pt")], "czt"), []);
});

test("letters may be left out between those of a term", () => {
  assert.deepEqual(search([card("blue-cat.pt")], "bluct"), ["blue-cat"]);
});

test("exact matches come before similar ones", () => {
  assert.deepEqual(search([card("a-zebre.pt"), card("b-zebra.pt")], "zebra"), ["b-zebra", "a-zebre"]);
});

test("many exact matches leave no room for similar ones", () => {
  const cards = Array.from({ length: 40 }, (_, number) => card(`zebra-${number}.pt`));
  assert.equal(search([...cards, card("zebre.pt")], "zebra").length, 40);
});

test("what is typed is no pattern", () => {
  assert.deepEqual(search([card("a+b (c).pt"), card("aab.pt")], "a+b"), ["a+b (c)"]);
  assert.deepEqual(search([card("cat.pt")], "(((("), []);
});
