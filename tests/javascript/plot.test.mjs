// The scales, lines and texts of the loss plot.

import assert from "node:assert/strict";
import { test } from "node:test";
import { linePath, nearestPoint, scalesOf, ticks, valuesAt } from "../../javascript/studio/train/plot.js";

const point = (step, loss, smoothed_loss = loss) => ({ step, loss, smoothed_loss, learning_rate: null });

test("ticks are round numbers inside the range", () => {
  assert.deepEqual(ticks(0, 1, 4), [0, 0.5, 1]);
  assert.deepEqual(ticks(0, 0.1, 4), [0, 0.05, 0.1]);
  assert.deepEqual(ticks(3, 100, 5), [20, 40, 60, 80, 100]);
  assert.deepEqual(ticks(0, 70, 7), [0, 10, 20, 30, 40, 50, 60, 70]);
});

test("there are no more ticks than room for them", () => {
  for (const high of [0.0123, 0.9, 7, 30, 431, 99_999]) assert.ok(ticks(0, high, 4).length <= 5, String(high));
});

test("pixels and steps are each other's inverse", () => {
  const scales = scalesOf([point(10, 0.5), point(110, 0.4)], [], 564);
  assert.equal(scales.x(10), 54);
  assert.equal(scales.x(110), 554);
  assert.equal(scales.stepAt(scales.x(60)), 60);
});

test("the loss axis begins at zero and has room above the smoothed line", () => {
  const scales = scalesOf([point(1, 0.5), point(2, 0.5)], [], 400);
  assert.equal(scales.y(0), 186);
  assert.ok(scales.y(0.5) > 8 && scales.y(0.5) < scales.y(0.4));
});

test("a rare high loss lies at the upper edge and does not flatten the rest", () => {
  const points = Array.from({ length: 100 }, (_, step) => point(step + 1, step === 50 ? 90 : 0.1, 0.1));
  const scales = scalesOf(points, [], 400);
  assert.ok(scales.highest < 1);
  assert.equal(scales.y(90), 8);
});

test("validations stretch both axes", () => {
  const scales = scalesOf([point(5, 0.1), point(9, 0.1)], [{ step: 0, loss: 2 }], 400);
  assert.equal(scales.first, 0);
  assert.ok(scales.highest > 2);
});

test("a plot without points has finite scales", () => {
  const scales = scalesOf([], [], 400);
  assert.ok([scales.x(0), scales.y(0), scales.highest].every(Number.isFinite));
  assert.ok(scales.highest > 0);
});

test("a line begins with a move and goes on with lines", () => {
  const identity = { x: (step) => step, y: (loss) => loss };
  assert.equal(
    linePath(
      [
        [1, 2],
        [3, 4.25],
      ],
      identity,
    ),
    "M1.0 2.0L3.0 4.3",
  );
  assert.equal(linePath([], identity), "");
});

test("the nearest point is the first of two at the same distance", () => {
  const points = [point(1, 0), point(3, 0), point(9, 0)];
  assert.equal(nearestPoint(points, 2).step, 1);
  assert.equal(nearestPoint(points, 7).step, 9);
});

test("the readout has the rate and the last validation where there are any", () => {
  assert.equal(valuesAt(point(3, 0.12345, 0.2)), "step 3 · loss 0.1235 · smoothed 0.2000");
  const withRate = { ...point(3, 0.1, 0.2), learning_rate: 0.0050001 };
  assert.equal(
    valuesAt(withRate, { step: 2, loss: 0.3 }),
    "step 3 · loss 0.1000 · smoothed 0.2000 · rate 0.005 · validated 0.3000 at step 2",
  );
});
