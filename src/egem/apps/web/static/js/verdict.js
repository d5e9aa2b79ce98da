// The verdict: the class with its probability, or unknown.

import { correction } from "./correction.js";
import { el } from "./dom.js";
import { chance, count } from "./text.js";

const CLEAR = 0.9; // probability from which the second class is not mentioned
const MAX_OTHERS = 3; // classes that a tap corrects to
const LONG = 10; // letters of a name in smaller type

/** A final verdict as text, for screen readers. */
export function verdictText({ unknown, ranking }) {
  const [first, second] = ranking;
  if (!first) return "";
  if (unknown) return `Unknown. It matches no class; the most similar is ${first.label}.`;
  const rival =
    second && first.probability < CLEAR
      ? ` It might be ${second.label} (${chance(second.probability)}).`
      : "";
  return `${first.label}, ${chance(first.probability)}.${rival}`;
}

/**
 * Show a verdict. Once it is final, `teach(label)` learns the drawing as another class, and `train` opens the
 * view for a new one.
 */
export function showVerdict(host, verdict, done, { train, teach }) {
  const [first, second] = verdict.ranking;
  const correct = (others, unknown) =>
    correction(
      others.map(({ label }) => label),
      { name: "the drawing", unknown, teach },
    );
  host.classList.toggle("pending", !done);
  host.classList.toggle("unknown", Boolean(done && verdict.unknown));
  if (!first) return host.replaceChildren();
  if (done && verdict.unknown) {
    return host.replaceChildren(
      el("p", { class: "name" }, "Unknown"),
      el(
        "p",
        { class: "soft" },
        "It matches no class. The most similar is ",
        el("strong", {}, first.label),
        ".",
      ),
      correct(verdict.ranking.slice(0, MAX_OTHERS), true),
      el("button", { type: "button", onclick: train }, "Train this drawing"),
    );
  }
  const sure = done ? `Probability ${chance(first.probability)}` : "Best match so far";
  const rival = second && first.probability < CLEAR ? `; it might be ${second.label}` : "";
  host.replaceChildren(name(first.label), el("p", { class: "soft" }, `${sure}${rival}.`));
  if (done) host.append(correct(verdict.ranking.slice(1, 1 + MAX_OTHERS), false));
}

const name = (label) => el("p", { class: label.length > LONG ? "name long" : "name" }, label);

/** Show that the pad is empty. */
export function showWaiting(host, classes) {
  host.classList.remove("unknown");
  host.classList.add("pending");
  host.replaceChildren(
    el("p", { class: "name" }, "?"),
    el(
      "p",
      { class: "soft" },
      `Draw one of ${count(classes.length, "class", "classes")}.`,
    ),
  );
}
