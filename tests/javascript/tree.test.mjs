// The library's folders.

import assert from "node:assert/strict";
import { test } from "node:test";
import { breadcrumbsOf, folderAt, foldersOf, pathsOf } from "../../javascript/studio/cards/tree.js";

const CARDS = ["a.pt", "zoo/b.pt", "zoo/big/c.pt", "zoo/big/d.pt", "art/e.pt"].map((file) => ({ file }));

test("a folder counts its cards and those below it", () => {
  const top = foldersOf(CARDS);
  assert.equal(top.count, 5);
  assert.equal(folderAt(top, "zoo").count, 3);
  assert.equal(folderAt(top, "zoo/big").count, 2);
});

test("there is a folder only at the paths that cards have", () => {
  const top = foldersOf(CARDS);
  assert.equal(folderAt(top, ""), top);
  assert.equal(folderAt(top, "zoo/small"), undefined);
  assert.equal(folderAt(top, "big"), undefined);
  assert.equal(folderAt(top, "zoo/big/deeper"), undefined);
});

test("folders of one name in different folders are kept apart", () => {
  const top = foldersOf([{ file: "a/x/1.pt" }, { file: "b/x/2.pt" }]);
  assert.equal(folderAt(top, "a/x").count, 1);
  assert.equal(folderAt(top, "b/x").path, "b/x");
});

test("the paths of all folders are listed without the top", () => {
  assert.deepEqual([...pathsOf(foldersOf(CARDS))], ["zoo", "zoo/big", "art"]);
});

test("breadcrumbs lead from the top to the folder", () => {
  assert.deepEqual(breadcrumbsOf(""), [["", "All"]]);
  assert.deepEqual(breadcrumbsOf("zoo/big"), [
    ["", "All"],
    ["zoo", "zoo"],
    ["zoo/big", "big"],
  ]);
});
