// fake_server.mjs – stands in for the server: answers `fetch` by a function, and records the requests.

// What lib/api.js has for `/ti/` in the repository: four folders above it.
const ROOT = new URL("../../../../", new URL("../../javascript/studio/lib/api.js", import.meta.url)).href;

/**
 * Replaces `fetch` until the test ends; returns the requests as `{ method, path, body }`, in their order.
 *
 * `answer(request)` returns JSON, or a Response.
 */
export function fakeServer(test, answer) {
  const requests = [];
  test.mock.method(globalThis, "fetch", async (address, { method = "GET", body } = {}) => {
    const path = String(address).slice(ROOT.length);
    const request = { method, path, body: typeof body === "string" ? JSON.parse(body) : body };
    requests.push(request);
    const answered = await answer(request);
    return answered instanceof Response ? answered : new Response(JSON.stringify(answered));
  });
  return requests;
}
