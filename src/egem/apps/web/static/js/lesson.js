// The lesson under way: examples drawn so far and the name they are to have. Kept until taught.

import { $, el } from "./dom.js";
import { keep, kept } from "./keep.js";
import { picture } from "./picture.js";
import { count } from "./words.js";

const ENOUGH = 4; // examples that make a good expert

/** Examples and a name. `changed()` is called after every change. */
export class Lesson {
  strokes = [];
  sent = null; // {label, strokes} while the server teaches them

  constructor(changed) {
    this.changed = changed;
    this.name = $("#lesson-name");
    this.slots = $("#lesson-slots");
    const draft = kept("draft");
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

  /** Take an example away. */
  drop(i) {
    this.strokes.splice(i, 1);
    this.#store();
  }

  /** Hand the lesson over, until it is `learned` or has `failed`. */
  send() {
    this.sent = { label: this.label, strokes: this.strokes };
    this.strokes = [];
    this.name.value = "";
    this.#store();
    return this.sent;
  }

  /** What was sent is a class now. */
  learned() {
    this.sent = null;
    this.#store();
  }

  /** What was sent is not: it is there to be sent again. */
  failed() {
    this.strokes = [...this.sent.strokes, ...this.strokes];
    this.name.value ||= this.sent.label;
    this.learned();
  }

  #store() {
    const { strokes, sent } = this;
    const label = this.name.value;
    keep("draft", strokes.length || label || sent ? { label, strokes, sent } : null);
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
            class: "drop-one",
            "aria-label": `Remove example ${i + 1}`,
            onclick: () => this.drop(i),
          },
          "×",
        ),
      ),
    );
    const open = Math.max(ENOUGH - filled.length, 0);
    for (let i = 0; i < open; i++) filled.push(el("li", { class: "open", "aria-hidden": "true" }));
    this.slots.replaceChildren(...filled);
    this.slots.setAttribute("aria-label", count(this.strokes.length, "example drawn", "examples drawn"));
  }
}

/** What to do next, in plain words. */
export function hint({ strokes, label }, labels) {
  const n = strokes.length;
  if (labels.includes(label) && n) return `${count(n, "example")} more for ${label}, which is known already.`;
  if (n === 0)
    return "The surface takes one drawing after the other; rest the pen for a second between them.";
  if (n < ENOUGH) return `${count(n, "example")}. ${ENOUGH - n} more would be good, each a little different.`;
  return label ? "That is enough. More make it surer." : "That is enough. Now a name.";
}
