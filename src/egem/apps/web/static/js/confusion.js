// Which classes are taken for each other: the cases concerned, and the matrix.

import { el } from "./dom.js";
import { pictures } from "./classes.js";
import { count } from "./words.js";

const MOST = 24; // classes up to which the matrix is shown

/** Show confusions; `caseOf(label, i)` resolves to a training case. */
export async function showConfusions(host, { labels, matrix, pairs }, caseOf) {
  if (labels.length < 2)
    return host.replaceChildren(
      el("p", { class: "soft" }, "With one expert there is nothing to confuse it with."),
    );
  const all = matrix.flat().reduce((sum, n) => sum + n, 0);
  const words = pairs.length
    ? `${pairs.length} of ${count(all, "training case")} ${pairs.length === 1 ? "is" : "are"} taken for another class when left out.`
    : `None of ${count(all, "training case")}: each is recognised when left out.`;
  const cases = await Promise.all(pairs.slice(0, 12).map(({ true: label, case: i }) => caseOf(label, i)));
  const list = el(
    "ul",
    { class: "thumbs" },
    pairs
      .slice(0, 12)
      .map((pair, i) =>
        el(
          "li",
          {},
          cases[i] ? pictures([cases[i]], `${pair.true}, drawing`)[0] : null,
          el("span", {}, `${pair.true}, taken for ${pair.predicted}`),
        ),
      ),
  );
  host.replaceChildren(
    el("p", {}, words),
    ...(pairs.length ? [list] : []),
    ...(labels.length <= MOST ? [table(labels, matrix)] : []),
  );
}

function table(labels, matrix) {
  const head = el(
    "tr",
    {},
    el("th", { scope: "col" }, "is \\ read as"),
    labels.map((label) => el("th", { scope: "col" }, label)),
  );
  const rows = labels.map((label, i) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, label),
      matrix[i].map((n, j) =>
        el("td", { class: n === 0 ? "none" : i === j ? "right" : "wrong" }, n === 0 ? "·" : String(n)),
      ),
    ),
  );
  return el(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": "Matrix of confusions" },
    el("table", { class: "matrix" }, el("thead", {}, head), el("tbody", {}, rows)),
  );
}
