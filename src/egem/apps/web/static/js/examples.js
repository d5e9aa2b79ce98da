// Examples of the class to be trained, and its name. Stored in the browser until training is done.

import { $, el } from "./dom.js";
import { load, save } from "./storage.js";
import { picture } from "./picture.js";
import { count } from "./text.js";

const RECOMMENDED = 4; // examples per class

/** Examples and a name; calls `changed()` after every change. */
export class Examples {
  strokes = [];
  sent = null; // {label, strokes} while the server trains

  constructor(changed) {
    this.changed = changed;
    this.name = $("#class-name");
    this.slots = $("#examples-slots");
    const draft = load("draft");
    if (draft) {
      this.strokes = draft.strokes;
      this.name.value = draft.label;
      this.sent = draft.sent;
    }
    this.name.addEventListener("input", () => this.#store());
    this.#store();
  }

  get label() {
    return this.name.value.trim();
  }

  /** Add examples. */
  add(strokes) {
    this.strokes.push(...strokes);
    this.#store();
  }

  /** Remove an example. */
  remove(i) {
    this.strokes.splice(i, 1);
    this.#store();
  }

  /** Return the examples for training, until it is `trained` or has `failed`. */
  send() {
    this.sent = { label: this.label, strokes: this.strokes };
    this.strokes = [];
    this.name.value = "";
    this.#store();
    return this.sent;
  }

  /** Training has succeeded. */
  trained() {
    this.sent = null;
    this.#store();
  }

  /** Training has failed: restore the examples. */
  failed() {
    this.strokes = [...this.sent.strokes, ...this.strokes];
    this.name.value ||= this.sent.label;
    this.trained();
  }

  #store() {
    const { strokes, sent } = this;
    const label = this.name.value;
    save("draft", strokes.length || label || sent ? { label, strokes, sent } : null);
    this.#show();
    this.changed(this);
  }

  #show() {
    const filled = this.strokes.map((stroke, i) =>
      el(
        "li",
        {},
        picture(stroke, { title: `example ${i + 1}` }),
        el(
          "button",
          {
            type: "button",
            class: "remove-one",
            "aria-label": `Remove example ${i + 1}`,
            onclick: () => this.remove(i),
          },
          "×",
        ),
      ),
    );
    const open = Math.max(RECOMMENDED - filled.length, 0);
    for (let i = 0; i < open; i++) filled.push(el("li", { class: "open", "aria-hidden": "true" }));
    this.slots.replaceChildren(...filled);
    this.slots.setAttribute("aria-label", count(this.strokes.length, "example drawn", "examples drawn"));
  }
}

/** What to do next. */
export function hint({ strokes, label }, labels) {
  const n = strokes.length;
  if (labels.includes(label) && n) return `${count(n, "example")} to add to ${label}.`;
  if (n === 0)
    return "Draw one example after the other, with a pause of a second between them.";
  if (n < RECOMMENDED) return `${count(n, "example")}. Draw ${RECOMMENDED - n} more, each a little different.`;
  return label ? "That is enough; more examples make it more accurate." : "That is enough. Now enter a name.";
}
