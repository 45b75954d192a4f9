// monitor.js – the live view of a training. It only reads /ti/jobs: a reload or a second browser shows the same.

/** @import { JobReport, JobView, LossPoint } from "../lib/types.d.ts" */

import { call, messageOf } from "../lib/api.js";
import { element, setText } from "../lib/dom.js";
import { duration, joined, number } from "../lib/format.js";
import { hostPage } from "../prompt/host.js";
import { jobHistory } from "./history.js";
import { lossPlot } from "./plot.js";
import { previewGrid } from "./previews.js";

const ACTIVE = new Set(["queued", "running", "stopping"]);
const BUSY_MS = 1000;
const IDLE_MS = 5000;
const NO_TRAINING = "No training yet. Fill in the form and click Train Embedding.";
const VALIDATION_FACTS = ["Validation loss", "Best step"];

/**
 * Fills the monitor's section, and the element of the Stop and Resume buttons.
 *
 * @param {HTMLElement} section
 * @param {HTMLElement} actions
 * @param {object} on
 * @param {() => void} on.onFinished called when a training has finished
 * @param {(word: string) => void} on.onUse called by the button "Use in txt2img"
 */
export function trainingMonitor(section, actions, { onFinished, onUse }) {
  const view = build(section, actions);
  const plot = lossPlot();
  const previews = previewGrid();
  const history = jobHistory({ onChoose: (id) => follow(id), onError: (error) => showError(error) });
  view.root.append(plot.root, previews.root, view.warnings);
  section.append(history.root);
  /** @type {string | null} */
  let selectedId = null; // null for the current training
  /** @type {JobView | null} */
  let job = null;
  /** @type {Map<number, LossPoint>} */
  let curve = new Map();
  /** @type {number | undefined} */
  let timer;
  const host = hostPage();

  /** @param {unknown} error null for none */
  const showError = (error) => setText(view.problem, error === null ? "" : messageOf(error));
  const reset = () => {
    job = null;
    curve = new Map();
  };
  /** @param {string | null} id */
  const follow = (id) => {
    selectedId = id;
    reset();
    poll();
  };

  /** @returns {Promise<void>} */
  const update = async () => {
    const after = Math.max(0, ...curve.keys());
    /** @type {JobReport} */
    const report = await call(`jobs/${selectedId ? encodeURIComponent(selectedId) : "current"}?after_step=${after}`);
    const hasRestarted = job && report.job && (report.job.id !== job.id || report.job.step < after);
    if (hasRestarted && after > 0) {
      reset();
      await update();
      return;
    }
    for (const point of report.curve) curve.set(point.step, point);
    const hasFinished = job && ACTIVE.has(job.status) && report.job?.status === "finished";
    job = report.job;
    show();
    if (hasFinished) onFinished();
  };
  const show = () => {
    view.show(job);
    if (!job) return;
    const points = [...curve.values()].sort((a, b) => a.step - b.step);
    plot.show(points, job.validations, job.best_step);
    previews.show(job);
  };
  const poll = async () => {
    clearTimeout(timer);
    if (document.hidden) return;
    try {
      await update();
      await history.refresh(job);
      showError(null);
    } catch (error) {
      showError(error);
      if (host && error instanceof Error && error.cause) {
        host.reportServerLost();
        return;
      }
    }
    clearTimeout(timer);
    timer = setTimeout(poll, job && ACTIVE.has(job.status) ? BUSY_MS : IDLE_MS);
  };
  /** @param {"stop" | "resume"} action */
  const post = async (action) => {
    if (!job) return;
    try {
      await call(`jobs/${encodeURIComponent(job.id)}/${action}`, { method: "POST" });
      if (action === "resume") selectedId = null;
      await poll();
    } catch (error) {
      showError(error);
    }
  };

  view.stop.addEventListener("click", () => post("stop"));
  view.resume.addEventListener("click", () => post("resume"));
  view.use.addEventListener("click", () => job && onUse(job.name));
  document.addEventListener("visibilitychange", poll);
  document.addEventListener("ti:job", () => follow(null));
  poll();
}

/**
 * Adds the monitor's elements; returns those that change, and `show`.
 *
 * @param {HTMLElement} section
 * @param {HTMLElement} actions
 */
function build(section, actions) {
  /** @param {string} textContent */
  const button = (textContent) =>
    element("button", { type: "button", className: "ti-button", textContent, disabled: true });
  const [stop, resume, use] = ["Stop", "Resume", "Use in txt2img"].map(button);
  actions.append(stop, resume);
  const empty = element("p", { className: "ti-note", textContent: NO_TRAINING });
  const problem = element("p", { className: "ti-problem", role: "alert" });
  const title = element("h2");
  const badge = element("span", { className: "ti-badge", role: "status" });
  const progress = element("progress", { max: 1, value: 0, "aria-label": "Training progress" });
  const progressText = element("p", { className: "ti-progress-text" });
  const reason = element("p", { className: "ti-problem" });
  const facts = element("dl", { className: "ti-facts" });
  const early = element("p", { className: "ti-early-stopping" });
  const result = element("p", { className: "ti-result" });
  const outcome = element("div", { className: "ti-job-result" }, early, result, use);
  const warnings = element("ul", { className: "ti-notices" });
  const head = element("div", { className: "ti-head" }, title, badge);
  const root = element("div", { className: "ti-job-view" }, head, progress, progressText, reason, outcome, facts);
  section.append(problem, empty, root);

  /** @param {JobView | null} job */
  const show = (job) => {
    empty.hidden = Boolean(job);
    root.hidden = !job;
    stop.disabled = !job || !["queued", "running"].includes(job.status);
    resume.disabled = !job?.can_resume;
    if (!job) return;
    setText(title, job.name);
    setText(badge, stateOf(job));
    badge.dataset.state = stateOf(job);
    progress.value = job.early ? 1 : job.step / (job.max_steps || 1);
    setText(progressText, progressOf(job));
    setText(reason, job.reason ?? "");
    reason.hidden = !job.reason;
    outcome.hidden = !job.embedding;
    use.disabled = !job.embedding;
    setText(early, job.early ?? "");
    early.hidden = !job.early;
    setText(result, job.embedding ? `Saved as ${job.embedding}` : "");
    showFacts(facts, job);
    if (warnings.childElementCount !== job.warnings.length || warnings.dataset.job !== job.id) {
      warnings.dataset.job = job.id;
      warnings.replaceChildren(...job.warnings.map((text) => element("li", { textContent: text })));
    }
  };
  return { root, problem, warnings, stop, resume, use, show };
}

/**
 * Returns the badge's text: the status, or `preparing` before the first step.
 *
 * @param {Pick<JobView, "status" | "step">} job
 */
export function stateOf(job) {
  return job.status === "running" && !job.step ? "preparing" : job.status;
}

/**
 * Returns the text below the progress bar.
 *
 * @param {JobView} job
 */
export function progressOf(job) {
  if (job.status === "queued") {
    return `Waits as number ${job.queue_position ?? 1}; it starts when the training before it ends.`;
  }
  if (stateOf(job) === "preparing") return job.message || "Starting …";
  const parts = [`Step ${job.step} / ${job.max_steps}`];
  if (job.status === "running" && job.seconds_left !== null) parts.push(`${duration(job.seconds_left)} left`);
  if (job.status === "stopping") parts.push("stops after this step");
  const elapsed = job.elapsed && duration(job.elapsed);
  if (elapsed) parts.push(ACTIVE.has(job.status) ? `${elapsed} so far` : `took ${elapsed}`);
  return joined(parts);
}

/**
 * @param {HTMLDListElement} list
 * @param {JobView} job
 */
function showFacts(list, job) {
  const facts = {
    Loss: number(job.loss, 4),
    "Smoothed loss": number(job.smoothed_loss, 4),
    "Validation loss": number(job.validations.at(-1)?.loss ?? null, 4),
    "Best step": String(job.best_step || "–"),
    "Learning rate": number(job.learning_rate, 3),
    "Vector norm": number(job.vector_norm, 3),
    "Steps per second": number(job.steps_per_second, 3),
    Device: job.device ?? "–",
    Checkpoint: job.checkpoint ?? "–",
  };
  if (list.childElementCount === 0) {
    /** @param {string} name */
    const row = (name) => element("div", {}, element("dt", { textContent: name }), element("dd"));
    list.replaceChildren(...Object.keys(facts).map(row));
  }
  for (const [index, [name, text]] of Object.entries(facts).entries()) {
    const row = /** @type {HTMLElement} */ (list.children[index]);
    if (row.lastChild) setText(row.lastChild, text);
    row.hidden = VALIDATION_FACTS.includes(name) && job.validations.length === 0;
  }
}
