// history.js – the list of recent trainings, each with its state and date. A click shows one in the monitor.

/** @import { JobView } from "../lib/types.d.ts" */

import { call } from "../lib/api.js";
import { closest, element } from "../lib/dom.js";
import { dateTime } from "../lib/format.js";

const PAUSE_MS = 5000;
const CONFIRMATION = "Delete this training's folder, with its previews and snapshots? The embedding it made stays.";

/**
 * Returns `{ root, refresh }`.
 *
 * @param {object} on
 * @param {(id: string | null) => void} on.onChoose null for the current training
 * @param {(error: unknown) => void} on.onError
 */
export function jobHistory({ onChoose, onError }) {
  const list = element("ul", { className: "ti-jobs" });
  const root = element("details", { className: "ti-history", open: true, hidden: true });
  root.append(element("summary", { textContent: "Recent trainings" }), list);
  let drawnContent = "";
  let lastRefresh = 0;
  let lastState = "";

  /** @param {JobView | null} job the one in the monitor */
  const refresh = async (job) => {
    const state = `${job?.id} ${job?.status}`;
    if (state === lastState && Date.now() - lastRefresh < PAUSE_MS) return;
    lastState = state;
    lastRefresh = Date.now();
    /** @type {JobView[]} */
    const jobs = await call("jobs");
    const rows = jobs.map((each) => [each.id, each.status, each.step, each.queue_position]);
    const content = JSON.stringify([rows, job?.id]);
    if (content === drawnContent) return;
    drawnContent = content;
    root.hidden = jobs.length === 0;
    list.replaceChildren(...jobs.map((each) => row(each, each.id === job?.id)));
  };

  list.addEventListener("click", async ({ target }) => {
    const id = closest(target, "li")?.dataset.job;
    if (!id) return;
    if (closest(target, ".ti-job")) onChoose(id);
    else if (closest(target, ".ti-remove")) await remove(id);
  });
  /** @param {string} id */
  const remove = async (id) => {
    if (!window.confirm(CONFIRMATION)) return;
    try {
      await call(`jobs/${encodeURIComponent(id)}?confirm=true`, { method: "DELETE" });
      lastState = "";
      onChoose(null);
    } catch (error) {
      onError(error);
    }
  };
  return { root, refresh };
}

/**
 * @param {JobView} job
 * @param {boolean} isCurrent
 */
function row(job, isCurrent) {
  const state = job.queue_position ? `queued, number ${job.queue_position}` : job.status;
  const progress = `step ${job.step} / ${job.max_steps} · ${dateTime(job.created)}`;
  const content = [
    element("strong", { textContent: job.name }),
    element("span", { className: "ti-badge", textContent: state, dataset: { state: job.status } }),
    element("span", { className: "ti-job-date", textContent: progress }),
  ];
  const current = { "aria-current": String(isCurrent) };
  const choose = element("button", { type: "button", className: "ti-job", ...current }, ...content);
  const remove = element("button", {
    type: "button",
    className: "ti-remove",
    textContent: "×",
    title: "Delete this training's folder",
    "aria-label": `Delete the training of ${job.name}`,
    disabled: ["running", "stopping"].includes(job.status),
  });
  return element("li", { dataset: { job: job.id } }, choose, remove);
}
