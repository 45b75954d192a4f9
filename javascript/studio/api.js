// api.js – talks to the routes under /ti/.

/** `/ti/`, wherever the page is mounted: this file is served from `/ti/static/<version>/studio/`. */
const ROOT = new URL("../../../", import.meta.url);

/** Returns the address of a route or picture. */
export function address(path) {
  return new URL(path, ROOT).href;
}

/** Calls a route, with a JSON body if there is one, and returns its JSON. Throws an Error whose message can be shown. */
export async function call(path, { method = "GET", signal, body: sent } = {}) {
  let response;
  const headers = { Accept: "application/json", ...(sent && { "Content-Type": "application/json" }) };
  try {
    response = await fetch(address(path), { method, signal, headers, body: sent && JSON.stringify(sent) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. It may have been stopped.", { cause: error });
  }
  if (response.status === 204) return null;
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(String(body.detail ?? `The server answered ${response.status}.`));
  return body;
}
