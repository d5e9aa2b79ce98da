// Verdicts on recordings: what each was taken for, what the two best classes would give, and corrections.

import { $, el } from "./dom.js";
import { api } from "./api.js";
import { correction } from "./correction.js";
import { multiples } from "./multiples.js";
import { chance } from "./text.js";

const CHUNK = 8; // recordings of one request
const PAGE = 40; // verdicts shown at first, and more at a time

/** A list of verdicts; `teach(number, label)` corrects one. */
export class VerdictList {
  #turn = 0; // counts requests, so that no answer of an earlier model is shown
  #shown = PAGE;

  constructor(teach) {
    this.teach = teach;
    this.list = $("#verdicts");
    $("#verdicts-more").addEventListener("click", () => {
      this.#shown += PAGE;
      this.show(this.data);
    });
  }

  /** Classify the recordings to be recognised, and show the verdicts as they come. */
  async show(data) {
    this.data = data;
    const turn = ++this.#turn;
    const numbers = data.recordings.flatMap((one, i) => (one.new || one.label === null ? [i] : []));
    const all = numbers.slice(0, this.#shown);
    const rows = [];
    $("#verdicts-more").hidden = numbers.length === all.length;
    $("#verdicts-more").textContent = `Show more of ${numbers.length}`;
    for (let from = 0; from < all.length; from += CHUNK) {
      const { channels, verdicts } = await api.recognise(data.dataset_id, all.slice(from, from + CHUNK));
      if (turn !== this.#turn) return null;
      rows.push(...verdicts.map((verdict) => this.#row(verdict, channels)));
      if (from === 0) this.list.replaceChildren(...rows);
      else this.list.append(...rows.slice(from));
    }
    if (!all.length) this.list.replaceChildren();
    return all.length;
  }

  #row(verdict, channels) {
    const { recording: i, ranking, series, imagined } = verdict;
    const one = this.data.recordings[i];
    const [first, second] = ranking;
    const order = channels.map((name) => Math.max(this.data.channels.indexOf(name), 0));
    const layers = [
      ...imagined.map(({ channels: rows }, m) => ({ channels: rows, kind: m ? "second" : "first" })).reverse(),
      { channels: series.channels, kind: "case" },
    ];
    return el(
      "li",
      { class: "judged", "data-name": one.name },
      el(
        "div",
        { class: "facts" },
        el("p", { class: "soft" }, one.name),
        el("p", { class: verdict.unknown ? "name long unknown" : "name long" }, verdict.unknown ? "Unknown" : first.label),
        el(
          "ol",
          { class: "shares", "aria-label": "Probabilities" },
          ranking.slice(0, 3).map(({ label, probability }, m) => bar(label, probability, m)),
        ),
        el("p", { class: "soft" }, facts(verdict, one)),
        this.#correction(i, one, verdict),
      ),
      multiples(layers, {
        names: channels,
        ranges: order.map((c) => this.data.ranges[c]),
        step: this.data.step,
        duration: series.n_timepoints,
        title: `${one.name}, with what ${[first, second].filter(Boolean).map(({ label }) => label).join(" and ")} would give`,
        between: imagined.length > 1 ? imagined : null,
      }),
    );
  }

  #correction(i, one, { ranking, unknown }) {
    if (one.label !== null) return el("p", { class: "learned" }, `Labelled ${one.label}.`);
    const others = ranking.slice(unknown ? 0 : 1, 5).map(({ label }) => label);
    return correction(others, { name: one.name, unknown, teach: (label) => this.teach(i, label) });
  }
}

function bar(label, probability, m) {
  const fill = el("span", { class: "fill" });
  fill.style.width = `${100 * probability}%`;
  return el(
    "li",
    { class: ["first", "second"][m] ?? "other" },
    el("span", { class: "share-name" }, label),
    el("span", { class: "track" }, fill),
    el("span", { class: "share" }, chance(probability)),
  );
}

function facts({ unknown, p_value: p, ranking }, one) {
  const typical =
    unknown === null
      ? "One example a class does not tell what is usual."
      : unknown
        ? `It fits no class (p\u202f=\u202f${p.toFixed(3)}).`
        : `Usual for the class (p\u202f=\u202f${p.toFixed(2)}).`;
  const told = one.told === null ? "" : ` Its file says ${one.told}${one.told === ranking[0].label ? ", too" : ""}.`;
  return typical + told;
}
