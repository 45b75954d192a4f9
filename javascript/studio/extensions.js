// extensions.js – the Extensions tab: a table of what is there and what went wrong, and getting more by address.

import { call } from "./lib/api.js";
import { element, setText } from "./lib/dom.js";

const COLUMNS = ["Extension", "Address", "Version", "Date", "State"];

/** Draws the list into the section, and again whenever it comes into view. */
export function extensionList(section) {
  const notes = element("div", { className: "ti-extension-notes" });
  const problem = element("p", { className: "ti-problem", role: "alert" });
  const apply = element("button", { type: "button", className: "ti-button", textContent: "Apply" });
  const rows = element("tbody");
  const heads = COLUMNS.map((textContent) => element("th", { scope: "col", textContent }));
  const table = element("table", {}, element("thead", {}, element("tr", {}, ...heads)), rows);
  const form = installForm();
  section.replaceChildren(notes, problem, element("div", { className: "ti-scroll" }, table), apply, form.root);

  const show = (answer) => {
    const empty = answer.extensions.length === 0 && `There are no extensions. They are folders in ${answer.folder}.`;
    const restart = answer.restart_needed && "Restart the server to load what you have chosen.";
    const told = [answer.settings_problem, answer.disabled_by, answer.only_shown, empty, restart].filter(Boolean);
    notes.replaceChildren(...told.map((textContent) => element("p", { className: "ti-note", textContent })));
    rows.replaceChildren(...answer.extensions.map((extension) => row(extension, answer.only_shown !== "")));
    table.hidden = answer.extensions.length === 0;
    apply.hidden = table.hidden || answer.only_shown !== "";
    form.root.hidden = answer.only_shown !== "";
  };
  const ask = async (path, options) => {
    setText(problem, "");
    try {
      show(await call(path, options));
      return true;
    } catch (error) {
      setText(problem, error.message);
      return false;
    }
  };

  apply.addEventListener("click", () => {
    const boxes = [...rows.querySelectorAll("input")];
    const enabled = Object.fromEntries(boxes.map((box) => [box.dataset.extension, box.checked]));
    ask("extensions", { method: "PUT", body: { enabled } });
  });
  form.root.addEventListener("submit", async (event) => {
    event.preventDefault();
    form.busy(true);
    if (await ask("extensions", { method: "POST", body: form.values() })) form.root.reset();
    form.busy(false);
  });
  new IntersectionObserver((entries) => {
    if (entries.some(({ isIntersecting }) => isIntersecting)) ask("extensions");
  }).observe(section);
}

function row(extension, isLocked) {
  const box = element("input", { type: "checkbox", checked: extension.enabled, disabled: isLocked });
  box.dataset.extension = extension.name;
  const name = element("label", {}, box, element("span", { textContent: extension.name }));
  const texts = [extension.remote, extension.commit, extension.date];
  return element("tr", {}, element("td", {}, name), ...texts.map((textContent) => element("td", { textContent })), state(extension));
}

function state({ loaded, enabled, problems, remarks }) {
  const word = loaded ? "loaded" : enabled ? "enabled, not loaded" : "disabled";
  const lines = problems.map((textContent) => element("p", { className: "ti-problem", textContent }));
  const more = remarks.map((textContent) => element("p", { className: "ti-note", textContent }));
  return element("td", {}, element("p", { textContent: problems.length ? `${word}, with errors` : word }), ...lines, ...more);
}

function installForm() {
  const field = (name, label, required) => element("label", {}, `${label} `, element("input", { name, required, autocomplete: "off" }));
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
  const busy = (is) => {
    button.disabled = is;
    setText(button, is ? "Installing …" : "Install");
  };
  return { root, busy, values: () => Object.fromEntries(new FormData(root)) };
}
