// history.js – the list of trainings: when each was, how it ended, and a click shows it in the monitor.

import { call } from "../lib/api.js";
import { element } from "../lib/dom.js";
import { moment } from "../lib/format.js";

const PAUSE_MS = 5000;

/** Returns `{ root, refresh }`. */
export function jobHistory({ onChoose, onError }) {
  const list = element("ul", { className: "ti-jobs" });
  const root = element("details", { className: "ti-history", open: true, hidden: true });
  root.append(element("summary", { textContent: "Recent trainings" }), list);
  let shown = "";
  let looked = 0;
  let seen = "";

  const refresh = async (job) => {
    const state = `${job?.id} ${job?.status}`;
    if (state === seen && Date.now() - looked < PAUSE_MS) return;
    seen = state;
    looked = Date.now();
    const jobs = await call("jobs");
    const drawn = JSON.stringify([jobs.map((each) => [each.id, each.status, each.step, each.queue_position]), job?.id]);
    if (drawn === shown) return;
    shown = drawn;
    root.hidden = jobs.length === 0;
    list.replaceChildren(...jobs.map((each) => row(each, each.id === job?.id)));
  };

  list.addEventListener("click", async ({ target }) => {
    const id = target.closest("li")?.dataset.job;
    if (target.closest(".ti-job")) onChoose(id);
    else if (target.closest(".ti-remove")) await remove(id);
  });
  const remove = async (id) => {
    if (!window.confirm("Delete this training's folder, with its previews and snapshots? The embedding it made stays.")) return;
    try {
      await call(`jobs/${encodeURIComponent(id)}?confirm=true`, { method: "DELETE" });
      seen = "";
      onChoose(null);
    } catch (error) {
      onError(error);
    }
  };
  return { root, refresh };
}

function row(job, isShown) {
  const state = job.queue_position ? `queued, number ${job.queue_position}` : job.status;
  const content = [
    element("strong", { textContent: job.name }),
    element("span", { className: "ti-badge", textContent: state, dataset: { state: job.status } }),
    element("span", { className: "ti-job-when", textContent: `step ${job.step} / ${job.max_steps} · ${moment(job.created)}` }),
  ];
  const choose = element("button", { type: "button", className: "ti-job", "aria-current": String(isShown) }, ...content);
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
