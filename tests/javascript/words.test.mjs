// How words are added to a prompt's text, removed, renamed and completed.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  completions,
  hasWord,
  insertWord,
  promptForm,
  removeWord,
  replaceWord,
  typedName,
} from "../../javascript/studio/prompt/words.js";

const REMOVED = [
  ["cat", "a cat on a mat", "a on a mat"],
  ["cat", "category, catalogue", "category, catalogue"],
  ["cat", "blue-cat, cat.v2, cat_1, cat", "blue-cat, cat.v2, cat_1"],
  ["cat", "cat, dog", "dog"],
  ["cat", "dog, cat, bird", "dog, bird"],
  ["cat", "dog, cat", "dog"],
  ["cat", "a CAT, sitting", "a, sitting"],
  ["cat", "(cat:1.3), dog", "dog"],
  ["cat", "((cat)), dog", "dog"],
  ["cat", "(cat on a mat:1.3)", "(on a mat:1.3)"],
  ["cat", "cat cat cat", ""],
  ["cat", "one line, cat\nnext line", "one line,\nnext line"],
  ["a.b+c", "a.b+c, axb+c", "axb+c"],
  ["$& [x](y)", "red, $& [x](y), blue", "red, blue"],
  ["кот", "синий кот, котёл", "синий, котёл"],
  ["cat", "dog,  spaced   text", "dog,  spaced   text"],
  ["cat", "((cat:1.2), dog:1.1)", "(dog:1.1)"],
  ["cat", "((cat:1.2):1.1), dog", "dog"],
  ["cat", "a \\(cat\\) (cat:-0.5), dog", "a \\(\\), dog"],
  ["cat", "<embedding:cat>, <embedding:zoo/cat:0.8>, dog", "dog"],
  ["cat", "<embedding:cats> embedding:cat, embedding:cats", "<embedding:cats>, embedding:cats"],
  ["my cat", "red, <embedding:my cat:0.8>, blue", "red, blue"],
  ["cat", "red, <embed:zoo/cat>, <embed:cats>", "red, <embed:cats>"],
  ["cat", "red, <embedding:cat.pt>, cat", "red, <embedding:cat.pt>"],
  ["cat.pt", "red, <embedding:cat.pt>, cat", "red, cat"],
];

const INSERTED = [
  ["cat", "", 0, "cat", 3],
  ["cat", "a photo of", 10, "a photo of cat", 14],
  ["cat", "a photo of ", 11, "a photo of cat", 14],
  ["cat", "a photo of on a mat", 11, "a photo of cat on a mat", 14],
  ["cat", "(:1.2)", 1, "(cat:1.2)", 4],
  ["cat", "red, blue", null, "red, blue, cat", 14],
  ["cat", "red,", null, "red, cat", 8],
  ["cat", "", null, "cat", 3],
];

const FORMS = [
  ["cat", null, "cat"],
  ["cat.v2-b", 1, "cat.v2-b"],
  ["cat", 0.8, "(cat:0.8)"],
  ["my cat", null, "<embedding:my cat>"],
  ["cat (fate)", 1.2, "<embedding:cat (fate):1.2>"],
  ["a<b", 0.5, "(a<b:0.5)"],
  ["zoo/cat.pt", null, "<embedding:zoo/cat.pt>"],
  ["cat.safetensors", 0.5, "<embedding:cat.safetensors:0.5>"],
];

const RENAMED = [
  ["a cat, (cat:0.8) and cats", "tom", "a tom, (tom:0.8) and cats"],
  ["<embedding:zoo/cat:0.8>, <embedding:cat>", "my tom", "<embedding:my tom:0.8>, <embedding:my tom>"],
  ["<embed:cat>, (<Embed: zoo/cat :0.8>:1.2)", "my tom", "<embed:my tom>, (<Embed:my tom:0.8>:1.2)"],
  ["embedding:cat, cat", "tom", "embedding:tom, tom"],
  ["(cat:1.2)", "my $& tom", "(<embedding:my $& tom>:1.2)"],
];

test("removing a word leaves longer words alone and tidies the gap", () => {
  for (const [word, text, expected] of REMOVED) assert.equal(removeWord(text, word), expected);
});

test("a prompt has a word if removing it changes the prompt", () => {
  for (const [word, text, expected] of REMOVED) assert.equal(hasWord(text, word), text !== expected, text);
});

test("an inserted word is separated from its neighbours, and the caret is behind it", () => {
  for (const [word, text, caret, expected, after] of INSERTED) {
    assert.deepEqual(insertWord(text, word, caret), { text: expected, caret: after });
  }
});

test("file names and names of several words get a tag, unless a tag can't hold them", () => {
  for (const [word, weight, form] of FORMS) assert.equal(promptForm(word, weight), form);
});

test("a word in each of its forms can be removed again", () => {
  for (const [word, , form] of FORMS) {
    const { text } = insertWord("red, blue", form, 4);
    assert.ok(["red, blue", "red blue"].includes(removeWord(text, word)), text);
  }
});

test("a renamed word keeps its place and weight", () => {
  for (const [text, word, expected] of RENAMED) assert.equal(replaceWord(text, "cat", word), expected);
});

test("a name is completed in each form of the tag", () => {
  for (const text of ["a <embedding:zoo/c", "a <embed:zoo/c"]) {
    const typed = typedName(text, text.length);
    assert.equal(typed.query, "zoo/c");
    assert.equal(typed.replacedBy("cat").text, "a <embedding:cat>");
  }
});

test("a name is completed with ComfyUI's prefix, and as a tag where it is no single word", () => {
  const typed = typedName("a embedding:c", 13);
  assert.equal(typed.query, "c");
  assert.equal(typed.replacedBy("cat").text, "a embedding:cat");
  assert.equal(typed.replacedBy("my cat").text, "a <embedding:my cat>");
});

test("a prompt without tags gets the plain name", () => {
  assert.deepEqual(typedName("red my", 6).replacedBy("my cat", true), { text: "red my cat", caret: 10 });
});

test("the closing bracket of a tag is not doubled", () => {
  assert.deepEqual(typedName("<embedding:c>, red", 12).replacedBy("cat"), { text: "<embedding:cat>, red", caret: 15 });
});

test("no name is typed after one letter, or inside a word", () => {
  assert.equal(typedName("a c", 3), null);
  assert.equal(typedName("red cat", 5), null);
});

test("names that begin with the typed letters come first, then the shorter ones", () => {
  const embeddings = ["tomcat", "catalogue", "cats", "dog"].map((word) => ({ word }));
  const words = completions(embeddings, { query: "Cat" }).map(({ word }) => word);
  assert.deepEqual(words, ["cats", "catalogue", "tomcat"]);
});

test("a whole name is not completed, unless others contain it", () => {
  assert.deepEqual(completions([{ word: "cat" }], { query: "cat" }), []);
  assert.equal(completions([{ word: "cat" }, { word: "cats" }], { query: "cat" }).length, 2);
});
