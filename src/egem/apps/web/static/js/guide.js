// The introduction: three steps, shown once.

import { $, el } from "./dom.js";
import { load, save } from "./storage.js";
import { note } from "./notices.js";
import { listen } from "./state.js";

const STEPS = [
  [
    "Getting started: train two symbols",
    "Draw any symbol below four times, each a little different. Then enter a name and press Train.",
  ],
  ["Now a second symbol", "Make it different from the first: again four drawings and a name."],
  [
    "Draw either of them",
    "Both classes try to reconstruct your stroke; the better match wins. Stop half-way to see how each would continue it.",
  ],
];

/** Set the guide up; returns a function to call with each final verdict. */
export function setUp(letters) {
  const guide = $("#guide");
  let step = null; // null where the guide is not shown

  $("#guide-skip").addEventListener("click", end);
  $("#guide-letters").addEventListener("click", letters);

  listen((now, before) => {
    if (load("guide") === "done") return;
    if (!before && now.classes.length && load("guide") === null) return save("guide", "done");
    if (now.kind === "series" || now.busy?.what === "letters") return end();
    const reached = Math.max(Math.min(now.classes.length, STEPS.length - 1), step ?? 0);
    $("#guide-letters").hidden = !now.letters_available || reached > 0;
    if (reached === step) return;
    step = reached;
    save("guide", step);
    show();
    if (step === 0 && !location.hash) location.replace("#train");
    if (before && step === 2) location.hash = "recognise";
  });

  function show() {
    guide.hidden = false;
    [$("#guide-title").textContent, $("#guide-text").textContent] = STEPS[step];
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
    save("guide", "done");
    step = null;
    guide.hidden = true;
  }

  return (verdict) => {
    if (step !== 2 || verdict.unknown) return;
    end();
    note(`That was ${verdict.ranking[0].label}. Your classes are ready.`);
  };
}
