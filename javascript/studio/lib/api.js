// api.js – calls the routes below /ti/.

/** `/ti/`, wherever the page is mounted: this file is served from `/ti/static/<version>/studio/lib/`. */
const ROOT = new URL("../../../../", import.meta.url);
/** How a reverse proxy answers for a server that is gone. */
const GONE = [502, 503, 504];

/**
 * Returns the address of a route or picture.
 *
 * @param {string} path below `/ti/`
 */
export function address(path) {
  return new URL(path, ROOT).href;
}

/**
 * @typedef {object} CallOptions
 * @property {string} [method]
 * @property {AbortSignal} [signal]
 * @property {unknown} [body] sent as JSON
 * @property {Blob} [content] a picture, sent as it is
 */

/**
 * Calls a route and returns its JSON, null where there is none.
 *
 * Throws an Error whose message can be shown. It has a cause if no server answered.
 *
 * @param {string} path
 * @param {CallOptions} [options]
 * @returns {Promise<any>} one of the shapes in types.d.ts
 */
export async function call(path, { method = "GET", signal, body, content } = {}) {
  /** @type {Record<string, string>} */
  const headers = body ? { "Content-Type": "application/json" } : {};
  const response = await request(path, { method, signal, headers, body: body ? JSON.stringify(body) : content });
  return response.status === 204 ? null : await bodyOf(response);
}

/**
 * Calls a route and returns `{ tag, body }`; null if the answer still has this tag.
 *
 * @param {string} path
 * @param {string | null} [knownTag]
 * @returns {Promise<{ tag: string | null, body: any } | null>}
 */
export async function callTagged(path, knownTag = null) {
  const response = await request(path, {});
  const tag = response.headers.get("etag");
  if (knownTag && tag === knownTag) return null;
  return { tag, body: await bodyOf(response) };
}

/**
 * @param {string} path
 * @param {RequestInit} options
 */
async function request(path, { headers, ...options }) {
  try {
    return await fetch(address(path), { headers: { Accept: "application/json", ...headers }, ...options });
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new Error("The server does not answer. It may have been stopped.", { cause: error });
  }
}

/** @param {Response} response */
async function bodyOf(response) {
  const body = await response.json().catch(() => ({}));
  if (!response.ok) {
    const isGone = body.detail === undefined && GONE.includes(response.status);
    const options = isGone ? { cause: response } : {};
    throw new Error(String(body.detail ?? `The server answered ${response.status}.`), options);
  }
  return body;
}

/**
 * Returns whether a request failed because it was aborted.
 *
 * @param {unknown} error
 */
export function isAbort(error) {
  return error instanceof Error && error.name === "AbortError";
}

/**
 * Returns an error's message.
 *
 * @param {unknown} error
 */
export function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}
