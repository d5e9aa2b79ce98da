// A drawing: positions of the pen in widths of the pad, y down, with times.

const MIN_STEP = 0.002; // smaller movements are not visible
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

  /** Move the pen; returns whether a point was added. */
  move(x, y, seconds) {
    const last = this.length - 1;
    if (Math.hypot(x - this.x[last], y - this.y[last]) < MIN_STEP) return false;
    this.#push(x, y, seconds);
    return true;
  }

  /** Forget the oldest points where there are more than `most`, a quarter at a time. */
  keep(most) {
    if (this.length <= most) return;
    const n = Math.ceil(most / 4);
    for (const values of [this.x, this.y, this.t]) values.splice(0, n);
    this.lifts = this.lifts.map((i) => i - n).filter((i) => i > 0);
  }

  #push(x, y, seconds) {
    this.start ??= seconds;
    this.x.push(round(x));
    this.y.push(round(y));
    this.t.push(round(seconds - this.start));
  }

  /** The form that is sent and stored. */
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

/** Smallest and largest number; there may be too many for Math.min(...values). */
export function extent(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

/** The segments between pen lifts, as pairs of indices [from, to). */
export function segments({ x, lifts = [] }) {
  const starts = [0, ...lifts, x.length];
  return starts
    .slice(1)
    .map((to, i) => [starts[i], to])
    .filter(([from, to]) => to > from);
}
