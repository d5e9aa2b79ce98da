// The view for the user's own files: plots, fit, test results.

import { $, el } from "./dom.js";
import { api } from "./api.js";
import { load, save } from "./storage.js";
import { attempt, showError, confirmed, announce } from "./notices.js";
import { layers, range } from "./picture.js";
import { setState, listen, state } from "./state.js";
import { count, list, percent, taskText } from "./text.js";

/** Set the view up. */
export function setUp() {
  const drop = $("#drop");
  const file = $("#data-file");
  let data = null; // the server's summary of the file

  $("#choose").addEventListener("click", () => file.click());
  file.addEventListener("change", () => {
    if (file.files[0]) read(file.files[0]);
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
    if (event.dataTransfer.files[0]) read(event.dataTransfer.files[0]);
  });

  function read(chosen) {
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
    save("data", { id: data.dataset_id, name });
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
            el("p", {}, "The file has no labels to train on. Add a column named label."),
          ]),
      plots(data.preview),
    );
    hint();
    toggleResult();
    announce(`${name}: ${summary(data)}`);
  }

  function hint() {
    const k = Number($("#fit-k").value);
    const trained = state?.kind === "strokes" && state.classes.length;
    const n = data?.classes?.length ?? 0;
    $("#fit-hint").textContent = [
      n ? `Trains on up to ${k * n} cases; a fifth of all cases is held out for testing.` : "",
      trained ? "The new model replaces the classes you drew. You can undo that." : "",
    ]
      .join(" ")
      .trim();
  }
  $("#fit-k").addEventListener("input", hint);

  $("#fit").addEventListener("submit", async (event) => {
    event.preventDefault();
    const [k, seed] = ["#fit-k", "#fit-seed"].map((id) => $(id));
    for (const input of [k, seed]) if (!input.reportValidity()) return;
    const trained = state.kind === "strokes" && state.classes.length;
    if (
      trained &&
      !(await confirmed(
        `Replace the ${count(trained, "class", "classes")} you drew by a model of this file? You can undo that.`,
        "Train",
      ))
    )
      return;
    attempt(async () => setState(await api.fit(data.dataset_id, k.valueAsNumber, seed.valueAsNumber)));
  });

  listen((now, before) => {
    const busy = now.busy?.what === "fit" ? now.busy : null;
    $("#fit-task").hidden = !busy;
    $("#fit-go").disabled = now.busy != null;
    if (busy) {
      $("#fit-bar").value = busy.progress;
      $("#fit-text").textContent = taskText(busy);
    }
    if (!before) restore();
    hint();
    const fit = busy ? null : now.fit;
    toggleResult();
    if (fit && JSON.stringify(fit) !== JSON.stringify(before?.fit)) {
      showResult(fit);
      if (before) announce($("#result-text").textContent);
    }
  });

  /** Show the result only with its own file. */
  function toggleResult() {
    const fit = state?.busy?.what === "fit" ? null : state?.fit;
    $("#result").hidden = !fit || (data && data.dataset_id !== fit.dataset_id);
  }

  /** Show the last file again after a reload. */
  async function restore() {
    const last = load("data");
    if (!last) return;
    try {
      show(await api.data(last.id), last.name);
    } catch (error) {
      if (error.status !== 404) return showError(error);
      save("data", null); // the server has deleted it
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
  const comparison = baseline == null ? "" : ` A nearest-neighbour classifier reaches ${percent(baseline)}.`;
  $("#result-text").replaceChildren(
    el("p", { class: "name" }, percent(accuracy)),
    el(
      "p",
      {},
      `of ${count(tested, "test case")} ${tested === 1 ? "is" : "are"} classified correctly, with ${k ?? "all other"} training cases per class.${comparison}`,
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
      el("span", { class: "case" }, "case"),
      el("span", { class: "predicted" }, "reconstruction by the predicted class"),
      el("span", { class: "true-class" }, "reconstruction by the true class"),
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
              { what: mistake.imagined_true, kind: "true-class" },
              { what: mistake.imagined, kind: "predicted" },
              { what: mistake.series, kind: "case" },
            ].filter(({ what }) => what),
            { wide: 2, title: `case ${mistake.case}` },
          ),
          el("figcaption", {}, `${mistake.true}, classified as ${mistake.predicted}`),
        ),
      ),
    ),
  );
}
