// cards_trash.js – what was deleted, and how it comes back.

import { call } from "../lib/api.js";
import { element, setText } from "../lib/dom.js";
import { moment } from "../lib/format.js";

/** Returns `{ open }`; `onChange()` is called when something was brought back. */
export function trashDialog({ onChange }) {
  const list = element("ul", { className: "ti-trash-list" });
  const problem = element("p", { className: "ti-problem", role: "alert" });
  const empty = element("button", { type: "button", className: "ti-button", textContent: "Empty the trash" });
  const close = element("button", { type: "button", className: "ti-button", textContent: "Close" });
  const heading = element("h2", { className: "ti-editor-title", textContent: "Trash" });
  const foot = element("div", { className: "ti-editor-foot" }, empty, element("span", { className: "ti-gap" }), close);
  const root = element("dialog", { className: "ti-editor ti-trash", "aria-label": "Trash" });
  root.append(element("div", { className: "ti-editor-in" }, heading, problem, list, foot));
  document.body.append(root);

  const draw = async () => {
    const items = await call("trash");
    empty.disabled = items.length === 0;
    const rows = items.map(row);
    list.replaceChildren(...(rows.length ? rows : [element("li", { className: "ti-note", textContent: "There is nothing in it." })]));
  };
  const attempt = async (work) => {
    setText(problem, "");
    try {
      await work();
      await draw();
    } catch (error) {
      setText(problem, error.message);
    }
  };
  list.addEventListener("click", ({ target }) => {
    const id = target.closest("button")?.closest("li").dataset.item;
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

function row({ id, name, folder, deleted }) {
  const place = element("span", { className: "ti-note", textContent: `${folder ? `from ${folder} · ` : ""}${moment(deleted)}` });
  const restore = element("button", { type: "button", className: "ti-button", textContent: "Restore", "aria-label": `Restore ${name}` });
  return element("li", { dataset: { item: id } }, element("span", {}, element("strong", { textContent: name }), place), restore);
}
