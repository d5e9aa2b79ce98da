// Distribution of the loss along a drawing: hot where it deviates from the reconstruction.

import { el, svg } from "./dom.js";
import { bounds, fitted, layers, picture } from "./picture.js";
import { colour, slots } from "./colours.js";
import { chance, percent } from "./text.js";

const HOTTEST = 4; // multiple of the mean share that has the full colour

/** Mixture of the cool and the hot colour. */
const warmth = (share, n) =>
  `color-mix(in oklab, var(--hot) ${Math.round(100 * Math.min((share * n) / HOTTEST, 1))}%, var(--cool))`;

/** The coloured drawing over its reconstruction. */
function heatPicture({ heat, ranking }) {
  const { x, y, share } = heat;
  const [first] = ranking;
  const box = bounds(heat, first.imagined);
  const place = fitted(box);
  const root = layers(
    [{ what: first.imagined, kind: "thin", colour: colour(slots([first.label]).get(first.label)) }],
    {
      box,
      title: `Your drawing over its reconstruction by ${first.label}; ${hottest(share)}`,
    },
  );
  for (let i = 1; i < x.length; i++) {
    const [[x1, y1], [x2, y2]] = [place(x[i - 1], y[i - 1]), place(x[i], y[i])];
    const line = svg("line", { x1, y1, x2, y2, class: "heat" });
    line.style.stroke = warmth(share[i], share.length);
    root.append(line);
  }
  return root;
}

/** The same as a bar chart over time. */
function heatStrip({ heat: { share } }) {
  const most = Math.max(...share, 1e-9);
  const root = svg("svg", {
    class: "strip",
    viewBox: `0 0 ${share.length} 20`,
    preserveAspectRatio: "none",
    "aria-hidden": "true",
  });
  share.forEach((part, i) => {
    const height = 1 + (19 * part) / most;
    const bar = svg("rect", { x: i, y: 20 - height, width: 1.02, height });
    bar.style.fill = warmth(part, share.length);
    root.append(bar);
  });
  return root;
}

/** The fifth of the drawing with most of the loss, as text. */
function hottest(share) {
  const fifths = Array(5).fill(0);
  share.forEach((part, i) => (fifths[Math.min(Math.floor((5 * i) / share.length), 4)] += part));
  const at = fifths.indexOf(Math.max(...fifths));
  const where = ["at its start", "in its second fifth", "in its middle", "in its fourth fifth", "at its end"][
    at
  ];
  return `${percent(fifths[at])} of the deviation is ${where}`;
}

/** Explain the classification of the last drawing. */
export function showHeat(host, verdict, neighbours) {
  const [first] = verdict.ranking;
  const summary = verdict.unknown
    ? `Unknown; most similar to ${first.label}`
    : `Classified as ${first.label}`;
  host.replaceChildren(
    el(
      "div",
      { class: "why" },
      heatPicture(verdict),
      el(
        "div",
        {},
        el(
          "p",
          {},
          el("strong", {}, summary),
          ` with ${chance(first.probability)} probability. ${hottest(verdict.heat.share)}.`,
        ),
        heatStrip(verdict),
        el("p", { class: "soft scale" }, el("span", {}, "start"), el("span", {}, "end")),
        neighbours.length ? el("p", {}, "The most similar training drawings:") : null,
        neighbours.length
          ? el(
              "ul",
              { class: "thumbs" },
              neighbours.map(({ label, stroke }) =>
                el("li", {}, picture(stroke, { title: `drawing of ${label}` }), el("span", {}, label)),
              ),
            )
          : null,
      ),
    ),
  );
}
