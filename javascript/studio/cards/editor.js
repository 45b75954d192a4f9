// editor.js – the dialog that edits an embedding's card, and renames, moves, copies or deletes its files.

/** @import { CardRow, EmbeddingDetails, Undo } from "../lib/types.d.ts" */

import { address, call, messageOf } from "../lib/api.js";
import { element, setText } from "../lib/dom.js";
import { keepToast, showToast } from "../lib/toast.js";
import { duplicate, moveToTrash, setPreview, write } from "./changes.js";
import { factsOf } from "./details.js";
import { editorForm } from "./form.js";
import { renameInPrompts } from "./use.js";

const PICTURES = "image/png,image/jpeg,image/webp,image/gif,image/avif";

/**
 * Returns `{ open }`.
 *
 * @param {object} options
 * @param {() => string[]} options.folders returns the paths of the library's folders
 * @param {() => unknown} options.onChange called when something was changed
 */
export function cardEditor({ folders, onChange }) {
  const problem = element("p", { className: "ti-problem", role: "alert" });
  const form = editorForm();
  const root = element("dialog", { className: "ti-editor", "aria-label": "Edit an embedding" });
  const parts = layout(root, problem, form.root);
  /** @type {EmbeddingDetails | null} */
  let details = null;

  /** @param {() => Promise<void>} work */
  const attempt = async (work) => {
    setText(problem, "");
    root.toggleAttribute("data-busy", true);
    try {
      await work();
    } catch (error) {
      setText(problem, messageOf(error));
      problem.scrollIntoView({ block: "nearest" });
    } finally {
      root.toggleAttribute("data-busy", false);
    }
  };
  /**
   * Returns an Undo that brings the page up to date too.
   *
   * @param {Undo} undo
   * @returns {Undo}
   */
  const undoAndRefresh = (undo) => async () => {
    await undo();
    await onChange();
    if (root.open) await attemptOnDetails(({ id }) => load(id));
  };
  /** @param {string} id */
  const load = async (id) => {
    details = await call(`embeddings/${id}`);
    parts.drawPreview(details?.preview ?? null);
  };
  /** @param {(edited: EmbeddingDetails) => Promise<void>} work */
  const attemptOnDetails = async (work) => {
    const edited = details;
    if (edited) await attempt(() => work(edited));
  };
  /** @param {() => Blob | null | Promise<Blob | null>} content */
  const changePreview = (content) =>
    attemptOnDetails(async ({ id }) => {
      const undo = await setPreview(id, await content());
      await load(id);
      showToast("The preview was changed.", undoAndRefresh(undo));
      await onChange();
    });
  const save = () =>
    attemptOnDetails(async (before) => {
      const { saved, undo } = await write(before, form.values());
      root.close();
      if (saved === before) return;
      if (saved.word !== before.word) renameInPrompts(before.word, saved.word);
      showToast(`${saved.word} was saved.`, undoAndRefresh(undo));
      await onChange();
    });
  /** @param {(edited: EmbeddingDetails) => Promise<[string, Undo]>} work returns the toast's text and its undo */
  const closeAfter = (work) => () =>
    attemptOnDetails(async (edited) => {
      const [text, undo] = await work(edited);
      root.close();
      showToast(text, undoAndRefresh(undo));
      await onChange();
    });
  const { buttons, file } = parts;
  buttons.current.addEventListener("click", () => changePreview(currentPicture));
  buttons.upload.addEventListener("click", () => file.click());
  buttons.removePicture.addEventListener("click", () => changePreview(() => null));
  buttons.cancel.addEventListener("click", () => root.close());
  const copy = closeAfter(async (edited) => {
    const { copy, undo } = await duplicate(edited);
    return [`${copy.word} is a copy of ${edited.word}.`, undo];
  });
  buttons.duplicate.addEventListener("click", copy);
  const discard = closeAfter(async (edited) => [`${edited.word} is in the trash.`, await moveToTrash(edited)]);
  buttons.delete.addEventListener("click", discard);
  file.addEventListener("change", () => {
    const picture = file.files?.[0];
    if (picture) changePreview(() => picture);
  });
  form.root.addEventListener("submit", (event) => {
    event.preventDefault();
    save();
  });
  root.addEventListener("keydown", (event) => {
    event.stopPropagation(); // elsewhere Escape interrupts the generation
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.root.requestSubmit();
  });
  root.addEventListener("close", keepToast);
  root.addEventListener("pointerdown", ({ target }) => target === root && root.close());
  document.body.append(root);

  /**
   * Opens the editor for a card.
   *
   * @param {CardRow} card
   */
  const open = async (card) => {
    /** @type {EmbeddingDetails} */
    const loaded = await call(`embeddings/${card.id}`);
    details = loaded;
    setText(problem, warning(loaded));
    parts.draw(card, loaded);
    form.fill(loaded, folders());
    root.showModal();
    form.focus();
  };
  return { open };
}

/**
 * Fills the dialog; returns its parts.
 *
 * @param {HTMLDialogElement} root
 * @param {HTMLElement} problem
 * @param {HTMLFormElement} form
 */
function layout(root, problem, form) {
  const title = element("h2", { className: "ti-editor-title" });
  const picture = element("img", { className: "ti-editor-picture", alt: "Preview" });
  const blank = element("span", { className: "ti-editor-picture ti-card-blank", "aria-hidden": "true" });
  const facts = element("dl", { className: "ti-editor-facts" });
  const file = element("input", { type: "file", accept: PICTURES, hidden: true });
  const download = element("a", { className: "ti-button", textContent: "Download", download: "" });
  /** @param {string} textContent */
  const button = (textContent) => element("button", { type: "button", className: "ti-button", textContent });
  const buttons = {
    current: button("Use the txt2img picture"),
    upload: button("Upload …"),
    removePicture: button("Remove picture"),
    duplicate: button("Duplicate"),
    delete: button("Delete"),
    cancel: button("Cancel"),
  };
  const save = element("button", { type: "submit", className: "ti-button ti-primary", textContent: "Save" });
  save.setAttribute("form", form.id);
  const pictureButtons = [buttons.current, buttons.upload, buttons.removePicture];
  const underPicture = element("div", { className: "ti-editor-buttons" }, ...pictureButtons, file);
  const side = element("div", { className: "ti-editor-side" }, picture, blank, underPicture, facts);
  const body = element("div", { className: "ti-editor-body" }, side, form);
  const spacer = element("span", { className: "ti-spacer" });
  const footButtons = [download, buttons.duplicate, buttons.delete, spacer, buttons.cancel, save];
  const foot = element("div", { className: "ti-editor-foot" }, ...footButtons);
  root.append(element("div", { className: "ti-editor-content" }, title, problem, body, foot));

  /** @param {string | null} preview its address */
  const drawPreview = (preview) => {
    picture.hidden = !preview;
    blank.hidden = Boolean(preview);
    if (preview) picture.src = address(preview);
  };
  /**
   * @param {CardRow} card
   * @param {EmbeddingDetails} details
   */
  const draw = (card, details) => {
    setText(title, card.file);
    download.href = address(`embeddings/${card.id}/file`);
    const rows = factsOf(card, details).flatMap(([name, value]) => [
      element("dt", { textContent: name }),
      element("dd", { textContent: value }),
    ]);
    facts.replaceChildren(...rows);
    drawPreview(details.preview);
  };
  return { buttons, file, draw, drawPreview };
}

/** @param {EmbeddingDetails} details */
function warning({ in_training: inTraining, card_problem: problem }) {
  if (inTraining) return "A training is about to write this word: it can't be renamed, moved or deleted now.";
  return problem ? `What is written about it can't be read: ${problem}.` : "";
}

/** Returns the picture that txt2img shows enlarged, or else its first. */
async function currentPicture() {
  /** @type {HTMLImageElement | null} */
  const enlarged = document.querySelector('#ti_gallery [data-testid="detailed-image"]');
  const picture = enlarged ?? document.querySelector("#ti_gallery img");
  if (!picture) throw new Error("txt2img shows no picture yet. Generate one, or upload one.");
  return (await fetch(picture.src)).blob();
}
