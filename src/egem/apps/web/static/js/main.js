// The page as a whole: views, first state, what empty views offer.

import { $, el } from "./dom.js";
import { api } from "./api.js";
import { assign } from "./colours.js";
import * as data from "./data.js";
import * as guide from "./guide.js";
import * as inside from "./inside.js";
import { attempt, complain, quiet } from "./notice.js";
import * as recognise from "./recognise.js";
import { heard, listen, refresh, state } from "./store.js";
import * as teach from "./teach.js";
import { workWords } from "./words.js";

const VIEWS = ["recognise", "teach", "inside", "data"];

const letters = () =>
  attempt(async () => {
    heard(await api.start("letters"));
    location.hash = "recognise";
  });

/** What a view offers where there is no expert for drawings yet. */
function starts() {
  if (state?.busy) {
    const words = workWords(state.busy);
    return [el("p", {}, words), el("progress", { max: 1, value: state.busy.progress, "aria-label": words })];
  }
  if (state?.kind === "series" && state.classes.length) {
    return [
      el(
        "p",
        {},
        "The experts here were fitted on a file, and drawings are nothing to them. Undo or start over under Teach to draw again.",
      ),
    ];
  }
  return [
    el("p", {}, "There is no expert yet. Teach one with a few drawings; it takes seconds."),
    el(
      "div",
      { class: "row" },
      el("a", { class: "button main", href: "#teach" }, "Teach a symbol"),
      state?.letters_available
        ? el("button", { type: "button", onclick: letters }, "Start with letters")
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
  quiet();
  dispatchEvent(new CustomEvent("egem:view", { detail: view }));
}

listen((now, before) => {
  if (now.version !== before?.version) assign(now.classes.map(({ label }) => label));
  if (before?.busy && !now.busy && now.failure) complain(now.failure);
});
const seen = guide.setUp(letters);
const teaching = teach.setUp({ startLetters: letters });
recognise.setUp({ offer: teaching.offer, starts, recognised: seen });
inside.setUp({ starts });
data.setUp();
addEventListener("hashchange", show);
show();
refresh().catch((error) => (error.status === 401 ? lock(error) : complain(error)));

/** A server that others can reach asks for a token before it tells anything. */
function lock({ what, remedy }) {
  for (const part of document.querySelectorAll(".view, nav")) part.hidden = true;
  $("#locked-words").textContent = `${what} ${remedy}`;
  $("#locked").hidden = false;
  $("#token").focus();
}
