// The events found in a stream, the newest first, each beside an example of its class; saved as csv.

import { $, el } from "./dom.js";
import { casesOf } from "./classes.js";
import { colour, slots } from "./colours.js";
import { rangesOf, short } from "./multiples.js";
import { picture } from "./picture.js";
import { state } from "./state.js";
import { chance } from "./text.js";

const COLUMNS = ["label", "start", "end", "emitted", "probability", "p_value"];
const MAX_LANES = 4; // channels of a small picture

/** A list of events; `found(event)` returns what was found, to be pictured. */
export class EventList {
  #rows = []; // {event, root}, in the order in which they were found

  constructor() {
    this.list = $("#events");
    this.empty = $("#events-empty");
    this.key = $("#events-key");
    this.save = $("#events-save");
    this.save.addEventListener("click", () => download("events.csv", csv(this.#rows.map(({ event }) => event))));
  }

  /** Begin an empty list; `unit` is that of times, `hint` says what will fill it. */
  begin(found, unit, hint) {
    Object.assign(this, { found, unit });
    this.#rows = [];
    this.list.replaceChildren();
    this.empty.textContent = hint;
    this.#update();
  }

  /** Add events. */
  add(events) {
    for (const event of events) {
      const root = this.#row(event);
      this.#rows.push({ event, root });
      this.list.prepend(root);
    }
    this.#update();
  }

  /** Show only the events that were found until then; returns how many. */
  until(time) {
    for (const { event, root } of this.#rows) root.hidden = event.emitted > time;
    return this.#update();
  }

  #update() {
    const n = this.#rows.filter(({ root }) => !root.hidden).length;
    this.empty.hidden = n > 0;
    this.key.hidden = this.#rows.length === 0;
    this.save.disabled = this.#rows.length === 0;
    return n;
  }

  #row(event) {
    const { label, start, end, probability, p_value: p } = event;
    const pictures = el("div", { class: "pair" });
    casesOf(label, state.version)
      .then(([example]) => {
        const pair = [this.found(event), example].map(lanes);
        const box = example.channels ? rangesOf(pair) : null;
        const titles = ["found", `example of ${label}`];
        pictures.append(...pair.map((what, i) => picture(what, { box, title: titles[i] })));
      })
      .catch(() => {}); // the class was removed in the meantime
    const root = el(
      "li",
      { class: "event" },
      pictures,
      el(
        "div",
        { class: "info" },
        el("div", { class: "row" }, el("strong", {}, label), el("span", { class: "share" }, chance(probability))),
        el("p", { class: "soft" }, `${span(start, end, this.unit)}, p\u202f=\u202f${p.toFixed(2)}`),
      ),
    );
    root.style.setProperty("--mine", eventColour(label));
    return root;
  }
}

/** The colour of a class's events. */
export const eventSlot = (label) => slots(state.classes.map((each) => each.label)).get(label) ?? 0;
export const eventColour = (label) => colour(eventSlot(label));

const lanes = (what) => (what.channels ? { channels: what.channels.slice(0, MAX_LANES) } : what);

/** "0.82 to 1.93 s" */
function span(start, end, unit) {
  const [a, b] = unit === "s" && end < 100 ? [start.toFixed(1), end.toFixed(1)] : [short(start), short(end)];
  return `${a} to ${b}${unit && `\u202f${unit}`}`;
}

function csv(events) {
  const cell = (value) => {
    if (typeof value === "number") return String(Number(value.toPrecision(6)));
    const text = /^[=+\-@\t]/.test(value) ? `'${value}` : value; // no formula for a spreadsheet
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [COLUMNS, ...events.map((event) => COLUMNS.map((name) => event[name]))]
    .map((row) => row.map(cell).join(",") + "\n")
    .join("");
}

function download(name, text) {
  const link = el("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
