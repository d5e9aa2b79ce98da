// A drawing: where the pen was and when, in widths of the pad, y down.

const NEAR = 0.002; // points nearer than this to the last one add nothing that can be seen
const round = (value) => Math.round(value * 1e4) / 1e4;

/** A drawing that grows. */
export class Stroke {
  x = [];
  y = [];
  t = []; // seconds since the first point
  lifts = []; // indices at which the pen was put down again

  get length() {
    return this.x.length;
  }

  /** Put the pen down, the first time or again. */
  down(x, y, seconds) {
    if (this.length) this.lifts.push(this.length);
    this.#push(x, y, seconds);
  }

  /** Move the pen; returns whether it got anywhere. */
  move(x, y, seconds) {
    const last = this.length - 1;
    if (Math.hypot(x - this.x[last], y - this.y[last]) < NEAR) return false;
    this.#push(x, y, seconds);
    return true;
  }

  #push(x, y, seconds) {
    this.start ??= seconds;
    this.x.push(round(x));
    this.y.push(round(y));
    this.t.push(round(seconds - this.start));
  }

  /** What is sent and kept. */
  toJSON() {
    const { x, y, t, lifts } = this;
    return { x, y, t, lifts };
  }
}

/** Whether a drawing is more than a dot. */
export function isDrawing({ x, y }) {
  const [left, right] = extent(x);
  const [top, bottom] = extent(y);
  return x.length > 2 && Math.max(right - left, bottom - top) > 0.02;
}

/** Smallest and largest of numbers; there may be too many of them to spread. */
export function extent(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

/** The pieces between which the pen was lifted, as pairs of indices [from, to). */
export function pieces({ x, lifts = [] }) {
  const starts = [0, ...lifts, x.length];
  return starts
    .slice(1)
    .map((to, i) => [starts[i], to])
    .filter(([from, to]) => to > from);
}
