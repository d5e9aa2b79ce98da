// The verdict in large: a name and how sure, or that nobody's imagination comes near.

import { el } from "./dom.js";
import { chance } from "./words.js";

const CLEAR = 0.9; // probability from which a verdict is given without its rival
const LONG = 10; // letters of a name that is set smaller

/** Words of a final verdict, for screen readers. */
export function verdictWords({ unknown, ranking }) {
  const [first, second] = ranking;
  if (!first) return "";
  if (unknown) return `Unknown. No expert imagines anything close; the nearest was ${first.label}.`;
  const rival =
    second && first.probability < CLEAR
      ? ` It might be ${second.label} (${chance(second.probability)}).`
      : "";
  return `${first.label}, ${chance(first.probability)}.${rival}`;
}

/** Show a verdict; `teach` is offered where the drawing is of no known class. */
export function showVerdict(host, verdict, done, teach) {
  const [first, second] = verdict.ranking;
  host.classList.toggle("open", !done);
  host.classList.toggle("unknown", Boolean(done && verdict.unknown));
  if (!first) return host.replaceChildren();
  if (done && verdict.unknown) {
    return host.replaceChildren(
      el("p", { class: "name" }, "Unknown"),
      el(
        "p",
        { class: "soft" },
        "No expert imagines anything close. The nearest was ",
        el("strong", {}, first.label),
        ".",
      ),
      el("button", { type: "button", onclick: teach }, "Teach this drawing"),
    );
  }
  const sure = done ? `It is this with ${chance(first.probability)} probability` : "The leader so far";
  const rival = second && first.probability < CLEAR ? `; it might be ${second.label}` : "";
  return host.replaceChildren(name(first.label), el("p", { class: "soft" }, `${sure}${rival}.`));
}

const name = (label) => el("p", { class: label.length > LONG ? "name long" : "name" }, label);

/** Say what there is to do before anything was drawn. */
export function showWaiting(host, labels) {
  host.classList.remove("unknown");
  host.classList.add("open");
  host.replaceChildren(
    el("p", { class: "name" }, "?"),
    el(
      "p",
      { class: "soft" },
      `${labels.length === 1 ? "One expert waits" : `${labels.length} experts wait`} for your pen.`,
    ),
  );
}
