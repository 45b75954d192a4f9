// form.js – the fields of the card editor.

/** @import { CardEdit, EmbeddingDetails } from "../lib/types.d.ts" */

import { element } from "../lib/dom.js";

const FOLDERS = "ti_editor_folders";

/** Returns `{ root, fill, values, focus }`; the values have the names of the REST fields. */
export function editorForm() {
  const word = element("input", { type: "text", required: true, maxLength: 100, spellcheck: false });
  const folder = element("input", { type: "text", spellcheck: false, placeholder: "the embeddings folder itself" });
  folder.setAttribute("list", FOLDERS);
  const folders = element("datalist", { id: FOLDERS });
  const description = element("textarea", { rows: 3 });
  const tags = element("input", { type: "text", placeholder: "separated by commas" });
  const weight = element("input", { type: "number", step: 0.05, min: -10, max: 10, placeholder: "1" });
  const negative = element("input", { type: "checkbox" });
  const notes = element("textarea", { rows: 4 });
  const root = element(
    "form",
    { className: "ti-editor-form", id: "ti_editor_form" },
    field("Name", word, "the word that prompts use"),
    field("Folder", folder),
    field("Description", description),
    field("Tags", tags),
    field("Preferred weight", weight, "a click on the card gives it to the word"),
    element(
      "label",
      { className: "ti-editor-check" },
      negative,
      element("span", { textContent: "For the negative prompt" }),
    ),
    field("Notes", notes),
    folders,
  );
  const inputs = { word, folder, description, tags, weight, negative, notes };
  for (const [name, input] of Object.entries(inputs)) input.name = name;

  /**
   * @param {EmbeddingDetails} details
   * @param {string[]} paths of the library's folders
   */
  const fill = (details, paths) => {
    word.value = details.word;
    folder.value = details.folder;
    description.value = details.description;
    tags.value = details.tags.join(", ");
    weight.value = String(details.preferred_weight ?? "");
    negative.checked = details.negative;
    notes.value = details.notes;
    folders.replaceChildren(...paths.map((path) => element("option", { value: path })));
  };
  /** @returns {CardEdit} */
  const values = () => ({
    word: word.value.trim(),
    folder: folder.value.trim().replace(/^\/+|\/+$/g, ""),
    description: description.value,
    tags: tagsOf(tags.value),
    preferred_weight: Number(weight.value) || 0,
    negative: negative.checked,
    notes: notes.value,
  });
  return { root, fill, values, focus: () => description.focus() };
}

/**
 * Returns the tags of a text with commas, each once.
 *
 * @param {string} text
 */
export function tagsOf(text) {
  const tags = text.split(",").map((tag) => tag.trim());
  return [...new Set(tags.filter(Boolean))];
}

/**
 * @param {string} name
 * @param {HTMLElement} input
 * @param {string | null} [hint]
 */
function field(name, input, hint = null) {
  const label = element("span", { className: "ti-editor-label", textContent: name });
  if (hint) label.append(element("small", { textContent: ` ${hint}` }));
  return element("label", {}, label, input);
}
