// The page: views, initial state, content of empty views.

import { $, el } from "./dom.js";
import { api } from "./api.js";
import { assign } from "./colours.js";
import * as data from "./data.js";
import * as guide from "./guide.js";
import * as inspection from "./inspection.js";
import { attempt, showError, clearNotices } from "./notices.js";
import * as recognition from "./recognition.js";
import { setState, listen, refresh, state } from "./state.js";
import * as stream from "./stream.js";
import * as training from "./training.js";
import { taskText } from "./text.js";

const VIEWS = ["recognise", "train", "stream", "inspect", "data"];

const startLetters = () =>
  attempt(async () => {
    setState(await api.start("letters"));
    location.hash = "recognise";
  });

/** Content of a view without classes to draw. */
function starts() {
  if (state?.busy) {
    const text = taskText(state.busy);
    return [el("p", {}, text), el("progress", { max: 1, value: state.busy.progress, "aria-label": text })];
  }
  if (state?.kind === "series" && state.classes.length) {
    return [
      el(
        "p",
        {},
        "The current model recognises recordings, not drawings. Use it under Your data, or undo or start over under Train to draw again.",
      ),
    ];
  }
  return [
    el("p", {}, "There are no classes yet. Train one with a few drawings; it takes seconds."),
    el(
      "div",
      { class: "row" },
      el("a", { class: "button main", href: "#train" }, "Add a class"),
      state?.letters_available
        ? el("button", { type: "button", onclick: startLetters }, "Start with letters")
        : null,
    ),
  ];
}

function show() {
  const asked = location.hash.slice(1);
  const view = VIEWS.includes(asked) ? asked : VIEWS[0];
  for (const id of VIEWS) $(`#${id}`).hidden = id !== view;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${$(`#${view} h1`).textContent} · egem`;
  scrollTo(0, 0);
  clearNotices();
  dispatchEvent(new CustomEvent("egem:view", { detail: view }));
}

listen((now, before) => {
  if (now.version !== before?.version) assign(now.classes.map(({ label }) => label));
  if (before?.busy && !now.busy && now.failure) showError(now.failure);
});
const onVerdict = guide.setUp(startLetters);
const { offer } = training.setUp({ startLetters });
recognition.setUp({ offer, starts, onVerdict });
inspection.setUp({ starts });
data.setUp();
stream.setUp({ starts });
addEventListener("hashchange", show);
// Another tab may have changed the model meanwhile.
const update = () => document.visibilityState === "visible" && state && refresh().catch(() => {});
document.addEventListener("visibilitychange", update);
addEventListener("focus", update);
show();
refresh().catch((error) => (error.status === 401 ? lock(error) : showError(error)));

/** Ask for the token that the server requires. */
function lock({ problem, remedy }) {
  for (const part of document.querySelectorAll(".view, nav")) part.hidden = true;
  $("#locked-text").textContent = `${problem} ${remedy}`;
  $("#locked").hidden = false;
  $("#token").focus();
}
