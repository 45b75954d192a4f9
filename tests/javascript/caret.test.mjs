// The position of a character in a text box.

import assert from "node:assert/strict";
import { test } from "node:test";
import { positionOf } from "../../javascript/studio/prompt/caret.js";

const withEdges = (left, top, height = 0) => ({ getBoundingClientRect: () => ({ left, top, height }) });

test("the mark's offset in the copy is added to the text box's position", () => {
  const textarea = { ...withEdges(100, 200), scrollTop: 0 };
  const position = positionOf(textarea, withEdges(10, 20), withEdges(40, 80, 15));
  assert.deepEqual(position, { left: 130, top: 260, bottom: 275 });
});

test("a scrolled text box moves the position up", () => {
  const textarea = { ...withEdges(0, 0), scrollTop: 50 };
  assert.equal(positionOf(textarea, withEdges(0, 0), withEdges(0, 60, 10)).top, 10);
});
