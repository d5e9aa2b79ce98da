// The verdict: the class with its probability, or unknown.

import { el } from "./dom.js";
import { chance, count } from "./text.js";

const CLEAR = 0.9; // probability from which the second class is not mentioned
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

/** Show a verdict, with a button that calls `train` if the class is unknown. */
export function showVerdict(host, verdict, done, train) {
  const [first, second] = verdict.ranking;
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
      el("button", { type: "button", onclick: train }, "Train this drawing"),
    );
  }
  const sure = done ? `Probability ${chance(first.probability)}` : "Best match so far";
  const rival = second && first.probability < CLEAR ? `; it might be ${second.label}` : "";
  return host.replaceChildren(name(first.label), el("p", { class: "soft" }, `${sure}${rival}.`));
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
