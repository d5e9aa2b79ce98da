// The uploaded recordings: every one drawn, labelled and cut in place, or several labelled at once.

import { $, el } from "./dom.js";
import { multiples, timeText } from "./multiples.js";
import { count } from "./text.js";

const PAGE = matchMedia("(max-width: 40rem)").matches ? 8 : 24; // recordings shown at first, and more at a time

/** Cards of recordings; `edit(numbers, changes)` sends what the user changes. */
export class Recordings {
  #shown = PAGE;
  #cards = new Map(); // number -> {root, label, pick, cut}
  #picked = new Set();
  #data = null;

  constructor(edit) {
    this.edit = edit;
    this.list = $("#cards");
    this.together = $("#label-all");
    $("#cards-more").addEventListener("click", () => {
      this.#shown += 2 * PAGE;
      this.#build();
    });
    $("#pick-all").addEventListener("change", ({ target }) => {
      this.#picked = new Set(target.checked ? this.#numbers() : []);
      this.#showPicked();
    });
    $("#label-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const label = this.together.value.trim() || null;
      this.edit([...this.#picked], { label });
      this.#picked.clear();
      this.together.value = "";
      this.#showPicked();
    });
  }

  /** Show recordings. New ones without a label are picked, so that they can be labelled together. */
  show(data, suggestion = null) {
    const before = this.#data;
    this.#data = data;
    const same = before?.dataset_id === data.dataset_id && this.#numbers().every((i) => this.#cards.has(i) || i >= this.#shown);
    if (same) for (const [i, card] of this.#cards) this.#update(card, data.recordings[i]);
    else this.#build();
    if (suggestion !== null) {
      const first = before?.recordings.length ?? 0;
      const fresh = this.#numbers().filter((i) => i >= first && data.recordings[i].label === null);
      this.#picked = new Set(fresh);
      this.together.value = fresh.length ? suggestion : "";
      this.#showPicked();
    }
    $("#labels").replaceChildren(...data.classes.map((label) => el("option", { value: label })));
  }

  /** Numbers of the recordings that are learned, or might be: not those sent to be recognised. */
  #numbers() {
    return this.#data.recordings.flatMap(({ new: added, label }, i) => (added && label === null ? [] : [i]));
  }

  #build() {
    const numbers = this.#numbers();
    this.#picked = new Set(numbers.filter((i) => this.#picked.has(i)));
    this.#cards = new Map(numbers.slice(0, this.#shown).map((i) => [i, this.#card(i)]));
    this.list.replaceChildren(...[...this.#cards.values()].map(({ root }) => root));
    const rest = numbers.length - this.#cards.size;
    $("#cards-more").hidden = rest === 0;
    $("#cards-more").textContent = `Show ${Math.min(rest, 2 * PAGE)} of ${rest} more`;
    this.#showPicked();
  }

  #card(i) {
    const one = this.#data.recordings[i];
    const { channels: names, ranges, step } = this.#data;
    const pick = el("input", { type: "checkbox", "aria-label": `Select ${one.name}` });
    pick.addEventListener("change", () => {
      if (pick.checked) this.#picked.add(i);
      else this.#picked.delete(i);
      this.#showPicked();
    });
    const label = el("input", {
      class: "label",
      list: "labels",
      maxlength: 40,
      autocomplete: "off",
      placeholder: "no label",
      "aria-label": `Label of ${one.name}`,
    });
    label.addEventListener("change", () => this.edit([i], { label: label.value.trim() || null }));
    const picture = multiples([{ channels: one.channels, kind: "case" }], {
      names,
      ranges,
      step,
      duration: one.n_timepoints,
      title: `${one.name}: ${count(names.length, "channel")}, ${timeText(one.n_timepoints - 1, step)}`,
    });
    const cut = new Cut(one, step, (changes) => this.edit([i], changes));
    const card = {
      label,
      pick,
      cut,
      root: el(
        "li",
        { class: "recording" },
        el("div", { class: "row" }, el("label", { class: "pick" }, pick, el("span", {}, one.name)), label),
        el("div", { class: "cuttable" }, picture, cut.shades),
        cut.root,
      ),
    };
    this.#update(card, one);
    return card;
  }

  #update({ label, cut, root }, one) {
    if (document.activeElement !== label) label.value = one.label ?? "";
    cut.set(one.start, one.end);
    root.classList.toggle("unlabelled", one.label === null);
  }

  #showPicked() {
    for (const [i, { pick }] of this.#cards) pick.checked = this.#picked.has(i);
    const n = this.#picked.size;
    const all = this.#numbers().length;
    const box = $("#pick-all");
    box.checked = n > 0 && n === all;
    box.indeterminate = n > 0 && n < all;
    $("#picked").textContent = n ? `${n} of ${all} selected` : "Select all";
    $("#label-go").disabled = n === 0;
  }
}

/** Two handles that cut a recording at its ends. */
class Cut {
  constructor({ name, n_timepoints: n }, step, changed) {
    Object.assign(this, { n, step });
    const handle = (what) =>
      el("input", { type: "range", min: 0, max: n - 1, step: 1, "aria-label": `${what} of ${name}` });
    this.start = handle("Start");
    this.end = handle("End");
    this.text = el("span", { class: "soft" });
    this.before = el("div", { class: "shade" });
    this.after = el("div", { class: "shade after" });
    this.shades = el("div", { class: "shades", "aria-hidden": "true" }, this.before, this.after);
    this.root = el("div", { class: "cut" }, el("div", { class: "handles" }, this.start, this.end), this.text);
    const least = Math.min(2, n) - 1; // time points between first and last
    this.start.addEventListener("input", () => {
      this.start.value = Math.min(this.start.valueAsNumber, this.end.valueAsNumber - least);
      this.#show();
    });
    this.end.addEventListener("input", () => {
      this.end.value = Math.max(this.end.valueAsNumber, this.start.valueAsNumber + least);
      this.#show();
    });
    for (const input of [this.start, this.end])
      input.addEventListener("change", () =>
        changed({ start: this.start.valueAsNumber, end: this.end.valueAsNumber + 1 }),
      );
  }

  set(start, end) {
    this.start.value = start;
    this.end.value = end - 1;
    this.#show();
  }

  #show() {
    const [from, to] = [this.start.valueAsNumber, this.end.valueAsNumber];
    const share = (point) => `${(100 * point) / Math.max(this.n - 1, 1)}%`;
    this.before.style.width = share(from);
    this.after.style.width = share(this.n - 1 - to);
    const whole = from === 0 && to === this.n - 1;
    this.text.textContent = whole
      ? `all of it, ${timeText(to, this.step)}`
      : `${timeText(from, this.step)} to ${timeText(to, this.step)}`;
    for (const [input, point] of [[this.start, from], [this.end, to]])
      input.setAttribute("aria-valuetext", timeText(point, this.step));
  }
}
