// toast.js – a line at the foot of the page that says what was done, and undoes it if asked.

import { element } from "./dom.js";

const SECONDS = 12;
let shown = null;

/** Says something; with `undo`, a button beside it calls that, once. */
export function tell(text, undo = null) {
  shown?.end();
  const said = element("span", { textContent: text });
  const root = element("div", { className: "ti-toast", role: "status" }, said);
  const end = () => {
    clearTimeout(timer);
    root.remove();
    if (shown?.root === root) shown = null;
  };
  const timer = setTimeout(end, SECONDS * 1000);
  if (undo) {
    const button = element("button", { type: "button", className: "ti-button", textContent: "Undo" });
    button.addEventListener("click", async () => {
      end();
      try {
        await undo();
        tell("Undone.");
      } catch (error) {
        tell(error.message);
      }
    });
    root.append(button);
  }
  const close = element("button", { type: "button", className: "ti-button", textContent: "×", "aria-label": "Close this message" });
  close.addEventListener("click", end);
  root.append(close);
  (document.querySelector("dialog:modal") ?? document.body).append(root); // what lies under a dialog can't be reached
  shown = { root, end };
}

/** Keeps what is said in sight when the dialog that it stands in is closed. */
export function keepToast() {
  if (shown) document.body.append(shown.root);
}
