// cards_changes.js – what can be done to an embedding's files, and how each is undone.

import { call } from "../lib/api.js";

const route = (id, what = "") => `embeddings/${id}${what && `/${what}`}`;

/** Moves an embedding to the trash; returns how to bring it back. */
export async function remove(card) {
  const { id } = await call(route(card.id), { method: "DELETE" });
  return () => call(`trash/${id}/restore`, { method: "POST" });
}

/** Copies an embedding; returns the copy and how to take it away. */
export async function duplicate(card) {
  const copy = await call(route(card.id, "duplicate"), { method: "POST", body: {} });
  return { copy, undo: () => remove(copy) };
}

/** Replaces the preview by a Blob, or takes it away (null); returns how to get the old one back. */
export async function setPreview(id, content) {
  const asked = content ? { method: "PUT", content } : { method: "DELETE" };
  const { trash } = await call(route(id, "preview"), asked);
  return () => call(route(id, "preview/restore"), { method: "POST", body: { trash } });
}

/**
 * Writes what is different in `wanted` (fields of a card, `word`, `folder`); returns the embedding as it is then, and how
 * to undo it all. Where one part fails, what was done before it is undone.
 */
export async function write(details, wanted) {
  const steps = stepsOf(details, wanted);
  const done = [];
  let now = details;
  try {
    for (const [what, body, before] of steps) {
      now = await call(route(now.id, what), { method: what ? "POST" : "PATCH", body });
      done.unshift([what, before]);
    }
  } catch (error) {
    await undoAll(now.id, done);
    throw error;
  }
  return { now, undo: () => undoAll(now.id, done) };
}

async function undoAll(id, done) {
  let now = id;
  for (const [what, body] of done) {
    ({ id: now } = await call(route(now, what), { method: what ? "POST" : "PATCH", body }));
  }
}

/** Returns the requests that are needed, each with its route, body, and the body that takes it back. */
function stepsOf(details, { word, folder, ...fields }) {
  const differs = (name) => JSON.stringify(fields[name]) !== JSON.stringify(details[name] ?? blank(name));
  const changed = Object.keys(fields).filter(differs);
  const values = (from) => Object.fromEntries(changed.map((name) => [name, from[name] ?? blank(name)]));
  const steps = [];
  if (changed.length) steps.push(["", values(fields), values(details)]);
  if (word !== details.word) steps.push(["rename", { name: word }, { name: details.word }]);
  if (folder !== details.folder) steps.push(["move", { folder }, { folder: details.folder }]);
  return steps;
}

/** No preferred weight is written as 0. */
function blank(name) {
  return name === "preferred_weight" ? 0 : null;
}
