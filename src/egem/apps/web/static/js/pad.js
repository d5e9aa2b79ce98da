// The drawing surface: converts pointer events and arrow keys to strokes, and paints once per frame.

import { $, el } from "./dom.js";
import { drawLine } from "./ink.js";
import { inks } from "./colours.js";
import { ArrowPen } from "./arrowpen.js";
import { Stroke, isDrawing } from "./stroke.js";

const PAUSE = 900; // ms without the pen after which a drawing is finished

/**
 * A surface to draw on.
 *
 * Calls `onStart()` when a drawing begins, `onGrow(stroke)` as it grows, `onFinish(stroke)` after the pen
 * has rested, and `onErase()` when the user clears it. `paint(context, scale, colours, now)` draws over the
 * ink and returns whether it is still moving.
 */
export class Pad {
  #pointer = null;
  #timer = null;
  #frame = null;
  #finished = false;
  stroke = new Stroke();
  paint = () => false;

  constructor(
    host,
    { label, onStart = () => {}, onGrow = () => {}, onFinish = () => {}, onErase = () => {} },
  ) {
    Object.assign(this, { host, onStart, onGrow, onFinish, onErase });
    this.canvas = el("canvas", { "aria-hidden": "true" });
    this.cursor = el("span", { class: "nib", hidden: true });
    host.append(this.canvas, this.cursor);
    host.setAttribute("role", "application");
    host.setAttribute("aria-label", label);
    host.tabIndex = 0;
    this.colours = inks();
    addEventListener("egem:theme", () => {
      this.colours = inks();
      this.redraw();
    });
    new ResizeObserver(() => this.#resize()).observe(host);
    this.#listen();
    this.pen = new ArrowPen(this);
  }

  /** Width of the pad in CSS pixels. */
  get scale() {
    return this.host.clientWidth;
  }

  /** Whether the drawing is finished. */
  get finished() {
    return this.#finished;
  }

  /** Clear the pad. */
  clear() {
    clearTimeout(this.#timer);
    this.stroke = new Stroke();
    this.#finished = false;
    this.host.classList.remove("used");
    this.redraw();
  }

  /** Clear the pad at the user's request. */
  erase() {
    this.clear();
    this.onErase();
  }

  /** Show a finished drawing. */
  show(stroke) {
    this.clear();
    Object.assign(this.stroke, structuredClone(stroke));
    this.#finished = true;
    this.host.classList.add("used");
    this.redraw();
  }

  /** Paint in the next frame. */
  redraw() {
    this.#frame ??= requestAnimationFrame((now) => this.#draw(now));
  }

  /** Put the pen down; coordinates are in widths of the pad. */
  down(x, y, seconds) {
    clearTimeout(this.#timer);
    if (this.#finished || !this.stroke.length) {
      this.clear();
      this.onStart();
    }
    this.stroke.down(x, y, seconds);
    this.host.classList.add("used");
    this.#changed();
  }

  /** Move the pen that is down. */
  move(x, y, seconds) {
    if (this.stroke.move(x, y, seconds)) this.#changed();
  }

  /** Lift the pen; the drawing is finished unless the pen is put down again soon. */
  up() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.finish(), PAUSE);
  }

  /** Finish the drawing now. */
  finish() {
    clearTimeout(this.#timer);
    if (this.#finished) return;
    if (!isDrawing(this.stroke)) return this.clear();
    this.#finished = true;
    this.onFinish(this.stroke);
  }

  #changed() {
    this.onGrow(this.stroke);
    this.redraw();
  }

  #listen() {
    const at = (event) => {
      const box = this.canvas.getBoundingClientRect();
      return [
        (event.clientX - box.left) / box.width,
        (event.clientY - box.top) / box.width,
        event.timeStamp / 1000,
      ];
    };
    this.canvas.addEventListener("pointerdown", (event) => {
      if (this.#pointer !== null || event.button !== 0) return;
      event.preventDefault();
      this.host.focus({ preventScroll: true });
      this.#pointer = event.pointerId;
      this.canvas.setPointerCapture(event.pointerId);
      this.down(...at(event));
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (event.pointerId !== this.#pointer) return;
      const all = event.getCoalescedEvents?.() ?? [];
      for (const each of all.length ? all : [event]) this.move(...at(each));
    });
    for (const name of ["pointerup", "pointercancel"]) {
      this.canvas.addEventListener(name, (event) => {
        if (event.pointerId !== this.#pointer) return;
        this.#pointer = null;
        this.up();
      });
    }
  }

  #resize() {
    const ratio = devicePixelRatio || 1;
    this.canvas.width = Math.round(this.host.clientWidth * ratio);
    this.canvas.height = Math.round(this.host.clientHeight * ratio);
    this.redraw();
  }

  #draw(now) {
    this.#frame = null;
    const context = this.canvas.getContext("2d");
    const ratio = devicePixelRatio || 1;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.host.clientWidth, this.host.clientHeight);
    const { colours, scale, stroke } = this;
    if (stroke.length) drawLine(context, stroke, scale, { colour: colours.ink, width: 5 });
    if (this.paint(context, scale, colours, now)) this.redraw();
  }
}

/** Explain the keyboard controls below a pad. */
export function explainPen(view) {
  $(".pen-help", view).textContent =
    "Keyboard: space lowers and lifts the pen, arrows move it, Enter finishes, Escape clears.";
}
