// trash.js – the dialog of the deleted files, which can be restored.

/** @import { TrashedView } from "../lib/types.d.ts" */

import { call, messageOf } from "../lib/api.js";
import { closest, element, setText } from "../lib/dom.js";
import { dateTime } from "../lib/format.js";

/**
 * Returns `{ open }`.
 *
 * @param {{ onChange: () => unknown }} options `onChange` is called when something was restored
 */
export function trashDialog({ onChange }) {
  const list = element("ul", { className: "ti-trash-list" });
  const problem = element("p", { className: "ti-problem", role: "alert" });
  const empty = element("button", { type: "button", className: "ti-button", textContent: "Empty the trash" });
  const close = element("button", { type: "button", className: "ti-button", textContent: "Close" });
  const heading = element("h2", { className: "ti-editor-title", textContent: "Trash" });
  const spacer = element("span", { className: "ti-spacer" });
  const foot = element("div", { className: "ti-editor-foot" }, empty, spacer, close);
  const root = element("dialog", { className: "ti-editor ti-trash", "aria-label": "Trash" });
  root.append(element("div", { className: "ti-editor-content" }, heading, problem, list, foot));
  document.body.append(root);

  const draw = async () => {
    /** @type {TrashedView[]} */
    const items = await call("trash");
    empty.disabled = items.length === 0;
    const nothing = element("li", { className: "ti-note", textContent: "There is nothing in it." });
    list.replaceChildren(...(items.length ? items.map(row) : [nothing]));
  };
  /** @param {() => unknown} work */
  const attempt = async (work) => {
    setText(problem, "");
    try {
      await work();
      await draw();
    } catch (error) {
      setText(problem, messageOf(error));
    }
  };
  list.addEventListener("click", ({ target }) => {
    const id = closest(closest(target, "button"), "li")?.dataset.item;
    if (!id) return;
    attempt(async () => {
      await call(`trash/${id}/restore`, { method: "POST" });
      await onChange();
    });
  });
  empty.addEventListener("click", () => {
    if (!window.confirm("Delete everything in the trash for good?")) return;
    attempt(() => call("trash", { method: "DELETE" }));
  });
  close.addEventListener("click", () => root.close());
  root.addEventListener("keydown", (event) => event.stopPropagation());
  const open = async () => {
    await attempt(() => {});
    root.showModal();
  };
  return { open };
}

/** @param {TrashedView} item */
function row({ id, name, folder, deleted }) {
  const origin = folder ? `from ${folder} · ` : "";
  const note = element("span", { className: "ti-note", textContent: `${origin}${dateTime(deleted)}` });
  const restore = element("button", {
    type: "button",
    className: "ti-button",
    textContent: "Restore",
    "aria-label": `Restore ${name}`,
  });
  const text = element("span", {}, element("strong", { textContent: name }), note);
  return element("li", { dataset: { item: id } }, text, restore);
}
