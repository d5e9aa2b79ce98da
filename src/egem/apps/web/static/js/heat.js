// Where a drawing departs from what the winner imagined: hot where much of the loss lies.

import { el, svg } from "./dom.js";
import { bounds, fitted, layers, picture } from "./picture.js";
import { colour, slots } from "./colours.js";
import { chance, percent } from "./words.js";

const HOTTEST = 4; // times the even share at which a place is fully hot

/** Mix of the cool and the hot colour. */
const warmth = (share, n) =>
  `color-mix(in oklab, var(--hot) ${Math.round(100 * Math.min((share * n) / HOTTEST, 1))}%, var(--cool))`;

/** The drawing, coloured, over what the winner imagined. */
function heatPicture({ heat, ranking }) {
  const { x, y, share } = heat;
  const [first] = ranking;
  const box = bounds(heat, first.imagined);
  const place = fitted(box);
  const root = layers(
    [{ what: first.imagined, kind: "thin", colour: colour(slots([first.label]).get(first.label)) }],
    {
      box,
      title: `Your drawing over what ${first.label} imagined; ${hottest(share)}`,
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

/** The same along time, as bars. */
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

/** In words: the fifth of the drawing that holds most of the loss. */
function hottest(share) {
  const fifths = Array(5).fill(0);
  share.forEach((part, i) => (fifths[Math.min(Math.floor((5 * i) / share.length), 4)] += part));
  const at = fifths.indexOf(Math.max(...fifths));
  const where = ["at its start", "in its second fifth", "in its middle", "in its fourth fifth", "at its end"][
    at
  ];
  return `${percent(fifths[at])} of what does not fit lies ${where}`;
}

/** Why the last drawing was read as it was. */
export function showHeat(host, verdict, near) {
  const [first] = verdict.ranking;
  const words = verdict.unknown ? `Unknown; nearest to ${first.label}` : `Read as ${first.label}`;
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
          el("strong", {}, words),
          ` with ${chance(first.probability)} probability. ${hottest(verdict.heat.share)}.`,
        ),
        heatStrip(verdict),
        el("p", { class: "soft scale" }, el("span", {}, "start"), el("span", {}, "end")),
        near.length ? el("p", {}, "The training drawings nearest to it:") : null,
        near.length
          ? el(
              "ul",
              { class: "thumbs" },
              near.map(({ label, stroke }) =>
                el("li", {}, picture(stroke, { title: `drawing of ${label}` }), el("span", {}, label)),
              ),
            )
          : null,
      ),
    ),
  );
}
