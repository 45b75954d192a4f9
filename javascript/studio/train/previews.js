// previews.js – the preview pictures of a training, prompt by prompt: the newest step, older ones by the slider, and a
// click enlarges.

import { address } from "../lib/api.js";
import { element, setText } from "../lib/dom.js";

/** Returns `{ root, show }`; `show` takes a job. */
export function previewGrid() {
  const heading = element("h3", { textContent: "Previews" });
  const slider = element("input", { type: "range", min: 0, step: 1, "aria-label": "Step of the previews" });
  const grid = element("div", { className: "ti-preview-prompts" });
  const root = element("section", { className: "ti-previews-section", hidden: true }, heading, slider, grid);
  const zoom = enlarger();
  root.append(zoom.root);
  let job = null;
  let steps = [];
  let follow = true;

  const draw = () => {
    const step = steps[Number(slider.value)];
    setText(heading, `Previews at step ${step}`);
    slider.setAttribute("aria-valuetext", `step ${step}`);
    const pictures = job.previews.filter((preview) => preview.step === step).sort((a, b) => a.index - b.index);
    const addresses = pictures.map(addressOf).join();
    if (grid.dataset.addresses === addresses) return;
    grid.dataset.addresses = addresses;
    const prompts = [...new Set(pictures.map(({ prompt }) => prompt))];
    grid.replaceChildren(...prompts.map((prompt) => figure(prompt, pictures.filter((made) => made.prompt === prompt))));
  };
  const figure = (prompt, pictures) => {
    const row = element("div", { className: "ti-previews" }, ...pictures.map(thumbnail));
    return element("figure", { className: "ti-figure" }, row, element("figcaption", { className: "ti-note", textContent: prompt }));
  };
  const addressOf = (preview) => address(`jobs/${encodeURIComponent(job.id)}/previews/${encodeURIComponent(preview.url_name)}`);
  const thumbnail = (preview) => {
    const caption = `Step ${preview.step}, seed ${preview.seed}: ${preview.prompt}`;
    const image = element("img", { src: addressOf(preview), alt: caption, title: caption });
    return element("button", { type: "button", className: "ti-preview" }, image);
  };

  slider.addEventListener("input", () => {
    follow = Number(slider.value) === steps.length - 1;
    draw();
  });
  grid.addEventListener("click", ({ target }) => {
    const image = target.closest(".ti-preview")?.querySelector("img");
    if (image) zoom.show(image);
  });

  const show = (newJob) => {
    if (newJob.id !== job?.id) follow = true;
    job = newJob;
    steps = [...new Set(job.previews.map((preview) => preview.step))].sort((a, b) => a - b);
    root.hidden = steps.length === 0;
    if (root.hidden) return;
    slider.max = steps.length - 1;
    slider.hidden = steps.length === 1;
    if (follow) slider.value = steps.length - 1;
    draw();
  };
  return { root, show };
}

function enlarger() {
  const image = element("img", { alt: "" });
  const caption = element("p");
  const close = element("button", { type: "button", className: "ti-button", textContent: "Close" });
  const root = element("dialog", { className: "ti-zoom", "aria-label": "Preview, enlarged" }, image, caption, close);
  root.addEventListener("click", ({ target }) => {
    if (target === root || target === close) root.close();
  });
  const show = (thumbnail) => {
    image.src = thumbnail.src;
    setText(caption, thumbnail.alt);
    root.showModal();
  };
  return { root, show };
}
