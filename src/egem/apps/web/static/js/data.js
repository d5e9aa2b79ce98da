// The view for files of one's own: seen, fitted, judged.

import { $, el } from "./dom.js";
import { api } from "./api.js";
import { keep, kept } from "./keep.js";
import { attempt, complain, confirmed, say } from "./notice.js";
import { layers, range } from "./picture.js";
import { heard, listen, state } from "./store.js";
import { count, list, percent, workWords } from "./words.js";

/** Set the view up. */
export function setUp() {
  const drop = $("#drop");
  const file = $("#data-file");
  let data = null; // what the server said of the file

  $("#choose").addEventListener("click", () => file.click());
  file.addEventListener("change", () => {
    if (file.files[0]) take(file.files[0]);
    file.value = "";
  });
  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
  });

  function take(chosen) {
    return attempt(async () => {
      drop.classList.add("busy");
      try {
        show(await api.upload(chosen), chosen.name);
      } finally {
        drop.classList.remove("busy");
      }
    });
  }

  function show(next, name) {
    data = next;
    keep("data", { id: data.dataset_id, name });
    const labelled = data.classes?.length > 0;
    $("#fit").hidden = !labelled;
    $("#data-shown").hidden = false;
    drop.classList.add("small");
    $("#data-shown").replaceChildren(
      el("h2", {}, name),
      el("p", {}, summary(data)),
      ...(labelled
        ? []
        : [
            el("p", {}, "There are no labels in it, so there is nothing to learn. Add a column named label."),
          ]),
      plots(data.preview),
    );
    hint();
    judge();
    say(`${name} is read: ${summary(data)}`);
  }

  function hint() {
    const k = Number($("#fit-k").value);
    const taught = state?.kind === "strokes" && state.classes.length;
    const n = data?.classes?.length ?? 0;
    $("#fit-hint").textContent = [
      n ? `Up to ${k * n} cases to learn from; a fifth of all is kept apart to judge by.` : "",
      taught ? "The new experts take the place of the symbols you taught; Undo brings those back." : "",
    ]
      .join(" ")
      .trim();
  }
  $("#fit-k").addEventListener("input", hint);

  $("#fit").addEventListener("submit", async (event) => {
    event.preventDefault();
    const [k, seed] = ["#fit-k", "#fit-seed"].map((id) => $(id));
    for (const input of [k, seed]) if (!input.reportValidity()) return;
    const taught = state.kind === "strokes" && state.classes.length;
    if (
      taught &&
      !(await confirmed(
        `Put experts for this file in the place of ${count(taught, "symbol")} you taught? Undo brings them back.`,
        "Fit",
      ))
    )
      return;
    attempt(async () => heard(await api.fit(data.dataset_id, k.valueAsNumber, seed.valueAsNumber)));
  });

  listen((now, before) => {
    const busy = now.busy?.what === "fit" ? now.busy : null;
    $("#fit-work").hidden = !busy;
    $("#fit-go").disabled = now.busy != null;
    if (busy) {
      $("#fit-bar").value = busy.progress;
      $("#fit-words").textContent = workWords(busy);
    }
    if (!before) again();
    hint();
    const fit = busy ? null : now.fit;
    judge();
    if (fit && JSON.stringify(fit) !== JSON.stringify(before?.fit)) {
      showResult(fit);
      if (before) say($("#result-words").textContent);
    }
  });

  /** Show the result only beside the file that it is of. */
  function judge() {
    const fit = state?.busy?.what === "fit" ? null : state?.fit;
    $("#result").hidden = !fit || (data && data.dataset_id !== fit.dataset_id);
  }

  /** After a reload: show the file that was there. */
  async function again() {
    const last = kept("data");
    if (!last) return;
    try {
      show(await api.data(last.id), last.name);
    } catch (error) {
      if (error.status !== 404) return complain(error);
      keep("data", null); // it is not on the server any more
    }
  }
}

function summary({ n_cases: n, n_channels: channels, lengths, classes }) {
  const [low, high] = lengths;
  const long = low === high ? `${low} time points` : `${low} to ${high} time points`;
  const of = classes?.length ? ` of ${count(classes.length, "class", "classes")}` : "";
  return `${count(n, "case")}${of}, ${count(channels, "channel")}, ${long}.`;
}

function plots(preview) {
  const box = range(...preview);
  const groups = grouped(preview);
  return el(
    "div",
    { class: "plots" },
    [...groups].map(([label, cases]) =>
      el(
        "figure",
        {},
        layers(
          cases.map((what) => ({ what, kind: "thin" })),
          { box, wide: 2, title: `${count(cases.length, "case")} of ${label ?? "the file"}` },
        ),
        el("figcaption", {}, String(label ?? "cases")),
      ),
    ),
  );
}

function grouped(items) {
  const groups = new Map();
  for (const item of items) groups.set(item.label, [...(groups.get(item.label) ?? []), item]);
  return groups;
}

function showResult(fit) {
  const { accuracy, baseline, n_test: tested, k, mistakes, n_mistakes: wrong, classes } = fit;
  const beside = baseline == null ? "" : `; the nearest training case alone gets ${percent(baseline)}`;
  $("#result-words").replaceChildren(
    el("p", { class: "name" }, percent(accuracy)),
    el(
      "p",
      {},
      `of ${count(tested, "case")} that were not learnt from ${tested === 1 ? "is" : "are"} recognised, from ${k ?? "all"} a class${beside}.`,
    ),
  );
  const host = $("#mistakes");
  if (!wrong)
    return host.replaceChildren(
      el("p", { class: "soft" }, `No mistakes among ${list(classes.slice(0, 8).map(String))}.`),
    );
  host.replaceChildren(
    el(
      "h3",
      {},
      wrong > mistakes.length ? `${mistakes.length} of ${wrong} mistakes` : count(wrong, "mistake"),
    ),
    el(
      "p",
      { class: "soft key" },
      el("span", { class: "case" }, "the case"),
      el("span", { class: "taken" }, "what the winner imagined"),
      el("span", { class: "meant" }, "what its own expert imagined"),
    ),
    el(
      "div",
      { class: "plots" },
      mistakes.map((mistake) =>
        el(
          "figure",
          {},
          layers(
            [
              { what: mistake.imagined_true, kind: "meant" },
              { what: mistake.imagined, kind: "taken" },
              { what: mistake.series, kind: "case" },
            ].filter(({ what }) => what),
            { wide: 2, title: `case ${mistake.case}` },
          ),
          el("figcaption", {}, `is ${mistake.true}, read as ${mistake.predicted}`),
        ),
      ),
    ),
  );
}
