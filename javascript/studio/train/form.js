// form.js – the Train form's values: stored in the browser, and compared with their preset.

/** @import { FormValues, PresetView } from "../lib/types.d.ts" */

import { call } from "../lib/api.js";
import { element, setText, waitForElement } from "../lib/dom.js";

const KEY = "ti-studio-train";

/**
 * @typedef {object} Recall the page's request for the stored values
 * @property {FormValues} form the page's own values
 * @property {string[]} presets their names
 * @property {string[]} decided the fields that a preset sets
 * @property {(form: FormValues) => void} recalled takes the answer
 */

/**
 * Stores the form in the browser, and shows the preset's purpose and the fields that differ from it.
 *
 * The page requests the stored values while it loads, before anybody can type. Its tabs are built later.
 */
export function trainForm() {
  /** @type {FormValues | null} */
  let form = null;
  /** @type {(form: FormValues) => void} */
  let show = () => {};
  document.addEventListener("ti:form", (event) => {
    const { detail } = /** @type {CustomEvent<FormValues>} */ (event);
    if (form) store(detail); // before the recall, these are the page's defaults
    form = form && detail;
    show(detail);
  });
  document.addEventListener("ti:form-recall", (event) => {
    const { detail } = /** @type {CustomEvent<Recall>} */ (event);
    form = { ...detail.form, ...validValues(storedForm(), detail) };
    show(form);
    detail.recalled(form);
  });
  document.dispatchEvent(new Event("ti:form-ready"));
  waitForElement("ti_preset_note").then((root) => {
    show = presetNote(root);
    if (form) show(form);
  });
}

/**
 * Returns a function that describes a form's preset.
 *
 * @param {HTMLElement} root
 * @returns {(form: FormValues) => Promise<void>}
 */
function presetNote(root) {
  const purpose = element("p", { className: "ti-note" });
  const source = element("p", { className: "ti-note ti-source" });
  const changes = element("p", { className: "ti-note ti-changes" });
  root.append(purpose, source, changes);
  const presetsOf = presetCache();
  /** @type {FormValues | null} */
  let latest = null;
  return async (form) => {
    latest = form;
    const presets = await presetsOf(form.preset_of);
    if (latest !== form) return;
    const preset = presets.find(({ name }) => name === form.preset);
    setText(purpose, preset?.purpose ?? "");
    setText(source, preset ? `Values: ${preset.source}` : "");
    const changed = preset ? changedFields(form, preset) : [];
    setText(changes, changed.length ? `Changed from it: ${changed.join(", ")}.` : "");
  };
}

/**
 * Returns a function for the presets of a checkpoint, or of the server's selected one. It requests each list once.
 *
 * @returns {(checkpoint: unknown) => Promise<PresetView[]>}
 */
function presetCache() {
  /** @type {Map<unknown, Promise<PresetView[]>>} */
  const requests = new Map();
  return (checkpoint) => {
    let request = requests.get(checkpoint);
    if (!request) {
      const path = checkpoint ? `presets?checkpoint=${encodeURIComponent(String(checkpoint))}` : "presets";
      request = call(path).catch(() => {
        requests.delete(checkpoint); // the next call tries again
        return [];
      });
      requests.set(checkpoint, request);
    }
    return request;
  };
}

/**
 * Returns the names of the fields that differ from the preset, with spaces.
 *
 * @param {FormValues} form
 * @param {Pick<PresetView, "values" | "suggested">} preset
 */
export function changedFields(form, { values, suggested }) {
  const changed = Object.keys(values).filter(
    (name) => name in form && !suggested.includes(name) && textOf(values[name]) !== textOf(form[name]),
  );
  return changed.map((name) => name.replaceAll("_", " "));
}

/** @param {unknown} value */
function textOf(value) {
  return Array.isArray(value) ? value.join("\n") : String(value ?? "");
}

/**
 * Returns the stored values of the fields that the form still has, without those of another checkpoint's preset.
 *
 * @param {FormValues} stored
 * @param {Pick<Recall, "form" | "presets" | "decided">} recall
 * @returns {FormValues}
 */
export function validValues(stored, { form, presets, decided }) {
  const values = { ...stored };
  if (!presets.includes(/** @type {string} */ (values.preset))) delete values.preset;
  if (values.preset_of !== form.preset_of) for (const name of [...decided, "preset", "preset_of"]) delete values[name];
  return Object.fromEntries(Object.entries(values).filter(([name]) => name in form));
}

/** @returns {FormValues} */
function storedForm() {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "null") ?? {};
  } catch {
    return {}; // the browser stores nothing, or something else under this key
  }
}

/** @param {FormValues} form */
function store(form) {
  try {
    localStorage.setItem(KEY, JSON.stringify(form));
  } catch {
    // A browser that stores nothing: a reload resets the form.
  }
}
