// plot.js – the live loss plot: faint points for each step, a smoothed line over them, the validations as a dotted line
// with the best one marked, and the values under the pointer.

import { drawing, element, setText } from "../lib/dom.js";

const HEIGHT = 220;
const MARGIN = { left: 54, right: 10, top: 8, bottom: 34 };

/**
 * Returns `{ root, show }`; `show` takes points `{ step, loss, smoothed_loss, learning_rate }` and validations
 * `{ step, loss }`, both in the order of their steps, and the step of the best validation.
 */
export function lossPlot() {
  const svg = drawing("svg", { class: "ti-plot", role: "img", "aria-label": "Loss by step" });
  const readout = element("p", { className: "ti-readout" });
  const root = element("figure", { className: "ti-figure" }, svg, readout);
  let points = [];
  let validations = [];
  let best = null;
  let scales = null;

  const draw = () => {
    const width = svg.clientWidth;
    if (!width) return;
    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    scales = scalesOf(points, validations, width);
    svg.replaceChildren(...axes(scales, width), ...curves(points, scales), ...marks(validations, scales, best));
    setText(readout, hint(points, validations));
  };
  svg.addEventListener("pointermove", (event) => {
    if (!points.length || !scales) return;
    const step = scales.stepAt(event.clientX - svg.getBoundingClientRect().left);
    const nearest = points.reduce((best, point) => (Math.abs(point.step - step) < Math.abs(best.step - step) ? point : best));
    svg.querySelector(".ti-plot-cursor")?.remove();
    const x = scales.x(nearest.step);
    svg.append(drawing("line", { class: "ti-plot-cursor", x1: x, x2: x, y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom }));
    setText(readout, describe(nearest, validations.filter((made) => made.step <= nearest.step).at(-1)));
  });
  svg.addEventListener("pointerleave", draw);
  new ResizeObserver(draw).observe(svg);

  const show = (newPoints, newValidations, bestStep) => {
    best = bestStep;
    points = newPoints.filter((point) => point.loss !== null && point.smoothed_loss !== null);
    validations = newValidations.filter((made) => made.loss !== null);
    if (!svg.matches(":hover")) draw();
  };
  return { root, show };
}

function scalesOf(points, validations, width) {
  const last = Math.max(1, points.at(-1)?.step ?? 1);
  const first = Math.min(points[0]?.step ?? 0, validations[0]?.step ?? last, last - 1);
  const losses = points.map((point) => point.loss).sort((a, b) => a - b);
  const highest = Math.max(losses[Math.floor(losses.length * 0.98)] ?? 0, ...[...points.map((point) => point.smoothed_loss), ...validations.map((made) => made.loss)]) * 1.08 || 1;
  const inner = { width: width - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
  return {
    first,
    last,
    highest,
    x: (step) => MARGIN.left + ((step - first) / (last - first)) * inner.width,
    y: (loss) => MARGIN.top + (1 - Math.min(1, loss / highest)) * inner.height,
    stepAt: (x) => first + ((x - MARGIN.left) / inner.width) * (last - first),
  };
}

function curves(points, scales) {
  const spots = points.map((p) => `M${scales.x(p.step).toFixed(1)} ${scales.y(p.loss).toFixed(1)}h0`).join("");
  const line = points.map((p, i) => `${i ? "L" : "M"}${scales.x(p.step).toFixed(1)} ${scales.y(p.smoothed_loss).toFixed(1)}`).join("");
  return [drawing("path", { class: "ti-plot-raw", d: spots }), drawing("path", { class: "ti-plot-smooth", d: line })];
}

function hint(points, validations) {
  if (!points.length) return "The loss of each step will be drawn here.";
  const series = validations.length ? "Line: the steps' loss, smoothed. Dotted: validations, the best one ringed. " : "";
  return `${series}Point at the plot to read a step.`;
}

/** The validations: a line of its own with a dot for each, and a ring around the best one. */
function marks(validations, scales, best) {
  const line = validations.map((made, i) => `${i ? "L" : "M"}${scales.x(made.step).toFixed(1)} ${scales.y(made.loss).toFixed(1)}`).join("");
  const dot = (made) => drawing("circle", { class: "ti-plot-validation-dot", cx: scales.x(made.step), cy: scales.y(made.loss), r: 3 });
  const ring = (made) => drawing("circle", { class: "ti-plot-best", cx: scales.x(made.step), cy: scales.y(made.loss), r: 6 });
  const rings = validations.filter((made) => made.step && made.step === best).map(ring);
  return [drawing("path", { class: "ti-plot-validation", d: line }), ...validations.map(dot), ...rings];
}

function axes(scales, width) {
  const made = [];
  for (const value of ticks(0, scales.highest, 4)) {
    const y = scales.y(value);
    made.push(drawing("line", { class: "ti-plot-grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y, y2: y }));
    made.push(label(MARGIN.left - 6, y + 4, "end", String(Number(value.toPrecision(3)))));
  }
  for (const value of ticks(scales.first, scales.last, Math.max(2, Math.floor(width / 110)))) {
    if (Number.isInteger(value)) made.push(label(scales.x(value), HEIGHT - MARGIN.bottom + 16, "middle", String(value)));
  }
  made.push(label(MARGIN.left + (width - MARGIN.left) / 2, HEIGHT - 3, "middle", "step"));
  const name = label(12, HEIGHT / 2 - 10, "middle", "loss");
  name.setAttribute("transform", `rotate(-90 12 ${HEIGHT / 2 - 10})`);
  return [...made, name];
}

function label(x, y, anchor, text) {
  return drawing("text", { x, y, "text-anchor": anchor, class: "ti-plot-label" }, text);
}

/** Returns about `count` round values between two numbers. */
function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const size = [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough);
  const values = [];
  for (let value = Math.ceil(low / size) * size; value <= high * 1.0001; value += size) values.push(Number(value.toPrecision(10)));
  return values;
}

function describe({ step, loss, smoothed_loss: smooth, learning_rate: rate }, validation) {
  const values = [`step ${step}`, `loss ${loss.toFixed(4)}`, `smoothed ${smooth.toFixed(4)}`];
  if (rate) values.push(`rate ${Number(rate.toPrecision(3))}`);
  if (validation) values.push(`validated ${validation.loss.toFixed(4)} at step ${validation.step}`);
  return values.join(" · ");
}
