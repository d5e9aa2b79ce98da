// The view for the user's own recordings: upload, label, train, test result, verdicts on further ones.

import { $, el } from "./dom.js";
import { api, dataPath } from "./api.js";
import { takeFiles } from "./files.js";
import { key, showResult } from "./fitresult.js";
import { attempt, announce, confirmed, showError } from "./notices.js";
import { timeText } from "./multiples.js";
import { Recordings } from "./recordings.js";
import { refresh, setState, listen, state } from "./state.js";
import { count, list, showProgress, taskText } from "./text.js";
import { VerdictList } from "./verdictlist.js";

const MIN_TESTED = 5; // recordings of a class, of which the server holds out a fifth

/** Set the view up. */
export function setUp() {
  let data = null; // the server's summary of the recordings
  let judged = null; // the model and recordings whose verdicts are shown
  const recordings = new Recordings((numbers, changes) =>
    attempt(async () => {
      show(await api.edit(data.dataset_id, numbers, changes));
      await refresh();
    }),
  );
  const verdicts = new VerdictList((number, label) =>
    attempt(async () => setState(await api.teach(data.dataset_id, number, label))),
  );
  $("#verdicts-key").append(key("predicted class", "second class"));

  takeFiles($("#drop"), { files: "data-file", folder: "data-folder" }, (files) => upload($("#drop"), files, {}));
  takeFiles($("#drop-new"), { files: "new-file", folder: "new-folder" }, (files) =>
    upload($("#drop-new"), files, { recognise: true }),
  );

  function upload(drop, files, query) {
    return attempt(async () => {
      drop.classList.add("busy");
      try {
        if (data) query.add_to = data.dataset_id;
        const folder = files[0].path.split("/").at(-2) ?? "";
        show(await api.upload(files, query), query.recognise ? null : folder);
        await refresh();
        announce(`${data.name}: ${summary(data)}`);
      } finally {
        drop.classList.remove("busy");
      }
    });
  }

  function show(next, suggestion = null) {
    data = next;
    $("#recordings").hidden = $("#all-recordings").hidden = false;
    $("#drop").classList.add("small");
    $("#recordings-title").textContent = data.name;
    $("#recordings-summary").textContent = summary(data);
    $("#recordings-notes").replaceChildren(...data.notes.map((note) => el("li", {}, note)));
    recordings.show(data, suggestion);
    hint();
    judge();
  }

  function forget() {
    data = null;
    $("#recordings").hidden = $("#all-recordings").hidden = true;
    $("#drop").classList.remove("small");
    $("#verdicts").replaceChildren();
    judged = null;
  }

  function hint() {
    const sizes = data ? labelSizes(data) : [];
    $("#fit-hint").textContent = data ? plan(sizes, data) : "";
    $("#fit-go").disabled = state?.busy != null || !sizes.length;
  }

  $("#fit").addEventListener("submit", async (event) => {
    event.preventDefault();
    const drawn = state.kind === "strokes" && state.classes.length;
    const question = `Replace the ${count(drawn, "class", "classes")} you drew by a model of these recordings? You can undo that.`;
    if (drawn && !(await confirmed(question, "Train"))) return;
    attempt(async () => setState(await api.fit(data.dataset_id)));
  });

  $("#data-clear").addEventListener("click", async () => {
    if (!(await confirmed("Remove all recordings from this page? The model stays.", "Remove"))) return;
    attempt(async () => {
      setState(await api.deleteData(data.dataset_id));
    });
  });

  listen((now, before) => {
    const busy = ["fit", "teach"].includes(now.busy?.what) ? now.busy : null;
    $("#fit-task").hidden = !busy;
    if (busy) {
      showProgress($("#fit-bar"), busy);
      $("#fit-text").textContent = taskText(busy);
    }
    const fit = now.busy?.what === "fit" ? null : now.fit;
    $("#result").hidden = !fit;
    $("#recognise-data").hidden = now.kind !== "series";
    $("#known-labels").replaceChildren(...now.classes.map(({ label }) => el("option", { value: label })));
    if (data && !now.data) forget();
    else if (now.data && (data?.dataset_id !== now.data.dataset_id || data.revision < now.data.revision)) load(now.data.dataset_id);
    if (fit && JSON.stringify(fit) !== JSON.stringify(before?.fit)) {
      showResult(fit, data);
      if (before) announce($("#result-text").textContent);
    }
    hint();
    judge();
  });

  /** Show the recordings that the server has: after a reload, or a change in another tab. */
  async function load(id) {
    try {
      show(await api.data(id));
      if (state.fit) showResult(state.fit, data);
    } catch (error) {
      if (error.status !== 404) showError(error);
    }
  }

  /** Show verdicts, unless those of this model on these recordings are shown. */
  async function judge() {
    if (!data || state?.kind !== "series" || state.busy) return;
    const what = `${state.version} ${data.dataset_id} ${data.revision}`;
    if (judged === what) return;
    judged = what;
    const some = data.recordings.some((one) => one.new || one.label === null);
    $("#verdicts-key").hidden = $("#verdicts-save").hidden = !some;
    $("#verdicts-save").href = dataPath(data.dataset_id, "verdicts");
    try {
      const n = await verdicts.show(data);
      if (n) announce(`${count(n, "recording")} recognised`);
    } catch (error) {
      if (error.status !== 404) showError(error);
    }
  }
}

function summary({ n_cases: n, n_channels: channels, lengths, classes, step: given }) {
  const step = given === 1 ? null : given; // which counts time points
  const [low, high] = lengths.map((points) => (step ? timeText(points - 1, step) : String(points)));
  const long = low === high ? low : `${low} to ${high}`;
  const of = classes.length ? ` of ${count(classes.length, "label")}` : "";
  const rate = step && step < 1 ? `, ${Number((1 / step).toPrecision(3))}\u202fHz` : "";
  return `${count(n, "recording")}${of}, ${count(channels, "channel")}, ${long}${step ? "" : " time points"}${rate}.`;
}

/** Numbers of recordings by label: [label, n]. */
function labelSizes({ recordings }) {
  const sizes = new Map();
  for (const { label } of recordings) if (label !== null) sizes.set(label, (sizes.get(label) ?? 0) + 1);
  return [...sizes].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** What training will do with the recordings. */
function plan(sizes, { recordings }) {
  if (!sizes.length) return "Label one recording of each kind to train on them; four or more are better.";
  const all = sizes.reduce((sum, [, n]) => sum + n, 0);
  const tested = sizes.reduce((sum, [, n]) => sum + Math.floor(n / MIN_TESTED), 0);
  const kinds = list(sizes.slice(0, 8).map(([label, n]) => `${n} ${label}`)) + (sizes.length > 8 ? ", …" : "");
  const rest = recordings.length - all;
  return [
    `${kinds}: learns ${all - tested}${tested ? `, tests on the other ${tested}` : ""}.`,
    tested ? "" : "From five recordings of a label on, a fifth is held out as a test.",
    sizes.length === 1 ? "With a second label there is something to tell apart." : "",
    rest ? `${count(rest, "recording")} without a label ${rest === 1 ? "is" : "are"} recognised, not learned.` : "",
    state?.kind === "strokes" && state.classes.length
      ? "The new model replaces the classes you drew. You can undo that."
      : "",
  ]
    .filter(Boolean)
    .join(" ");
}
