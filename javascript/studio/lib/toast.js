// toast.js – a short message at the bottom of the page, with a button that undoes what it reports.

/** @import { Undo } from "./types.d.ts" */

import { messageOf } from "./api.js";
import { element } from "./dom.js";

const SECONDS = 12;
/** @type {{ root: HTMLElement, close: () => void } | null} */
let current = null;

/**
 * Shows a toast in place of the one before.
 *
 * @param {string} text
 * @param {Undo | null} [undo] called once, by the button
 */
export function showToast(text, undo = null) {
  current?.close();
  const message = element("span", { textContent: text });
  const root = element("div", { className: "ti-toast", role: "status" }, message);
  const close = () => {
    clearTimeout(timer);
    root.remove();
    if (current?.root === root) current = null;
  };
  const timer = setTimeout(close, SECONDS * 1000);
  if (undo) {
    const button = element("button", { type: "button", className: "ti-button", textContent: "Undo" });
    button.addEventListener("click", async () => {
      close();
      try {
        await undo();
        showToast("Undone.");
      } catch (error) {
        showToast(messageOf(error));
      }
    });
    root.append(button);
  }
  const closeButton = element("button", {
    type: "button",
    className: "ti-button",
    textContent: "×",
    "aria-label": "Close this message",
  });
  closeButton.addEventListener("click", close);
  root.append(closeButton);
  (document.querySelector("dialog:modal") ?? document.body).append(root); // nothing below a modal dialog can be reached
  current = { root, close };
}

/** Moves the toast out of a dialog that is closed, so that it stays visible. */
export function keepToast() {
  if (current) document.body.append(current.root);
}
