// plot.js – the live loss plot: faint points for the steps, a smoothed line over them, the validations as a dotted
// line with a ring around the best one, and the values under the pointer.

/** @import { LossPoint, ValidationView } from "../lib/types.d.ts" */

import { element, setText, svgElement } from "../lib/dom.js";

/** @typedef {{ step: number, loss: number, smoothed_loss: number, learning_rate: number | null }} Point */
/** @typedef {{ step: number, loss: number }} Validation */
/** @typedef {ReturnType<typeof scalesOf>} Scales */

const HEIGHT = 220;
const MARGIN = { left: 54, right: 10, top: 8, bottom: 34 };

/** Returns `{ root, show }`. */
export function lossPlot() {
  const svg = svgElement("svg", { class: "ti-plot", role: "img", "aria-label": "Loss by step" });
  const readout = element("p", { className: "ti-readout" });
  const root = element("figure", { className: "ti-figure" }, svg, readout);
  /** @type {Point[]} */
  let points = [];
  /** @type {Validation[]} */
  let validations = [];
  /** @type {number | null} */
  let best = null;
  /** @type {Scales | null} */
  let scales = null;

  const draw = () => {
    const width = svg.clientWidth;
    if (!width) return;
    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    scales = scalesOf(points, validations, width);
    svg.replaceChildren(
      ...axes(scales, width),
      ...curves(points, scales),
      ...validationMarks(validations, scales, best),
    );
    setText(readout, hint(points, validations));
  };
  svg.addEventListener("pointermove", (event) => {
    if (!points.length || !scales) return;
    const step = scales.stepAt(event.clientX - svg.getBoundingClientRect().left);
    const nearest = nearestPoint(points, step);
    svg.querySelector(".ti-plot-cursor")?.remove();
    const x = scales.x(nearest.step);
    const ends = { x1: x, x2: x, y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom };
    svg.append(svgElement("line", { class: "ti-plot-cursor", ...ends }));
    setText(readout, valuesAt(nearest, validations.filter(({ step }) => step <= nearest.step).at(-1)));
  });
  svg.addEventListener("pointerleave", draw);
  new ResizeObserver(draw).observe(svg);

  /**
   * Shows a loss curve and its validations, both in the order of their steps.
   *
   * @param {LossPoint[]} newPoints
   * @param {ValidationView[]} newValidations
   * @param {number | null} bestStep of the best validation
   */
  const show = (newPoints, newValidations, bestStep) => {
    best = bestStep;
    points = newPoints.filter(hasLosses);
    validations = newValidations.filter(hasLoss);
    if (!svg.matches(":hover")) draw();
  };
  return { root, show };
}

/**
 * @param {LossPoint} point
 * @returns {point is Point}
 */
function hasLosses(point) {
  return point.loss !== null && point.smoothed_loss !== null;
}

/**
 * @param {ValidationView} validation
 * @returns {validation is Validation}
 */
function hasLoss(validation) {
  return validation.loss !== null;
}

/**
 * Returns the point whose step is nearest; the first of two.
 *
 * @template {{ step: number }} Stepped
 * @param {Stepped[]} points at least one
 * @param {number} step
 */
export function nearestPoint(points, step) {
  const distance = (/** @type {Stepped} */ point) => Math.abs(point.step - step);
  return points.reduce((nearest, point) => (distance(point) < distance(nearest) ? point : nearest));
}

/**
 * Returns the plot's ranges, and functions between its values and pixels.
 *
 * The loss axis begins at 0. It leaves out the highest 2 % of the steps' losses, whose points lie at the upper edge.
 *
 * @param {Point[]} points
 * @param {Validation[]} validations
 * @param {number} width in pixels
 */
export function scalesOf(points, validations, width) {
  const last = Math.max(1, points.at(-1)?.step ?? 1);
  const first = Math.min(points[0]?.step ?? 0, validations[0]?.step ?? last, last - 1);
  const losses = points.map((point) => point.loss).sort((a, b) => a - b);
  const usual = losses[Math.floor(losses.length * 0.98)] ?? 0;
  const lines = [...points.map((point) => point.smoothed_loss), ...validations.map(({ loss }) => loss)];
  const highest = Math.max(usual, ...lines) * 1.08 || 1;
  const inner = { width: width - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
  return {
    first,
    last,
    highest,
    /** @param {number} step */
    x: (step) => MARGIN.left + ((step - first) / (last - first)) * inner.width,
    /** @param {number} loss */
    y: (loss) => MARGIN.top + (1 - Math.min(1, loss / highest)) * inner.height,
    /** @param {number} x */
    stepAt: (x) => first + ((x - MARGIN.left) / inner.width) * (last - first),
  };
}

/**
 * Returns the path data of a line through points of step and loss.
 *
 * @param {[step: number, loss: number][]} points
 * @param {Scales} scales
 */
export function linePath(points, scales) {
  const commands = points.map(([step, loss], index) => {
    return `${index ? "L" : "M"}${scales.x(step).toFixed(1)} ${scales.y(loss).toFixed(1)}`;
  });
  return commands.join("");
}

/**
 * @param {Point[]} points
 * @param {Scales} scales
 */
function curves(points, scales) {
  const dots = points.map(({ step, loss }) => `M${scales.x(step).toFixed(1)} ${scales.y(loss).toFixed(1)}h0`).join("");
  const line = linePath(
    points.map(({ step, smoothed_loss: smoothed }) => [step, smoothed]),
    scales,
  );
  return [
    svgElement("path", { class: "ti-plot-raw", d: dots }),
    svgElement("path", { class: "ti-plot-smooth", d: line }),
  ];
}

/**
 * @param {Point[]} points
 * @param {Validation[]} validations
 */
function hint(points, validations) {
  if (!points.length) return "The loss of each step will be drawn here.";
  const series = validations.length
    ? "Line: the steps' loss, smoothed. Dotted: validations, the best one ringed. "
    : "";
  return `${series}Point at the plot to read a step.`;
}

/**
 * Returns the validations: a line with a dot for each, and a ring around the best one.
 *
 * @param {Validation[]} validations
 * @param {Scales} scales
 * @param {number | null} best
 */
function validationMarks(validations, scales, best) {
  const line = linePath(
    validations.map(({ step, loss }) => [step, loss]),
    scales,
  );
  /**
   * @param {Validation} validation
   * @param {string} className
   * @param {number} radius
   */
  const circle = ({ step, loss }, className, radius) =>
    svgElement("circle", { class: className, cx: scales.x(step), cy: scales.y(loss), r: radius });
  const dots = validations.map((each) => circle(each, "ti-plot-validation-dot", 3));
  const bestOnes = validations.filter(({ step }) => step && step === best);
  const rings = bestOnes.map((each) => circle(each, "ti-plot-best", 6));
  return [svgElement("path", { class: "ti-plot-validation", d: line }), ...dots, ...rings];
}

/**
 * @param {Scales} scales
 * @param {number} width in pixels
 */
function axes(scales, width) {
  const parts = [];
  for (const value of ticks(0, scales.highest, 4)) {
    const y = scales.y(value);
    const ends = { x1: MARGIN.left, x2: width - MARGIN.right, y1: y, y2: y };
    parts.push(svgElement("line", { class: "ti-plot-grid", ...ends }));
    parts.push(label(MARGIN.left - 6, y + 4, "end", String(Number(value.toPrecision(3)))));
  }
  for (const value of ticks(scales.first, scales.last, Math.max(2, Math.floor(width / 110)))) {
    if (!Number.isInteger(value)) continue;
    parts.push(label(scales.x(value), HEIGHT - MARGIN.bottom + 16, "middle", String(value)));
  }
  parts.push(label(MARGIN.left + (width - MARGIN.left) / 2, HEIGHT - 3, "middle", "step"));
  const name = label(12, HEIGHT / 2 - 10, "middle", "loss");
  name.setAttribute("transform", `rotate(-90 12 ${HEIGHT / 2 - 10})`);
  return [...parts, name];
}

/**
 * @param {number} x
 * @param {number} y
 * @param {"start" | "middle" | "end"} anchor
 * @param {string} text
 */
function label(x, y, anchor, text) {
  return svgElement("text", { x, y, "text-anchor": anchor, class: "ti-plot-label" }, text);
}

/**
 * Returns at most `count + 1` round values between two numbers.
 *
 * @param {number} low
 * @param {number} high
 * @param {number} count
 */
export function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const size = ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10) * power;
  const values = [];
  for (let value = Math.ceil(low / size) * size; value <= high * 1.0001; value += size) {
    values.push(Number(value.toPrecision(10)));
  }
  return values;
}

/**
 * Returns the text for the point under the pointer.
 *
 * @param {Point} point
 * @param {Validation} [validation] the last one before it
 */
export function valuesAt({ step, loss, smoothed_loss: smooth, learning_rate: rate }, validation) {
  const values = [`step ${step}`, `loss ${loss.toFixed(4)}`, `smoothed ${smooth.toFixed(4)}`];
  if (rate) values.push(`rate ${Number(rate.toPrecision(3))}`);
  if (validation) values.push(`validated ${validation.loss.toFixed(4)} at step ${validation.step}`);
  return values.join(" · ");
}
