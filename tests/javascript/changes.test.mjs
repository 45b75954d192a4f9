// Changes to an embedding's files, and their undoing.

import assert from "node:assert/strict";
import { test } from "node:test";
import { moveToTrash, setPreview, stepsOf, write } from "../../javascript/studio/cards/changes.js";
import { fakeServer } from "./fake_server.mjs";

const DETAILS = { id: "1", word: "cat", folder: "", description: "old", tags: ["a"], preferred_weight: null };
const EDIT = { word: "cat", folder: "", description: "old", tags: ["a"], preferred_weight: 0 };

test("an unchanged card needs no request", async (context) => {
  const requests = fakeServer(context, () => ({}));
  const { saved } = await write(DETAILS, EDIT);
  assert.equal(saved, DETAILS);
  assert.deepEqual(requests, []);
});

test("only the fields that differ are sent", () => {
  assert.deepEqual(stepsOf(DETAILS, { ...EDIT, tags: ["a", "b"], preferred_weight: 0.8 }), [
    { path: "", body: { tags: ["a", "b"], preferred_weight: 0.8 }, undoBody: { tags: ["a"], preferred_weight: 0 } },
  ]);
});

test("renaming and moving use the new id, and are undone in the opposite order", async (context) => {
  let id = 1;
  const requests = fakeServer(context, () => ({ id: String(++id) }));
  const { undo } = await write(DETAILS, { ...EDIT, word: "tom", folder: "zoo" });
  await undo();
  assert.deepEqual(requests, [
    { method: "POST", path: "embeddings/1/rename", body: { name: "tom" } },
    { method: "POST", path: "embeddings/2/move", body: { folder: "zoo" } },
    { method: "POST", path: "embeddings/3/move", body: { folder: "" } },
    { method: "POST", path: "embeddings/4/rename", body: { name: "cat" } },
  ]);
});

test("where one request fails, those before it are undone", async (context) => {
  const requests = fakeServer(context, ({ path }) =>
    path.endsWith("rename") ? new Response(JSON.stringify({ detail: "taken" }), { status: 409 }) : { id: "1" },
  );
  await assert.rejects(write(DETAILS, { ...EDIT, description: "new", word: "tom" }), { message: "taken" });
  assert.deepEqual(requests.at(-1), { method: "PATCH", path: "embeddings/1", body: { description: "old" } });
  assert.equal(requests.length, 3);
});

test("a deleted embedding is restored from the trash", async (context) => {
  const requests = fakeServer(context, () => ({ id: "t9" }));
  const undo = await moveToTrash({ id: "1" });
  await undo();
  assert.deepEqual(
    requests.map(({ method, path }) => `${method} ${path}`),
    ["DELETE embeddings/1", "POST trash/t9/restore"],
  );
});

test("a preview is replaced or removed, and the old one restored", async (context) => {
  const requests = fakeServer(context, () => ({ trash: "t1" }));
  const undo = await setPreview("1", new Blob(["picture"]));
  await undo();
  await setPreview("1", null);
  assert.deepEqual(
    requests.map(({ method, path }) => `${method} ${path}`),
    ["PUT embeddings/1/preview", "POST embeddings/1/preview/restore", "DELETE embeddings/1/preview"],
  );
  assert.deepEqual(requests[1].body, { trash: "t1" });
});
