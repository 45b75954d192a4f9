// drag_and_drop.js – pictures that are dropped on a prompt: their generation parameters are read.

/**
 * Passes a picture that is dropped on an element to the upload button of this id.
 *
 * @param {HTMLElement} target
 * @param {string} uploadId
 */
export function acceptDroppedPictures(target, uploadId) {
  /** @param {DragEvent} event */
  const hasPicture = (event) =>
    [...(event.dataTransfer?.items ?? [])].some(({ kind, type }) => kind === "file" && type.startsWith("image/"));
  /** @param {boolean} isOver */
  const highlight = (isOver) => target.classList.toggle("ti-drop-target", isOver);
  target.addEventListener("dragover", (event) => {
    if (!hasPicture(event)) return;
    event.preventDefault();
    highlight(true);
  });
  target.addEventListener("dragleave", () => highlight(false));
  target.addEventListener("drop", (event) => {
    highlight(false);
    const files = event.dataTransfer?.files;
    if (!files || !hasPicture(event)) return;
    event.preventDefault();
    const first = new DataTransfer();
    first.items.add(files[0]);
    const input = uploadInput(uploadId);
    if (!input) return;
    input.files = first.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
}

/**
 * Returns the file input that Gradio puts beside or into an upload button.
 *
 * @param {string} id
 * @returns {HTMLInputElement | null | undefined}
 */
function uploadInput(id) {
  const button = document.getElementById(id);
  const selector = 'input[type="file"]';
  return button?.querySelector(selector) ?? button?.parentElement?.querySelector(selector);
}
