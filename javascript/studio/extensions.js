// extensions.js – the Extensions tab: a table of the extensions and their errors, and Install from URL.

/** @import { ExtensionsView, ExtensionView } from "./lib/types.d.ts" */
/** @import { CallOptions } from "./lib/api.js" */

import { call, messageOf } from "./lib/api.js";
import { element, setText } from "./lib/dom.js";

const COLUMNS = ["Extension", "Address", "Version", "Date", "State"];

/**
 * Fills the section, and updates it whenever it comes into view.
 *
 * @param {HTMLElement} section
 */
export function extensionList(section) {
  const notes = element("div", { className: "ti-extension-notes" });
  const problem = element("p", { className: "ti-problem", role: "alert" });
  const apply = element("button", { type: "button", className: "ti-button", textContent: "Apply" });
  const rows = element("tbody");
  const heads = COLUMNS.map((textContent) => element("th", { scope: "col", textContent }));
  const table = element("table", {}, element("thead", {}, element("tr", {}, ...heads)), rows);
  const form = installForm();
  section.replaceChildren(notes, problem, element("div", { className: "ti-scroll" }, table), apply, form.root);

  /** @param {ExtensionsView} view */
  const show = (view) => {
    const isReadOnly = view.only_shown !== "";
    notes.replaceChildren(...notesOf(view).map((textContent) => element("p", { className: "ti-note", textContent })));
    rows.replaceChildren(...view.extensions.map((extension) => row(extension, isReadOnly)));
    table.hidden = view.extensions.length === 0;
    apply.hidden = table.hidden || isReadOnly;
    form.root.hidden = isReadOnly;
  };
  /**
   * Calls the route and shows the answer; returns whether that succeeded.
   *
   * @param {string} path
   * @param {CallOptions} [options]
   */
  const callAndShow = async (path, options) => {
    setText(problem, "");
    try {
      show(await call(path, options));
      return true;
    } catch (error) {
      setText(problem, messageOf(error));
      return false;
    }
  };

  apply.addEventListener("click", () => {
    const boxes = [...rows.querySelectorAll("input")];
    const enabled = Object.fromEntries(boxes.map((box) => [box.dataset.extension, box.checked]));
    callAndShow("extensions", { method: "PUT", body: { enabled } });
  });
  form.root.addEventListener("submit", async (event) => {
    event.preventDefault();
    form.setBusy(true);
    if (await callAndShow("extensions", { method: "POST", body: form.values() })) form.root.reset();
    form.setBusy(false);
  });
  new IntersectionObserver((entries) => {
    if (entries.some(({ isIntersecting }) => isIntersecting)) callAndShow("extensions");
  }).observe(section);
}

/**
 * Returns the sentences above the table.
 *
 * @param {ExtensionsView} view
 */
function notesOf(view) {
  const empty = view.extensions.length === 0 ? `There are no extensions. They are folders in ${view.folder}.` : "";
  const restart = view.restart_needed ? "Restart the server to load what you have chosen." : "";
  return [view.settings_problem, view.disabled_by, view.only_shown, empty, restart].filter(Boolean);
}

/**
 * @param {ExtensionView} extension
 * @param {boolean} isReadOnly
 */
function row(extension, isReadOnly) {
  const box = element("input", { type: "checkbox", checked: extension.enabled, disabled: isReadOnly });
  box.dataset.extension = extension.name;
  const name = element("label", {}, box, element("span", { textContent: extension.name }));
  const texts = [extension.remote, extension.commit, extension.date];
  const cells = texts.map((textContent) => element("td", { textContent }));
  return element("tr", {}, element("td", {}, name), ...cells, stateCell(extension));
}

/** @param {ExtensionView} extension */
function stateCell({ loaded, enabled, problems, remarks }) {
  const state = loaded ? "loaded" : enabled ? "enabled, not loaded" : "disabled";
  const heading = element("p", { textContent: problems.length ? `${state}, with errors` : state });
  const errors = problems.map((textContent) => element("p", { className: "ti-problem", textContent }));
  const notes = remarks.map((textContent) => element("p", { className: "ti-note", textContent }));
  return element("td", {}, heading, ...errors, ...notes);
}

function installForm() {
  /**
   * @param {string} name
   * @param {string} label
   * @param {boolean} required
   */
  const field = (name, label, required) =>
    element("label", {}, `${label} `, element("input", { name, required, autocomplete: "off" }));
  const button = element("button", { className: "ti-button", textContent: "Install" });
  const warning = "An extension is code that runs on this machine with your rights. Install what you trust.";
  const root = element(
    "form",
    { className: "ti-install", "aria-label": "Install from URL" },
    element("h3", { textContent: "Install from URL" }),
    element("p", { className: "ti-note", textContent: warning }),
    field("url", "Address of the git repository", true),
    field("name", "Name of the folder (optional)", false),
    field("branch", "Branch (optional)", false),
    button,
  );
  /** @param {boolean} isBusy */
  const setBusy = (isBusy) => {
    button.disabled = isBusy;
    setText(button, isBusy ? "Installing …" : "Install");
  };
  return { root, setBusy, values: () => Object.fromEntries(new FormData(root)) };
}
