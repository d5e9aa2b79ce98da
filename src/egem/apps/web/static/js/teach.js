// The view in which symbols become classes.

import { $, el } from "./dom.js";
import { api } from "./api.js";
import { Classes, undoable } from "./classes.js";
import { Lesson, hint } from "./lesson.js";
import { attempt, confirmed, note, say } from "./notice.js";
import { Pad, explainPen } from "./pad.js";
import { heard, listen, state } from "./store.js";
import { count, list, workWords } from "./words.js";

/** Set the view up; returns how other views hand drawings to it. */
export function setUp({ startLetters }) {
  const labels = () => (state?.kind === "strokes" ? state.classes.map(({ label }) => label) : []);
  const lesson = new Lesson(show);
  const pad = new Pad($("#teach-pad"), { label: "Draw an example", complete: taken });
  const classes = new Classes($("#classes"), (label) => {
    lesson.name.value = label;
    lesson.name.dispatchEvent(new Event("input"));
    pad.host.scrollIntoView({ block: "center" });
    pad.host.focus({ preventScroll: true });
  });
  explainPen($("#teach"));

  function taken(stroke) {
    lesson.add([stroke.toJSON()]);
    say(`${count(lesson.strokes.length, "example")} drawn`);
    pad.clear();
  }

  function show(current) {
    $("#lesson-hint").textContent = hint(current, labels());
    $("#lesson-teach").textContent = labels().includes(current.label) ? `Add to ${current.label}` : "Teach";
  }

  $("#lesson").addEventListener("submit", (event) => {
    event.preventDefault();
    pad.finish();
    if (!lesson.strokes.length) return want(pad.host, "Draw at least one example first.");
    if (!lesson.label) return want(lesson.name, "Give it a name first.");
    attempt(async () => {
      const { label, strokes } = lesson.send();
      try {
        heard(await api.teach(label, strokes));
      } catch (error) {
        lesson.failed();
        throw error;
      }
    });
  });

  function want(what, words) {
    $("#lesson-hint").textContent = words;
    say(words);
    what.focus();
  }

  $("#teach-clear").addEventListener("click", () => pad.erase());
  $("#undo").addEventListener("click", () =>
    attempt(async () => {
      const what = state.undo_what;
      heard(await api.undo());
      note(what ? `Undone: ${what}.` : "Undone.");
    }),
  );
  $("#model-load").addEventListener("click", () => $("#model-file").click());
  $("#model-file").addEventListener("change", ({ target }) =>
    attempt(async () => {
      const [file] = target.files;
      target.value = "";
      if (!file) return;
      const now = heard(await api.loadModel(file));
      note(
        `Loaded ${file.name}: ${list(now.classes.slice(0, 6).map(({ label }) => label))}${now.classes.length > 6 ? " and more" : ""}.`,
      );
    }),
  );
  $("#restart").addEventListener("click", async () => {
    const ok = await confirmed("Start over without any expert? Undo brings them back.", "Start over");
    if (ok) attempt(async () => heard(await api.start("nothing")));
  });

  const letters = $("#letters");
  letters.addEventListener("click", async () => {
    const none = state.classes.length === 0;
    if (
      none ||
      (await confirmed(
        "Put letters in the place of what is known here? Undo brings it back.",
        "Start with letters",
      ))
    )
      startLetters();
  });

  listen((now, before) => {
    letters.hidden = !now.letters_available;
    letters.disabled = now.busy != null;
    work(now.busy);
    if (!now.busy) settle(now, before?.busy);
    show(lesson);
    $("#lesson-teach").disabled = now.busy != null;
    $("#lesson-names").replaceChildren(...labels().map((label) => el("option", { value: label })));
    const undo = $("#undo");
    undo.disabled = !now.can_undo || now.busy != null;
    undo.title = now.undo_what ?? "";
    const none = now.classes.length === 0;
    $("#restart").disabled = none || now.busy != null;
    $("#model-save").hidden = none;
    $("#classes-empty").hidden = !none;
    if (now.version !== before?.version) classes.show(now);
  });

  function work(busy) {
    $("#work").hidden = !busy;
    if (!busy) return;
    $("#work-bar").value = busy.progress;
    $("#work-words").textContent = workWords(busy);
  }

  /** Once no work goes on: was what had been sent learned? The page may have been loaded anew meanwhile. */
  function settle(now, was) {
    if (lesson.sent && (now.failure || !labels().includes(lesson.sent.label))) return lesson.failed();
    if (lesson.sent) lesson.learned();
    if (now.failure) return;
    if (was?.what === "forget") return undoable(`A drawing of ${was.label} is removed.`);
    if (was?.what !== "teach") return;
    const see = { name: "Recognise", do: () => (location.hash = "recognise") };
    note(`${was.label} is known now.`, $("#guide").hidden ? see : null);
  }

  return {
    /** Take drawings as examples, and go there. */
    offer(strokes) {
      lesson.add(strokes);
      addEventListener("egem:view", () => lesson.name.focus(), { once: true });
      location.hash = "teach";
    },
  };
}
