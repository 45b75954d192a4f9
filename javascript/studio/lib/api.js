// api.js – talks to the routes under /ti/.

/** `/ti/`, wherever the page is mounted: this file is served from `/ti/static/<version>/studio/lib/`. */
const ROOT = new URL("../../../../", import.meta.url);
/** What a web server in between answers for one that is gone. */
const GONE = [502, 503, 504];

/** Returns the address of a route or picture. */
export function address(path) {
  return new URL(path, ROOT).href;
}

/**
 * Calls a route and returns its JSON. Throws an Error whose message can be shown, with a cause if no server answered.
 *
 * What is sent is JSON (`body`) or, for a picture, a Blob (`content`).
 */
export async function call(path, { method = "GET", signal, body: sent, content } = {}) {
  const headers = sent ? { "Content-Type": "application/json" } : {};
  const response = await ask(path, { method, signal, headers, body: sent ? JSON.stringify(sent) : content });
  return response.status === 204 ? null : await bodyOf(response);
}

/** Calls a route and returns `{ tag, body }`; null if the answer is still the one with this tag. */
export async function callTagged(path, known = null) {
  const response = await ask(path, {});
  const tag = response.headers.get("etag");
  if (known && tag === known) return null;
  return { tag, body: await bodyOf(response) };
}

async function ask(path, { headers, ...options }) {
  try {
    return await fetch(address(path), { headers: { Accept: "application/json", ...headers }, ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. It may have been stopped.", { cause: error });
  }
}

async function bodyOf(response) {
  const body = await response.json().catch(() => ({}));
  if (!response.ok) {
    const isGone = body.detail === undefined && GONE.includes(response.status);
    throw new Error(String(body.detail ?? `The server answered ${response.status}.`), isGone ? { cause: response } : {});
  }
  return body;
}
