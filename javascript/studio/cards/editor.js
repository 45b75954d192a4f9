// cards_editor.js – the dialog in which an embedding's card is written, and its files renamed, moved, copied or deleted.

import { address, call } from "../lib/api.js";
import { remove, duplicate, setPreview, write } from "./changes.js";
import { factsOf } from "./details.js";
import { editorForm } from "./form.js";
import { renameInPrompts } from "./use.js";
import { element, setText } from "../lib/dom.js";
import { keepToast, tell } from "../lib/toast.js";

/** Returns `{ open }`; `folders()` lists the library's folders, `onChange()` is called when something was changed. */
export function cardEditor({ folders, onChange }) {
  const title = element("h2", { className: "ti-editor-title" });
  const problem = element("p", { className: "ti-problem", role: "alert" });
  const form = editorForm();
  const picture = element("img", { className: "ti-editor-picture", alt: "Preview" });
  const blank = element("span", { className: "ti-editor-picture ti-card-blank", "aria-hidden": "true" });
  const facts = element("dl", { className: "ti-editor-facts" });
  const file = element("input", { type: "file", accept: "image/png,image/jpeg,image/webp,image/gif,image/avif", hidden: true });
  const download = element("a", { className: "ti-button", textContent: "Download", download: "" });
  const root = element("dialog", { className: "ti-editor", "aria-label": "Edit an embedding" });
  let details = null;
  let card = null;

  const attempt = async (work) => {
    setText(problem, "");
    root.toggleAttribute("data-busy", true);
    try {
      await work();
    } catch (error) {
      setText(problem, error.message);
      problem.scrollIntoView({ block: "nearest" });
    } finally {
      root.toggleAttribute("data-busy", false);
    }
  };
  const undoing = (undo) => async () => {
    await undo();
    await onChange();
    if (root.open) await attempt(look);
  };
  const look = async () => {
    details = await call(`embeddings/${details?.id ?? card.id}`);
    drawPicture();
  };
  const drawPicture = () => {
    picture.hidden = !details.preview;
    blank.hidden = Boolean(details.preview);
    if (details.preview) picture.src = address(details.preview);
  };
  const changePreview = (content) =>
    attempt(async () => {
      const undo = await setPreview(details.id, await content());
      await look();
      tell("The preview was changed.", undoing(undo));
      await onChange();
    });
  const save = () =>
    attempt(async () => {
      const was = details;
      const { now, undo } = await write(was, form.values());
      root.close();
      if (now === was) return;
      if (now.word !== was.word) renameInPrompts(was.word, now.word);
      tell(`${now.word} was saved.`, undoing(undo));
      await onChange();
    });
  const away = (work) => () =>
    attempt(async () => {
      const [text, undo] = await work();
      root.close();
      tell(text, undoing(undo));
      await onChange();
    });
  const actions = {
    "Use the txt2img picture": () => changePreview(currentPicture),
    "Upload …": () => file.click(),
    "Remove picture": () => changePreview(() => null),
    Duplicate: away(async () => {
      const { copy, undo } = await duplicate(details);
      return [`${copy.word} is a copy of ${details.word}.`, undo];
    }),
    Delete: away(async () => [`${details.word} is in the trash.`, await remove(details)]),
    Cancel: () => root.close(),
  };
  const button = (name) => {
    const made = element("button", { type: "button", className: "ti-button", textContent: name });
    made.addEventListener("click", actions[name]);
    return made;
  };
  file.addEventListener("change", () => file.files[0] && changePreview(() => file.files[0]));
  form.root.addEventListener("submit", (event) => {
    event.preventDefault();
    save();
  });
  root.addEventListener("keydown", (event) => {
    event.stopPropagation(); // Escape interrupts pictures elsewhere
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.root.requestSubmit();
  });
  root.addEventListener("close", keepToast);
  root.addEventListener("pointerdown", ({ target }) => target === root && root.close());

  const pictureButtons = ["Use the txt2img picture", "Upload …", "Remove picture"].map(button);
  const side = element("div", { className: "ti-editor-side" }, picture, blank, element("div", { className: "ti-editor-buttons" }, ...pictureButtons, file), facts);
  const saveButton = element("button", { type: "submit", className: "ti-button ti-primary", textContent: "Save" });
  saveButton.setAttribute("form", form.root.id);
  const foot = element("div", { className: "ti-editor-foot" }, download, button("Duplicate"), button("Delete"), element("span", { className: "ti-gap" }), button("Cancel"), saveButton);
  root.append(element("div", { className: "ti-editor-in" }, title, problem, element("div", { className: "ti-editor-body" }, side, form.root), foot));
  document.body.append(root);

  /** Opens the editor for a card. */
  const open = async (newCard) => {
    card = newCard;
    details = await call(`embeddings/${card.id}`);
    setText(title, card.file);
    setText(problem, warning(details));
    download.href = address(`embeddings/${card.id}/file`);
    facts.replaceChildren(...factsOf(card, details).flatMap(([name, value]) => [element("dt", { textContent: name }), element("dd", { textContent: value })]));
    drawPicture();
    form.fill(details, folders());
    root.showModal();
    form.focus();
  };
  return { open };
}

function warning({ in_training: training, card_problem: broken }) {
  if (training) return "A training is about to write this word: it can't be renamed, moved or deleted now.";
  return broken ? `What is written about it can't be read: ${broken}.` : "";
}

/** Returns the picture that txt2img shows large, or else its first. */
async function currentPicture() {
  const shown = document.querySelector("#ti_gallery [data-testid=detailed-image]") ?? document.querySelector("#ti_gallery img");
  if (!shown) throw new Error("txt2img shows no picture yet. Generate one, or upload one.");
  return (await fetch(shown.src)).blob();
}
