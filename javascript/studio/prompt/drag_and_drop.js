// dropping.js – a picture that is dropped on a prompt is read for how it was made.

/** Hands pictures that are dropped on the element to the upload button of this id. */
export function readDroppedPictures(target, uploadId) {
  const picture = (event) => [...(event.dataTransfer?.items ?? [])].some(({ kind, type }) => kind === "file" && type.startsWith("image/"));
  const mark = (on) => target.classList.toggle("ti-dropping", on);
  target.addEventListener("dragover", (event) => {
    if (!picture(event)) return;
    event.preventDefault();
    mark(true);
  });
  target.addEventListener("dragleave", () => mark(false));
  target.addEventListener("drop", (event) => {
    mark(false);
    if (!picture(event)) return;
    event.preventDefault();
    const chosen = new DataTransfer();
    chosen.items.add(event.dataTransfer.files[0]);
    const input = uploadInput(uploadId);
    input.files = chosen.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
}

/** The file input that Gradio puts beside or into an upload button. */
function uploadInput(id) {
  const button = document.getElementById(id);
  return button.querySelector("input[type=file]") ?? button.parentElement.querySelector("input[type=file]");
}
