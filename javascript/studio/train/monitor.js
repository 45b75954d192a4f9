// monitor.js – the live view of a training: it only reads /ti/jobs, so that a reload or a second browser shows the same.

import { call } from "../lib/api.js";
import { element, setText } from "../lib/dom.js";
import { duration, number } from "../lib/format.js";
import { jobHistory } from "./history.js";
import { hostPage } from "../prompt/host.js";
import { lossPlot } from "./plot.js";
import { previewGrid } from "./previews.js";

const ACTIVE = new Set(["queued", "running", "stopping"]);
const BUSY_MS = 1000;
const IDLE_MS = 5000;
const OF_VALIDATIONS = ["Validation loss", "Best step"];

/** Fills the monitor's section and the place of the Stop and Resume buttons. */
export function trainingMonitor(section, actions, { onFinished, onUse }) {
  const view = build(section, actions);
  const plot = lossPlot();
  const previews = previewGrid();
  const history = jobHistory({ onChoose: (id) => follow(id), onError: (error) => complain(error) });
  view.live.append(plot.root, previews.root, view.warnings);
  section.append(history.root);
  let chosen = null;
  let job = null;
  let curve = new Map();
  let timer = null;
  const host = hostPage();

  const complain = (error) => setText(view.problem, error?.message ?? "");
  const forget = () => {
    job = null;
    curve = new Map();
  };
  const follow = (id) => {
    chosen = id;
    forget();
    poll();
  };

  const look = async () => {
    const after = Math.max(0, ...curve.keys());
    const report = await call(`jobs/${chosen ? encodeURIComponent(chosen) : "current"}?after_step=${after}`);
    const restarted = job && report.job && (report.job.id !== job.id || report.job.step < after);
    if (restarted && after > 0) {
      forget();
      await look();
      return;
    }
    for (const point of report.curve) curve.set(point.step, point);
    const finished = job && ACTIVE.has(job.status) && report.job?.status === "finished";
    job = report.job;
    show();
    if (finished) onFinished();
  };
  const show = () => {
    view.show(job);
    if (!job) return;
    plot.show([...curve.values()].sort((a, b) => a.step - b.step), job.validations, job.best_step);
    previews.show(job);
  };
  const poll = async () => {
    clearTimeout(timer);
    if (document.hidden) return;
    try {
      await look();
      await history.refresh(job);
      complain(null);
    } catch (error) {
      complain(error);
      if (error.cause && host) {
        host.lost();
        return;
      }
    }
    clearTimeout(timer);
    timer = setTimeout(poll, job && ACTIVE.has(job.status) ? BUSY_MS : IDLE_MS);
  };
  const order = async (what) => {
    try {
      await call(`jobs/${encodeURIComponent(job.id)}/${what}`, { method: "POST" });
      if (what === "resume") chosen = null;
      await poll();
    } catch (error) {
      complain(error);
    }
  };

  view.stop.addEventListener("click", () => order("stop"));
  view.resume.addEventListener("click", () => order("resume"));
  view.use.addEventListener("click", () => onUse(job.name));
  document.addEventListener("visibilitychange", poll);
  document.addEventListener("ti:job", () => follow(null));
  poll();
}

function build(section, actions) {
  const button = (text) => element("button", { type: "button", className: "ti-button", textContent: text, disabled: true });
  const [stop, resume, use] = ["Stop", "Resume", "Use in txt2img"].map(button);
  actions.append(stop, resume);
  const empty = element("p", { className: "ti-note", textContent: "No training yet. Fill in the form and click Train Embedding." });
  const problem = element("p", { className: "ti-problem", role: "alert" });
  const title = element("h2");
  const badge = element("span", { className: "ti-badge", role: "status" });
  const bar = element("progress", { max: 1, value: 0, "aria-label": "Training progress" });
  const line = element("p", { className: "ti-line" });
  const reason = element("p", { className: "ti-problem" });
  const facts = element("dl", { className: "ti-facts" });
  const early = element("p", { className: "ti-early" });
  const result = element("p", { className: "ti-result" });
  const done = element("div", { className: "ti-done" }, early, result, use);
  const warnings = element("ul", { className: "ti-notices" });
  const head = element("div", { className: "ti-head" }, title, badge);
  const live = element("div", { className: "ti-live" }, head, bar, line, reason, done, facts);
  section.append(problem, empty, live);

  const show = (job) => {
    empty.hidden = Boolean(job);
    live.hidden = !job;
    stop.disabled = !job || !["queued", "running"].includes(job.status);
    resume.disabled = !job?.can_resume;
    if (!job) return;
    setText(title, job.name);
    setText(badge, stateOf(job));
    badge.dataset.state = stateOf(job);
    bar.value = job.early ? 1 : job.step / (job.max_steps || 1);
    setText(line, progressOf(job));
    setText(reason, job.reason ?? "");
    reason.hidden = !job.reason;
    done.hidden = !job.embedding;
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
  return { live, problem, warnings, stop, resume, use, show };
}

function stateOf(job) {
  return job.status === "running" && !job.step ? "preparing" : job.status;
}

function progressOf(job) {
  if (job.status === "queued") return `Waits as number ${job.queue_position ?? 1}; it starts when the training before it ends.`;
  if (stateOf(job) === "preparing") return job.message || "Starting …";
  const parts = [`Step ${job.step} / ${job.max_steps}`];
  if (job.status === "running" && job.seconds_left !== null) parts.push(`${duration(job.seconds_left)} left`);
  if (job.status === "stopping") parts.push("stops after this step");
  if (job.elapsed) parts.push(ACTIVE.has(job.status) ? `${duration(job.elapsed)} so far` : `took ${duration(job.elapsed)}`);
  return parts.join(" · ");
}

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
    const row = (name) => element("div", {}, element("dt", { textContent: name }), element("dd"));
    list.replaceChildren(...Object.keys(facts).map(row));
  }
  Object.entries(facts).forEach(([name, text], index) => {
    setText(list.children[index].lastChild, text);
    list.children[index].hidden = OF_VALIDATIONS.includes(name) && job.validations.length === 0;
  });
}
