// Confusions of held-out training cases: the cases and the matrix.

import { el } from "./dom.js";
import { pictures } from "./classes.js";
import { count } from "./text.js";

const MAX_CLASSES = 24; // of a displayed matrix
const MAX_CASES = 12; // displayed

/** Show confusions; `caseOf(label, i)` resolves to a training case. */
export async function showConfusions(host, { labels, matrix, pairs }, caseOf) {
  if (labels.length < 2)
    return host.replaceChildren(
      el("p", { class: "soft" }, "With a single class there is nothing to confuse."),
    );
  const all = matrix.flat().reduce((sum, n) => sum + n, 0);
  const summary = pairs.length
    ? `${pairs.length} of ${count(all, "training case")} ${pairs.length === 1 ? "is" : "are"} misclassified when held out.`
    : `None of ${count(all, "training case")} is misclassified when held out.`;
  const cases = await Promise.all(pairs.slice(0, MAX_CASES).map(({ true: label, case: i }) => caseOf(label, i)));
  const list = el(
    "ul",
    { class: "thumbs" },
    pairs
      .slice(0, MAX_CASES)
      .map((pair, i) =>
        el(
          "li",
          {},
          cases[i] ? pictures([cases[i]], `${pair.true}, drawing`)[0] : null,
          el("span", {}, `${pair.true}, classified as ${pair.predicted}`),
        ),
      ),
  );
  host.replaceChildren(
    el("p", {}, summary),
    ...(pairs.length ? [list] : []),
    ...(labels.length <= MAX_CLASSES ? [table(labels, matrix)] : []),
  );
}

function table(labels, matrix) {
  const head = el(
    "tr",
    {},
    el("th", { scope: "col" }, "true \\ predicted"),
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
    { class: "scroll", tabindex: 0, role: "region", "aria-label": "Confusion matrix" },
    el("table", { class: "matrix" }, el("thead", {}, head), el("tbody", {}, rows)),
  );
}
