// The test of a model: held-out recordings, or cross-validation where there are too few.

import { $, el } from "./dom.js";
import { multiples } from "./multiples.js";
import { count, percent } from "./text.js";

const MANY = 30; // from which a share says more than a count

/** Show how a model was tested. */
export function showResult(fit, data) {
  const { n_test: tested, n_mistakes: wrong, mistakes, n_unlabelled: unlabelled, n_taught: taught } = fit;
  $("#result-text").replaceChildren(
    ...figure(fit),
    ...(tested ? [table(fit.classes)] : []),
    el(
      "p",
      { class: "soft" },
      [
        unlabelled ? `${count(unlabelled, "recording")} without a label ${unlabelled === 1 ? "is" : "are"} not learned.` : "",
        taught ? `Since this test, ${count(taught, "recording")} ${taught === 1 ? "was" : "were"} learned.` : "",
      ]
        .join(" ")
        .trim(),
    ),
  );
  const host = $("#mistakes");
  if (!wrong || data?.dataset_id !== fit.dataset_id) return host.replaceChildren();
  const title = wrong > mistakes.length ? `${mistakes.length} of ${wrong} mistakes` : count(wrong, "mistake");
  return host.replaceChildren(
    el("h3", {}, title),
    key("predicted class", "true class"),
    el("ul", { class: "cards" }, mistakes.map((mistake) => card(mistake, data))),
  );
}

/** What the lines of a picture are. */
export const key = (first, second) =>
  el(
    "p",
    { class: "soft key" },
    el("span", { class: "case" }, "recording"),
    el("span", { class: "first" }, `what the ${first} would give`),
    el("span", { class: "second" }, `what the ${second} would give`),
    el("span", { class: "differ" }, "where they differ"),
  );

function figure({ baseline, n_test: n, n_mistakes: wrong, cross_validation: left }) {
  const big = (text) => el("p", { class: "name" }, text);
  const of = (right, all) => (all < MANY ? `${right} of ${all}` : percent(right / all));
  if (n) {
    const nearest = `A nearest-neighbour classifier gets ${of(Math.round(baseline * n), n)}.`;
    const which = `held-out ${n === 1 ? "recording is" : "recordings are"} recognised.`;
    return [big(of(n - wrong, n)), el("p", {}, `${which} ${nearest}`)];
  }
  if (left.n)
    return [
      big(of(left.n_right, left.n)),
      el("p", {}, "recordings are recognised when each is left out of training in turn. From five recordings of a class on, a fifth is held out as a separate test."),
    ];
  return [
    big("Not tested"),
    el("p", {}, "One recording of a class leaves nothing to test with. Recognise further recordings below to see how well it does."),
  ];
}

function table(classes) {
  const head = ["label", "learned", "tested", "recognised"].map((name) => el("th", { scope: "col" }, name));
  return el(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": "Recordings by label" },
    el(
      "table",
      { class: "matrix" },
      el("thead", {}, el("tr", {}, head)),
      el(
        "tbody",
        {},
        classes.map(({ label, n_train: learned, n_test: n, n_right: right }) =>
          el(
            "tr",
            {},
            el("th", { scope: "row" }, label),
            [learned, n || "none", n ? right : ""].map((value) => el("td", {}, String(value))),
          ),
        ),
      ),
    ),
  );
}

function card({ name, true: truth, predicted, series, imagined, imagined_true: own }, data) {
  const layers = [
    { channels: own.channels, kind: "second" },
    { channels: imagined.channels, kind: "first" },
    { channels: series.channels, kind: "case" },
  ];
  return el(
    "li",
    { class: "recording" },
    el("p", {}, el("strong", {}, name), `: ${truth}, classified as ${predicted}`),
    multiples(layers, {
      names: data.channels,
      ranges: data.ranges,
      step: data.step,
      duration: series.n_timepoints,
      title: `${name}, with what ${predicted} and ${truth} would give`,
      between: [imagined, own],
    }),
  );
}
