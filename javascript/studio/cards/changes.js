// changes.js – changes to an embedding's files, and how each is undone.

/** @import { CardEdit, EmbeddingDetails, PreviewChanged, Undo } from "../lib/types.d.ts" */

import { call } from "../lib/api.js";

/** @typedef {{ path: string, body: object, undoBody: object }} Step a request, and the body that undoes it */

/**
 * @param {string} id
 * @param {string} [path] below the embedding's route
 */
const route = (id, path = "") => `embeddings/${id}${path && `/${path}`}`;

/**
 * Moves an embedding to the trash; returns how to restore it.
 *
 * @param {{ id: string }} card
 * @returns {Promise<Undo>}
 */
export async function moveToTrash(card) {
  const { id } = await call(route(card.id), { method: "DELETE" });
  return () => call(`trash/${id}/restore`, { method: "POST" });
}

/**
 * Copies an embedding; returns the copy, and how to remove it.
 *
 * @param {{ id: string }} card
 * @returns {Promise<{ copy: EmbeddingDetails, undo: Undo }>}
 */
export async function duplicate(card) {
  /** @type {EmbeddingDetails} */
  const copy = await call(route(card.id, "duplicate"), { method: "POST", body: {} });
  return { copy, undo: () => moveToTrash(copy) };
}

/**
 * Replaces the preview, or removes it (null); returns how to restore the old one.
 *
 * @param {string} id
 * @param {Blob | null} content
 * @returns {Promise<Undo>}
 */
export async function setPreview(id, content) {
  const options = content ? { method: "PUT", content } : { method: "DELETE" };
  /** @type {PreviewChanged} */
  const { trash } = await call(route(id, "preview"), options);
  return () => call(route(id, "preview/restore"), { method: "POST", body: { trash } });
}

/**
 * Writes the fields that differ; returns the embedding's new details, and how to undo it all.
 *
 * Where one request fails, those before it are undone.
 *
 * @param {EmbeddingDetails} details
 * @param {CardEdit} edit
 * @returns {Promise<{ saved: EmbeddingDetails, undo: Undo }>}
 */
export async function write(details, edit) {
  /** @type {Step[]} */
  const done = [];
  let saved = details;
  try {
    for (const step of stepsOf(details, edit)) {
      saved = await send(saved.id, step.path, step.body);
      done.unshift(step);
    }
  } catch (error) {
    await undoAll(saved.id, done);
    throw error;
  }
  return { saved, undo: () => undoAll(saved.id, done) };
}

/**
 * @param {string} id
 * @param {string} path
 * @param {object} body
 * @returns {Promise<EmbeddingDetails>}
 */
function send(id, path, body) {
  return call(route(id, path), { method: path ? "POST" : "PATCH", body });
}

/**
 * @param {string} id
 * @param {Step[]} done
 */
async function undoAll(id, done) {
  let current = id; // renaming and moving change it
  for (const { path, undoBody } of done) ({ id: current } = await send(current, path, undoBody));
}

/**
 * Returns the requests that turn an embedding's details into the edited ones.
 *
 * @param {EmbeddingDetails} details
 * @param {CardEdit} edit
 * @returns {Step[]}
 */
export function stepsOf(details, { word, folder, ...edited }) {
  /** @type {Record<string, unknown>} */
  const fields = edited;
  const before = /** @type {Record<string, unknown>} */ (/** @type {unknown} */ (details));
  const changed = Object.keys(fields).filter(
    (name) => JSON.stringify(fields[name]) !== JSON.stringify(before[name] ?? blank(name)),
  );
  /** @param {Record<string, unknown>} from */
  const values = (from) => Object.fromEntries(changed.map((name) => [name, from[name] ?? blank(name)]));
  const steps = [];
  if (changed.length) steps.push({ path: "", body: values(fields), undoBody: values(before) });
  if (word !== details.word) steps.push({ path: "rename", body: { name: word }, undoBody: { name: details.word } });
  if (folder !== details.folder) steps.push({ path: "move", body: { folder }, undoBody: { folder: details.folder } });
  return steps;
}

/**
 * Returns the value that stands for none: 0 for the preferred weight.
 *
 * @param {string} name
 */
function blank(name) {
  return name === "preferred_weight" ? 0 : null;
}
