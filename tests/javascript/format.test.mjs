// Numbers and times as people read them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { dateTime, duration, fileSize, joined, number, vectorCount } from "../../javascript/studio/lib/format.js";

test("numbers have so many significant digits and no trailing zeros", () => {
  assert.equal(number(0.123456, 3), "0.123");
  assert.equal(number(1234.5, 3), "1230");
  assert.equal(number(2, 4), "2");
  assert.equal(number(0, 3), "0");
});

test("a missing number is a dash", () => {
  assert.equal(number(null, 3), "–");
  assert.equal(number(undefined, 3), "–");
});

test("durations have at most two units", () => {
  for (const [seconds, text] of [
    [0.4, "0 s"],
    [59.4, "59 s"],
    [59.6, "1 min 0 s"],
    [185, "3 min 5 s"],
    [7800, "2 h 10 min"],
  ])
    assert.equal(duration(seconds), text);
});

test("file sizes use decimal units", () => {
  for (const [bytes, text] of [
    [640, "640 B"],
    [1000, "1 kB"],
    [3144, "3.14 kB"],
    [1_234_567, "1.23 MB"],
  ])
    assert.equal(fileSize(bytes), text);
});

test("a date has its year in every locale", () => {
  assert.match(dateTime(1_700_000_000), /2023/);
});

test("vectors are counted in the singular and plural", () => {
  assert.equal(vectorCount(1), "1 vector");
  assert.equal(vectorCount(3), "3 vectors");
  assert.equal(vectorCount(null), null);
});

test("missing parts leave no dot behind", () => {
  assert.equal(joined(["SD 1", null, "2 vectors", undefined, ""]), "SD 1 · 2 vectors");
});
