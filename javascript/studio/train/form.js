// form.js – the Train form's values: kept over a reload, and compared with the preset they came from.

import { call } from "../lib/api.js";
import { element, setText, whenThere } from "../lib/dom.js";

const KEY = "ti-studio-train";

/**
 * Keeps the form in the browser, and says under the choice of a preset what it is for and what was changed since.
 *
 * The page asks for what was kept while it loads, before anybody can type; its tabs are built later.
 */
export function trainForm() {
  let form = null;
  let show = () => {};
  document.addEventListener("ti:form", ({ detail }) => {
    if (form) keep(detail); // before it was recalled, these are the values that the page begins with
    form = form && detail;
    show(detail);
  });
  document.addEventListener("ti:form-recall", ({ detail }) => {
    form = { ...detail.form, ...kept(detail) };
    show(form);
    detail.recalled(form);
  });
  document.dispatchEvent(new Event("ti:form-ready"));
  whenThere("ti_preset_note").then(async (place) => {
    show = await presetNote(place);
    if (form) show(form);
  });
}

/** Returns a function that shows what is to be said of a form. */
async function presetNote(place) {
  const purpose = element("p", { className: "ti-note" });
  const source = element("p", { className: "ti-note ti-source" });
  const changes = element("p", { className: "ti-note ti-changes" });
  place.append(purpose, source, changes);
  const known = new Map();
  let latest = null;
  return async (form) => {
    latest = form;
    const presets = await presetsOf(form.preset_of, known);
    if (latest !== form) return;
    const preset = presets.find(({ name }) => name === form.preset);
    setText(purpose, preset?.purpose ?? "");
    setText(source, preset ? `Values: ${preset.source}` : "");
    const changed = preset ? changedFields(form, preset) : [];
    setText(changes, changed.length ? `Changed from it: ${changed.join(", ")}.` : "");
  };
}

/** Returns the presets for a checkpoint, or for the server's; asks once for each. */
async function presetsOf(checkpoint, known) {
  if (!known.has(checkpoint)) {
    const path = checkpoint ? `presets?checkpoint=${encodeURIComponent(checkpoint)}` : "presets";
    known.set(checkpoint, call(path).catch(() => known.delete(checkpoint) && []));
  }
  return known.get(checkpoint);
}

/** Returns the names of the fields that are no longer as the preset has them, as people read them. */
function changedFields(form, { values, suggested }) {
  const differs = (name) => name in form && !suggested.includes(name) && shown(values[name]) !== shown(form[name]);
  return Object.keys(values).filter(differs).map((name) => name.replaceAll("_", " "));
}

function shown(value) {
  return Array.isArray(value) ? value.join("\n") : String(value ?? "");
}

/** Returns what was kept of the fields that the form still has; of a preset for another checkpoint, not its values. */
function kept({ form, presets, decided }) {
  let found = {};
  try {
    found = JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {}; // the browser keeps nothing, or something that is not ours
  }
  if (!presets.includes(found.preset)) delete found.preset;
  if (found.preset_of !== form.preset_of) for (const name of [...decided, "preset", "preset_of"]) delete found[name];
  return Object.fromEntries(Object.entries(found).filter(([name]) => name in form));
}

function keep(form) {
  try {
    localStorage.setItem(KEY, JSON.stringify(form));
  } catch {
    // A browser that keeps nothing: the form begins afresh after a reload.
  }
}
