// The view that trains classes.

import { $, el } from "./dom.js";
import { api } from "./api.js";
import { Classes, undoable } from "./classes.js";
import { Examples, hint } from "./examples.js";
import { attempt, confirmed, note, announce } from "./notices.js";
import { Pad, explainPen } from "./pad.js";
import { setState, listen, state } from "./state.js";
import { count, list, showProgress, taskText } from "./text.js";

/** Set the view up; returns `offer`, which takes drawings from other views. */
export function setUp({ startLetters }) {
  const labels = () => (state?.kind === "strokes" ? state.classes.map(({ label }) => label) : []);
  const examples = new Examples(show);
  const pad = new Pad($("#train-pad"), { label: "Draw an example", onFinish: add });
  const classes = new Classes($("#classes"), (label) => {
    examples.name.value = label;
    examples.name.dispatchEvent(new Event("input"));
    pad.host.scrollIntoView({ block: "center" });
    pad.host.focus({ preventScroll: true });
  });
  explainPen($("#train"));

  function add(stroke) {
    examples.add([stroke.toJSON()]);
    announce(`${count(examples.strokes.length, "example")} drawn`);
    pad.clear();
  }

  function show(current) {
    $("#examples-hint").textContent = hint(current, labels());
    $("#train-go").textContent = labels().includes(current.label) ? `Add to ${current.label}` : "Train";
  }

  $("#examples").addEventListener("submit", (event) => {
    event.preventDefault();
    pad.finish();
    if (!examples.strokes.length) return require(pad.host, "Draw at least one example first.");
    if (!examples.label) return require(examples.name, "Enter a name first.");
    attempt(async () => {
      const { label, strokes } = examples.send();
      try {
        setState(await api.train(label, strokes));
      } catch (error) {
        examples.failed();
        throw error;
      }
    });
  });

  function require(element, text) {
    $("#examples-hint").textContent = text;
    announce(text);
    element.focus();
  }

  $("#train-clear").addEventListener("click", () => pad.erase());
  $("#undo").addEventListener("click", () =>
    attempt(async () => {
      const what = state.last_change;
      setState(await api.undo());
      note(what ? `Undone: ${what}.` : "Undone.");
    }),
  );
  $("#model-load").addEventListener("click", () => $("#model-file").click());
  $("#model-file").addEventListener("change", ({ target }) =>
    attempt(async () => {
      const [file] = target.files;
      target.value = "";
      if (!file) return;
      const now = setState(await api.loadModel(file));
      note(
        `Loaded ${file.name}: ${list(now.classes.slice(0, 6).map(({ label }) => label))}${now.classes.length > 6 ? " and more" : ""}.`,
      );
    }),
  );
  $("#restart").addEventListener("click", async () => {
    const ok = await confirmed("Remove all classes and start over? You can undo that.", "Start over");
    if (ok) attempt(async () => setState(await api.start("nothing")));
  });

  const letters = $("#letters");
  letters.addEventListener("click", async () => {
    const none = state.classes.length === 0;
    if (
      none ||
      (await confirmed(
        "Replace the current classes by letters? You can undo that.",
        "Start with letters",
      ))
    )
      startLetters();
  });

  listen((now, before) => {
    letters.hidden = !now.letters_available;
    letters.disabled = now.busy != null;
    showTask(now.busy);
    if (!now.busy) finish(now, before?.busy);
    show(examples);
    $("#train-go").disabled = now.busy != null;
    $("#class-names").replaceChildren(...labels().map((label) => el("option", { value: label })));
    const undo = $("#undo");
    undo.disabled = !now.can_undo || now.busy != null;
    undo.title = now.last_change ?? "";
    const none = now.classes.length === 0;
    $("#restart").disabled = none || now.busy != null;
    $("#model-save").hidden = none;
    $("#classes-empty").hidden = !none;
    if (now.version !== before?.version) classes.show(now);
  });

  function showTask(busy) {
    $("#task").hidden = !busy;
    if (!busy) return;
    showProgress($("#task-bar"), busy);
    $("#task-text").textContent = taskText(busy);
  }

  /** After a change: has training succeeded? The page may have been reloaded in the meantime. */
  function finish(now, was) {
    if (examples.sent && (now.failure || !labels().includes(examples.sent.label))) return examples.failed();
    if (examples.sent) examples.trained();
    if (now.failure) return;
    if (was?.what === "remove-case") return undoable(`A drawing of ${was.label} removed.`);
    if (was?.what !== "train") return;
    const see = { name: "Recognise", do: () => (location.hash = "recognise") };
    note(`${was.label} is trained.`, $("#guide").hidden ? see : null);
  }

  return {
    /** Take drawings as examples, and open this view. */
    offer(strokes) {
      examples.add(strokes);
      addEventListener("egem:view", () => examples.name.focus(), { once: true });
      location.hash = "train";
    },
  };
}
