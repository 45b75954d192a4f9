// previews.js – the preview pictures of a training, by prompt: the newest step first, older ones by the slider.

/** @import { JobView, PreviewView } from "../lib/types.d.ts" */

import { address } from "../lib/api.js";
import { closest, element, setText } from "../lib/dom.js";

/** Returns `{ root, show }`. */
export function previewGrid() {
  const heading = element("h3", { textContent: "Previews" });
  const slider = element("input", { type: "range", min: 0, step: 1, "aria-label": "Step of the previews" });
  const grid = element("div", { className: "ti-preview-prompts" });
  const root = element("section", { className: "ti-previews-section", hidden: true }, heading, slider, grid);
  const zoom = zoomDialog();
  root.append(zoom.root);
  /** @type {JobView | null} */
  let job = null;
  /** @type {number[]} */
  let steps = [];
  let isFollowing = true; // the newest step

  const draw = () => {
    const step = steps[Number(slider.value)];
    setText(heading, `Previews at step ${step}`);
    slider.setAttribute("aria-valuetext", `step ${step}`);
    const previews = job?.previews ?? [];
    const pictures = previews.filter((preview) => preview.step === step).sort((a, b) => a.index - b.index);
    const addresses = pictures.map(addressOf).join();
    if (grid.dataset.addresses === addresses) return;
    grid.dataset.addresses = addresses;
    const prompts = [...new Set(pictures.map(({ prompt }) => prompt))];
    const picturesOf = (/** @type {string} */ prompt) => pictures.filter((picture) => picture.prompt === prompt);
    grid.replaceChildren(...prompts.map((prompt) => figure(prompt, picturesOf(prompt))));
  };
  /**
   * @param {string} prompt
   * @param {PreviewView[]} pictures
   */
  const figure = (prompt, pictures) => {
    const row = element("div", { className: "ti-previews" }, ...pictures.map(thumbnail));
    const caption = element("figcaption", { className: "ti-note", textContent: prompt });
    return element("figure", { className: "ti-figure" }, row, caption);
  };
  /** @param {PreviewView} preview */
  const addressOf = (preview) =>
    address(`jobs/${encodeURIComponent(job?.id ?? "")}/previews/${encodeURIComponent(preview.url_name)}`);
  /** @param {PreviewView} preview */
  const thumbnail = (preview) => {
    const caption = `Step ${preview.step}, seed ${preview.seed}: ${preview.prompt}`;
    const image = element("img", { src: addressOf(preview), alt: caption, title: caption });
    return element("button", { type: "button", className: "ti-preview" }, image);
  };

  slider.addEventListener("input", () => {
    isFollowing = Number(slider.value) === steps.length - 1;
    draw();
  });
  grid.addEventListener("click", ({ target }) => {
    const image = closest(target, ".ti-preview")?.querySelector("img");
    if (image) zoom.show(image);
  });

  /** @param {JobView} newJob */
  const show = (newJob) => {
    if (newJob.id !== job?.id) isFollowing = true;
    job = newJob;
    steps = [...new Set(newJob.previews.map((preview) => preview.step))].sort((a, b) => a - b);
    root.hidden = steps.length === 0;
    if (root.hidden) return;
    slider.max = String(steps.length - 1);
    slider.hidden = steps.length === 1;
    if (isFollowing) slider.value = slider.max;
    draw();
  };
  return { root, show };
}

/** Returns the dialog that enlarges a picture. */
function zoomDialog() {
  const image = element("img", { alt: "" });
  const caption = element("p");
  const close = element("button", { type: "button", className: "ti-button", textContent: "Close" });
  const root = element("dialog", { className: "ti-zoom", "aria-label": "Preview, enlarged" }, image, caption, close);
  root.addEventListener("click", ({ target }) => {
    if (target === root || target === close) root.close();
  });
  /** @param {HTMLImageElement} thumbnail */
  const show = (thumbnail) => {
    image.src = thumbnail.src;
    setText(caption, thumbnail.alt);
    root.showModal();
  };
  return { root, show };
}
