// form.js – the Train form's values: kept over a reload, and compared with the preset they came from.

import { call } from "./api.js";
import { element, setText } from "./dom.js";

const KEY = "ti-studio-train";

/** Draws into the note under the choice of a preset, and keeps the form in the browser. */
export async function trainForm(note) {
  const purpose = element("p", { className: "ti-note" });
  const changes = element("p", { className: "ti-note ti-changes" });
  note.append(purpose, changes);
  const presets = await call("presets").catch(() => []);
  let recalled = false;

  const show = (form) => {
    const preset = presets.find(({ name }) => name === form.preset);
    setText(purpose, preset?.purpose ?? "");
    const changed = preset ? changedFields(form, preset) : [];
    setText(changes, changed.length ? `Changed from it: ${changed.join(", ")}.` : "");
  };
  document.addEventListener("ti:form", ({ detail: form }) => {
    show(form);
    if (recalled) keep(form); // before that, these are the values that the page begins with
  });
  document.addEventListener("ti:form-recall", ({ detail }) => {
    const form = { ...detail.form, ...recall(detail.form, presets) };
    recalled = true;
    show(form);
    detail.recalled(form);
  });
  document.dispatchEvent(new Event("ti:form-ready"));
}

/** Returns the names of the fields that are no longer as the preset has them, as people read them. */
function changedFields(form, { values, suggested }) {
  const differs = (name) => name in form && !suggested.includes(name) && shown(values[name]) !== shown(form[name]);
  return Object.keys(values).filter(differs).map((name) => name.replaceAll("_", " "));
}

function shown(value) {
  return Array.isArray(value) ? value.join("\n") : String(value ?? "");
}

/** Returns what was kept of the fields that the form still has. */
function recall(form, presets) {
  let kept = {};
  try {
    kept = JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {}; // the browser keeps nothing, or something that is not ours
  }
  const known = ([name, value]) => name in form && (name !== "preset" || presets.some((preset) => preset.name === value));
  return Object.fromEntries(Object.entries(kept).filter(known));
}

function keep(form) {
  try {
    localStorage.setItem(KEY, JSON.stringify(form));
  } catch {
    // A browser that keeps nothing: the form begins afresh after a reload.
  }
}
