// Small pictures: a drawing, or a sequence of one or more channels, as SVG.

import { svg } from "./dom.js";
import { rangesOf } from "./multiples.js";
import { extent, segments } from "./stroke.js";

const SIZE = 100;
const MARGIN = 10;

/** Picture of {x, y, lifts} or {channels}; `box` sets a common scale. */
export function picture(what, options = {}) {
  return layers([{ what }], options);
}

/** Picture of several curves on one scale, the last on top; each {what, colour, dash, kind}. */
export function layers(all, { title = null, box = null, wide = 1 } = {}) {
  const width = SIZE * wide;
  const whats = all.map(({ what }) => what);
  const common = box ?? (whats[0].channels ? rangesOf(whats) : bounds(...whats));
  const root = svg("svg", {
    class: "picture",
    viewBox: `0 0 ${width} ${SIZE}`,
    role: title ? "img" : null,
    "aria-label": title,
    "aria-hidden": title ? null : "true",
  });
  for (const { what, colour, dash, kind } of all) {
    const paths = what.channels ? series(what.channels, width, common) : [drawing(what, common)];
    for (const d of paths) {
      const path = svg("path", { d, class: kind, "stroke-dasharray": dash });
      if (colour) path.style.stroke = colour;
      root.append(path);
    }
  }
  return root;
}

function drawing(line, box) {
  const place = fitted(box);
  return segments(line)
    .map(([from, to]) => {
      const points = [];
      for (let i = from; i < to; i++) points.push(place(line.x[i], line.y[i]));
      return smooth(points);
    })
    .join("");
}

/** A smooth path through the midpoints, as on the canvas. */
function smooth(points) {
  const [first, last] = [points[0], points.at(-1)].map(pair);
  const curves = points.slice(1, -1).map((point, i) => {
    const next = points[i + 2];
    return `Q${pair(point)} ${pair([(point[0] + next[0]) / 2, (point[1] + next[1]) / 2])}`;
  });
  return `M${first}${curves.join("")}L${last}`;
}

const pair = (point) => point.map(fixed).join(" ");

/** Bounding box of lines: [left, right, top, bottom]. */
export function bounds(...lines) {
  return [
    ...extent(lines.flatMap((line) => extent(line.x))),
    ...extent(lines.flatMap((line) => extent(line.y))),
  ];
}

/** Map of a box into the picture that preserves its aspect ratio. */
export function fitted([left, right, top, bottom], size = SIZE, margin = MARGIN) {
  const scale = (size - 2 * margin) / Math.max(right - left, bottom - top, 1e-9);
  const [x, y] = [(left + right) / 2, (top + bottom) / 2];
  return (a, b) => [size / 2 + (a - x) * scale, size / 2 + (b - y) * scale];
}

/** Lanes of the channels below each other, each on its own scale. */
function series(channels, width, ranges) {
  const lane = (SIZE - 2 * MARGIN) / channels.length;
  return channels.map((values, c) => {
    const [low, high] = ranges[c];
    const step = (width - 2 * MARGIN) / Math.max(values.length - 1, 1);
    let pen = false; // lifted over gaps
    return values
      .map((value, i) => {
        if (!Number.isFinite(value)) return ((pen = false), "");
        const y = MARGIN + lane * (c + 0.95 - 0.9 * ((value - low) / (high - low)));
        const mark = pen ? "L" : "M";
        pen = true;
        return `${mark}${fixed(MARGIN + i * step)} ${fixed(y)}`;
      })
      .join("");
  });
}

const fixed = (value) => Math.round(value * 10) / 10;
