// A recording that runs: traces of its channels, the events found in it, and a position that moves.

import { $, el } from "./dom.js";
import { eventColour } from "./eventlist.js";
import { multiples, rangesOf, timeText } from "./multiples.js";

const LONGEST = 20; // seconds that a run lasts at most
const PACES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
const RATE = 50; // time points a second, where the recording does not say
const EVENT_WIDTH = 56; // px of a usual event
const MAX_WIDTH = 9000; // px

/** Shows one recording; `moved(time)` is called with the time up to which it has run. */
export class Run {
  #frame = null;

  constructor(moved) {
    this.moved = moved;
    this.root = $("#run");
    this.play = $("#run-play");
    this.slider = $("#run-position");
    this.view = $("#run-view");
    this.play.addEventListener("click", () => (this.#frame === null ? this.#start() : this.stop()));
    this.slider.addEventListener("input", () => {
      this.stop();
      this.#to(Number(this.slider.value));
    });
  }

  /** Show a recording and all of its events. */
  show({ name, channels: names, step, series, notes, events }) {
    this.stop();
    this.step = step ?? 1;
    this.end = (series.n_timepoints - 1) * this.step;
    const seconds = step && step !== 1 ? this.end : this.end / RATE;
    this.pace = PACES.find((pace) => seconds / pace <= LONGEST) ?? seconds / LONGEST;
    this.speed = (this.pace * this.end) / seconds; // units of its time a second
    $("#run-name").textContent = name;
    $("#run-notes").textContent = notes.join(" ");
    const at = (time) => `${(100 * time) / this.end}%`;
    const placed = (element, { label, start, end }) => {
      element.style.setProperty("--mine", eventColour(label));
      element.style.left = at(start);
      element.style.width = at(end - start);
      return element;
    };
    this.events = events.map((event) => ({
      event,
      marks: [
        placed(el("span", { class: "mark", title: event.label }, event.label), event),
        placed(el("span", { class: "band" }), event),
      ],
    }));
    this.cursor = el("span", { class: "cursor" });
    const traces = multiples([{ channels: series.channels, kind: "case" }], {
      names,
      ranges: rangesOf([series]),
      step,
      duration: series.n_timepoints,
      title: `${name}, ${timeText(series.n_timepoints - 1, step)}, with ${events.length} events`,
    });
    // The names stay where they are when the traces scroll.
    const rows = [...traces.querySelectorAll(".channel")].map((row) => el("div", {}, [...row.querySelectorAll("span")]));
    const over = el("div", { class: "over", "aria-hidden": "true" }, this.events.flatMap(({ marks }) => marks), this.cursor);
    const spans = events.map(({ start, end }) => end - start).sort((a, b) => a - b);
    const usual = spans[Math.floor(spans.length / 2)] ?? this.end;
    const traced = el("div", { class: "traced" }, traces, over);
    traced.style.minWidth = `${Math.min(Math.round((EVENT_WIDTH * this.end) / usual), MAX_WIDTH)}px`;
    this.view.replaceChildren(traced);
    $("#run-names").className = `names ${traces.className}`;
    $("#run-names").replaceChildren(...rows);
    this.slider.max = this.end;
    this.root.hidden = false;
    this.#to(this.end);
  }

  /** Hide it. */
  clear() {
    this.stop();
    this.root.hidden = true;
    this.view.replaceChildren();
  }

  /** Stand still. */
  stop() {
    cancelAnimationFrame(this.#frame);
    this.#frame = null;
    this.play.textContent = "Play";
  }

  #start() {
    if (this.at >= this.end) this.#to(0);
    this.play.textContent = "Pause";
    let last = null;
    const step = (now) => {
      this.#to(Math.min(this.at + (last === null ? 0 : ((now - last) / 1000) * this.speed), this.end));
      last = now;
      this.#follow();
      if (this.at < this.end) this.#frame = requestAnimationFrame(step);
      else this.stop();
    };
    this.#frame = requestAnimationFrame(step);
  }

  #to(time) {
    this.at = time;
    this.slider.value = time;
    this.cursor.style.left = `${(100 * time) / this.end}%`;
    this.cursor.hidden = time >= this.end;
    for (const { event, marks } of this.events)
      for (const mark of marks) mark.hidden = event.emitted > time && time < this.end;
    const text = `${timeText(time / this.step, this.step)} of ${timeText(this.end / this.step, this.step)}`;
    const fast = this.pace > 1 ? `, ${Math.round(this.pace)}\u202f× as fast` : "";
    $("#run-time").textContent = text + fast;
    this.slider.setAttribute("aria-valuetext", text);
    this.moved(time >= this.end ? Infinity : time);
  }

  /** Keep the position in view. */
  #follow() {
    const x = this.cursor.offsetLeft;
    const { clientWidth } = this.view;
    if (this.view.scrollWidth > clientWidth) this.view.scrollLeft = x - 0.6 * clientWidth;
  }
}
