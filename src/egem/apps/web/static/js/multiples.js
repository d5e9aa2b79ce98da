// Small multiples of a recording: a row for each channel, with its name, range and a common time axis.

import { el, svg } from "./dom.js";
import { extent } from "./stroke.js";

const MAX_CHANNELS = 12; // that are drawn
const MARGIN = 6; // percent of a row's height
const N_TICKS = 4; // about, of the time axis

/**
 * Draw layers over each other, the last on top: [{channels, kind}]. `duration` is the number of time points
 * and `step` the time between two, if known; `between` shades where two layers differ.
 */
export function multiples(layers, { names, ranges, duration, step, title, between = null }) {
  const shown = names.slice(0, MAX_CHANNELS);
  const ticks = timeTicks(duration, step);
  const rows = shown.map((name, c) => {
    const range = wide(ranges[c], layers.map(({ channels }) => channels[c]));
    return el(
      "div",
      { class: "channel" },
      el("span", { class: "channel-name", title: name }, name),
      el("span", { class: "channel-range" }, rangeText(range)),
      plot(layers, c, range, ticks, between),
    );
  });
  const rest = names.length - shown.length;
  return el(
    "div",
    {
      class: `multiples ${shown.length > 6 ? "many" : shown.length > 3 ? "some" : "few"}`,
      role: "img",
      "aria-label": title,
    },
    rows,
    el(
      "div",
      { class: "axis" },
      ticks.map(({ at, text }) => {
        const tick = el("span", { class: at > 0.9 ? "last" : at < 0.1 ? "first" : "" }, text);
        tick.style.left = `${100 * at}%`;
        return tick;
      }),
    ),
    rest > 0 ? el("p", { class: "soft" }, `and ${rest} more channels`) : null,
  );
}

/** Smallest and largest value of each channel of several recordings. */
export const rangesOf = (cases) =>
  cases[0].channels.map((_, c) => {
    const [low, high] = extent(cases.flatMap(({ channels }) => extent(channels[c].filter(Number.isFinite))));
    return high > low ? [low, high] : [low - 1, low + 1];
  });

/** Time, in the unit that is known, of a time point. */
export function timeText(point, step) {
  const [scale, unit] = unitOf(step);
  return `${short(point * scale)}${unit && `\u202f${unit}`}`;
}

/** What the recordings' times are counted in: seconds for steps below one. */
function unitOf(step) {
  if (!step || step === 1) return [1, ""];
  return [step, step < 1 ? "s" : ""];
}

function timeTicks(duration, step) {
  const [scale, unit] = unitOf(step);
  const end = Math.max(duration - 1, 1) * scale;
  const rough = end / N_TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const nice = [1, 2, 5, 10].map((m) => m * power).find((value) => value >= rough);
  const ticks = [];
  for (let value = 0; value <= end * 1.0001; value += nice) ticks.push({ at: value / end, text: short(value) });
  ticks.at(-1).text += unit ? `\u202f${unit}` : step && step !== 1 ? "" : " points";
  return ticks;
}

function rangeText([low, high]) {
  const digits = Math.min(Math.max(1 - Math.floor(Math.log10(high - low)), 0), 3);
  if (Math.max(-low, high) >= 1e4 || high - low < 1e-2) return `${short(low)} … ${short(high)}`;
  return `${low.toFixed(digits)} … ${high.toFixed(digits)}`.replaceAll("-", "\u2212");
}

/** A channel's range, widened to hold what is drawn. */
function wide([low, high], rows) {
  for (const row of rows) {
    const [least, most] = extent(row.filter(Number.isFinite));
    if (least < low) low = least;
    if (most > high) high = most;
  }
  return [low, high];
}

function plot(layers, c, range, ticks, between) {
  const root = svg("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" });
  for (const { at } of ticks) root.append(svg("path", { class: "tick", d: `M${fixed(100 * at)} 0V100` }));
  if (between) {
    const [first, second] = between.map(({ channels }) => points(channels[c], range));
    root.append(svg("path", { class: "differ", d: `M${[...first, ...second.reverse()].join("L")}Z` }));
  }
  for (const { channels, kind } of layers)
    root.append(svg("path", { class: `line ${kind}`, d: line(channels[c], range) }));
  return root;
}

function place(value, i, n, [low, high]) {
  const y = 100 - MARGIN - ((value - low) / (high - low || 1)) * (100 - 2 * MARGIN);
  return `${fixed((100 * i) / Math.max(n - 1, 1))} ${fixed(y)}`;
}

const points = (row, range) => row.map((value, i) => place(value ?? range[0], i, row.length, range));

function line(row, range) {
  let pen = false; // lifted over gaps
  return row
    .map((value, i) => {
      if (!Number.isFinite(value)) return ((pen = false), "");
      const mark = pen ? "L" : "M";
      pen = true;
      return mark + place(value, i, row.length, range);
    })
    .join("");
}

const fixed = (value) => Math.round(value * 10) / 10;

/** Three digits, without an exponent where that is readable. */
export function short(value) {
  const rounded = Number(value.toPrecision(3));
  return (Math.abs(rounded) >= 1e5 || (rounded && Math.abs(rounded) < 1e-3) ? rounded.toExponential(1) : String(rounded)).replaceAll("-", "\u2212");
}
