// The view into a class's expert: code space, training cases, loss along the last drawing, confusions.

import { $, el } from "./dom.js";
import { api } from "./api.js";
import { casesOf, pictures } from "./classes.js";
import { CodePad, boxOf } from "./codepad.js";
import { showConfusions } from "./confusion.js";
import { showHeat } from "./heat.js";
import { load } from "./storage.js";
import { latest } from "./latest.js";
import { multiples, rangesOf } from "./multiples.js";
import { attempt } from "./notices.js";
import { picture } from "./picture.js";
import { listen, state } from "./state.js";

/** Set the view up. */
export function setUp({ starts }) {
  const select = $("#inspect-class");
  let shown = null; // version of the model and time of the last drawing that are shown
  let box = null; // common scale of the expert's pictures
  let ranges = null; // of the channels of its training cases, for recordings

  const imagine = latest(async (label, at) => {
    const { imagined } = await api.imagine(label, [at]);
    if (label !== select.value) return;
    const title = `decoded by ${label}`;
    $("#imagined").classList.toggle("series", Boolean(imagined[0].channels));
    $("#imagined").replaceChildren(
      imagined[0].channels ? byChannel(imagined[0], ranges, title) : picture(imagined[0], { box, title }),
    );
    $("#imagined-text").textContent =
      `Decoded at ${at.map((value) => value.toFixed(2)).join(", ")}.`;
  });
  const pad = new CodePad($("#codes"), (at) => attempt(() => imagine(select.value, at)));
  const open = latest(openClass);

  async function openClass(label) {
    box = null;
    const [codes, cases] = await Promise.all([api.codes(label), casesOf(label, state.version)]);
    pad.show(codes);
    ranges = cases[0].channels ? rangesOf(cases) : null;
    $("#cases").className = ranges ? "cards" : "thumbs";
    $("#cases").replaceChildren(
      ...(ranges
        ? cases.map((one, i) => el("li", { class: "recording" }, byChannel(one, ranges, `${label}, case ${i + 1}`)))
        : pictures(cases, `${label}, case`).map((one) => el("li", {}, one))),
    );
    const { imagined } = await api.imagine(label, pad.places());
    box = boxOf(imagined);
    pad.draw(imagined, box);
    await imagine(label, pad.at);
  }

  async function showLast() {
    const last = load("last");
    const host = $("#heat");
    host.closest("section").hidden = state.kind === "series";
    if (!last || state.kind !== "strokes") {
      host.replaceChildren(
        el(
          "p",
          { class: "soft" },
          "Draw something under Recognise to see here where it deviates from its reconstruction.",
        ),
      );
      return;
    }
    const verdict = await api.classify(last);
    const neighbours = await Promise.all(
      verdict.neighbours.map(async ({ label, case: i }) => {
        const stroke = (await casesOf(label, state.version))[i];
        return { label, stroke };
      }),
    );
    showHeat(
      host,
      verdict,
      neighbours.filter(({ stroke }) => stroke),
    );
  }

  async function update() {
    if ($("#inspect").hidden || !state) return;
    const labels = state.classes.map(({ label }) => label);
    const empty = labels.length === 0;
    $("#inspect-all").hidden = empty;
    $("#inspect-empty").hidden = !empty;
    if (empty) return $("#inspect-empty").replaceChildren(...starts());
    const now = JSON.stringify([state.version, load("last")?.t]);
    if (now === shown) return;
    shown = now;
    const chosen = labels.includes(select.value) ? select.value : labels[0];
    select.replaceChildren(...labels.map((label) => el("option", { value: label }, label)));
    select.value = chosen;
    attempt(() => open(chosen));
    attempt(showLast);
    attempt(async () =>
      showConfusions(
        $("#confused"),
        await api.confusions(),
        async (label, i) => (await casesOf(label, state.version))[i],
      ),
    );
  }

  select.addEventListener("change", () => attempt(() => open(select.value)));
  addEventListener("egem:view", update);
  listen(update);
}

/** A recording by channel. */
function byChannel(one, ranges, title) {
  const names = state.channel_names ?? one.channels.map((_, c) => `channel ${c + 1}`);
  const layers = [{ channels: one.channels, kind: "case" }];
  return multiples(layers, { names, ranges, step: state.step, duration: one.n_timepoints, title });
}
