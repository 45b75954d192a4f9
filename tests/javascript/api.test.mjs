// Calls of the server's routes, and their errors.

import assert from "node:assert/strict";
import { test } from "node:test";
import { call, callTagged, isAbort } from "../../javascript/studio/lib/api.js";
import { fakeServer } from "./fake_server.mjs";

const isErrorWithoutCause = (message) => (error) => error.message === message && error.cause === undefined;

test("a body is sent as JSON, and the answer is read as JSON", async (context) => {
  const requests = fakeServer(context, () => ({ id: 7 }));
  assert.deepEqual(await call("things", { method: "POST", body: { name: "cat" } }), { id: 7 });
  assert.deepEqual(requests, [{ method: "POST", path: "things", body: { name: "cat" } }]);
});

test("an answer without content is null", async (context) => {
  fakeServer(context, () => new Response(null, { status: 204 }));
  assert.equal(await call("things"), null);
});

test("an error has the server's sentence", async (context) => {
  fakeServer(context, () => new Response(JSON.stringify({ detail: "There is no cat." }), { status: 404 }));
  await assert.rejects(call("things"), isErrorWithoutCause("There is no cat."));
});

test("an error without a sentence has its status", async (context) => {
  fakeServer(context, () => new Response("<html>", { status: 500 }));
  await assert.rejects(call("things"), isErrorWithoutCause("The server answered 500."));
});

test("the error of a server that is gone has a cause, also behind a proxy", async (context) => {
  fakeServer(context, () => {
    throw new TypeError("Failed to fetch");
  });
  await assert.rejects(call("things"), (error) => /does not answer/.test(error.message) && error.cause !== undefined);
  fakeServer(context, () => new Response("Bad Gateway", { status: 502 }));
  await assert.rejects(call("things"), (error) => error.cause !== undefined);
});

test("an aborted request stays an abort", async (context) => {
  fakeServer(context, () => {
    throw new DOMException("aborted", "AbortError");
  });
  await assert.rejects(call("things"), (error) => isAbort(error));
});

test("an answer with the known tag is null", async (context) => {
  fakeServer(context, () => new Response("[1]", { headers: { etag: '"a"' } }));
  assert.deepEqual(await callTagged("cards"), { tag: '"a"', body: [1] });
  assert.equal(await callTagged("cards", '"a"'), null);
  assert.deepEqual(await callTagged("cards", '"b"'), { tag: '"a"', body: [1] });
});
