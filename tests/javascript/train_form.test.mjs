// The Train form's stored values, and their comparison with a preset.

import assert from "node:assert/strict";
import { test } from "node:test";
import { changedFields, validValues } from "../../javascript/studio/train/form.js";

const FORM = { name: "", steps: 100, rate: 1, preset: "Default", preset_of: "a.safetensors" };
const RECALL = { form: FORM, presets: ["Default", "Style"], decided: ["steps", "rate"] };

test("stored values of fields that the form no longer has are left out", () => {
  assert.deepEqual(validValues({ name: "cat", gone: 1, preset_of: FORM.preset_of }, RECALL), {
    name: "cat",
    preset_of: FORM.preset_of,
  });
});

test("an unknown preset is left out, and its values stay", () => {
  const stored = { steps: 5, preset: "Removed", preset_of: FORM.preset_of };
  assert.deepEqual(validValues(stored, RECALL), { steps: 5, preset_of: FORM.preset_of });
});

test("the values of another checkpoint's preset are left out", () => {
  const stored = { name: "cat", steps: 5, rate: 2, preset: "Style", preset_of: "b.safetensors" };
  assert.deepEqual(validValues(stored, RECALL), { name: "cat" });
  assert.equal(stored.steps, 5);
});

test("changed fields are named with spaces", () => {
  const preset = { values: { max_steps: 9, lists: ["a", "b"], text: "x", absent: 1, none: null }, suggested: ["text"] };
  const form = { max_steps: 10, lists: "a\nb", text: "y", none: "" };
  assert.deepEqual(changedFields(form, preset), ["max steps"]);
});

test("numbers are compared with the text of their field", () => {
  assert.deepEqual(changedFields({ rate: "0.005" }, { values: { rate: 0.005 }, suggested: [] }), []);
});
