// The first minute: three calm steps, to be skipped at will, shown once.

import { $, el } from "./dom.js";
import { keep, kept } from "./keep.js";
import { note } from "./notice.js";
import { listen } from "./store.js";

const STEPS = [
  [
    "Your first minute: teach it two symbols",
    "Draw any symbol below, four times, each a little different. Then name it and press Teach.",
  ],
  ["Now a second symbol", "Make it different from the first: four drawings and a name again."],
  [
    "Draw either of them",
    "Both experts imagine at once, and the nearer one wins. Stop half-way to see how each would go on.",
  ],
];

/** Set the guide up; returns a function to be told of verdicts. */
export function setUp(letters) {
  const guide = $("#guide");
  let step = null; // null where the guide is not shown

  $("#guide-skip").addEventListener("click", end);
  $("#guide-letters").addEventListener("click", letters);

  listen((now, before) => {
    if (kept("guide") === "done") return;
    if (!before && now.classes.length && kept("guide") === null) return keep("guide", "done");
    if (now.kind === "series" || now.busy?.what === "letters") return end();
    const reached = Math.max(Math.min(now.classes.length, STEPS.length - 1), step ?? 0);
    $("#guide-letters").hidden = !now.letters_available || reached > 0;
    if (reached === step) return;
    step = reached;
    keep("guide", step);
    show();
    if (step === 0 && !location.hash) location.replace("#teach");
    if (before && step === 2) location.hash = "recognise";
  });

  function show() {
    guide.hidden = false;
    [$("#guide-title").textContent, $("#guide-words").textContent] = STEPS[step];
    $("#guide-steps").replaceChildren(
      ...STEPS.map((_, i) =>
        el(
          "li",
          { class: i < step ? "past" : "", "aria-current": i === step ? "step" : null },
          el("span", { class: "hidden" }, `Step ${i + 1} of ${STEPS.length}${i < step ? ", done" : ""}`),
        ),
      ),
    );
  }

  function end() {
    keep("guide", "done");
    step = null;
    guide.hidden = true;
  }

  return (verdict) => {
    if (step !== 2 || verdict.unknown) return;
    end();
    note(`That was ${verdict.ranking[0].label}. To recognise is to imagine: there is no more to it.`);
  };
}
