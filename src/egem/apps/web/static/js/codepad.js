// A plane through an expert's code space: decoded pictures, the training cases, and a movable ring.

import { el, svg } from "./dom.js";
import { rangesOf } from "./multiples.js";
import { extent } from "./stroke.js";
import { picture } from "./picture.js";

const GRID = 7; // pictures along a side
const STEP = 0.02; // of the range, for one press of an arrow key; five times that with shift
const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

/** The pad; calls `moved(at)` with the two coordinates of the ring. */
export class CodePad {
  constructor(host, moved) {
    this.host = host;
    this.moved = moved;
    this.map = el("div", { class: "map", "aria-hidden": "true" });
    this.points = svg("svg", { class: "points", viewBox: "0 0 100 100", "aria-hidden": "true" });
    this.ring = el("button", {
      type: "button",
      class: "ring",
      "aria-label": "Position in the code space",
      "aria-describedby": "imagined-text",
    });
    host.append(this.map, this.points, this.ring);
    this.ring.addEventListener("keydown", (event) => this.#press(event));
    host.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      host.setPointerCapture(event.pointerId);
      this.ring.focus({ preventScroll: true });
      this.#point(event);
    });
    host.addEventListener("pointermove", (event) => {
      if (host.hasPointerCapture(event.pointerId)) this.#point(event);
    });
  }

  /** Show a plane as GET codes returns it, with the ring at its centre. */
  show({ directions, centre, points }) {
    this.directions = directions;
    this.centre = centre;
    this.map.replaceChildren();
    this.points.replaceChildren(
      ...points.map(({ at }) => {
        const [cx, cy] = this.#shares(at).map((share) => 100 * share);
        return svg("circle", { cx, cy: 100 - cy, r: 1.6 });
      }),
    );
    this.move(centre);
  }

  /** The coordinates of the map's pictures, row by row from the top. */
  places() {
    const shares = Array.from({ length: GRID }, (_, i) => (i + 0.5) / GRID);
    return shares.flatMap((down) => shares.map((right) => this.#place([right, 1 - down])));
  }

  /** Show the pictures for `places`. */
  draw(imagined, box) {
    this.map.replaceChildren(...imagined.map((one) => picture(one, { box })));
  }

  /** Move the ring. */
  move(at) {
    this.at = at.map((value, axis) =>
      Math.min(Math.max(value, this.directions[axis].low), this.directions[axis].high),
    );
    const [right, up] = this.#shares(this.at);
    this.ring.style.left = `${100 * right}%`;
    this.ring.style.top = `${100 - 100 * up}%`;
    this.moved(this.at);
  }

  #shares(at) {
    return at.map((value, axis) => {
      const { low, high } = this.directions[axis];
      return high > low ? (value - low) / (high - low) : 0.5;
    });
  }

  #place(shares) {
    return shares.map((share, axis) => {
      const { low, high } = this.directions[axis];
      return low + share * (high - low);
    });
  }

  #point(event) {
    const box = this.host.getBoundingClientRect();
    this.move(
      this.#place([(event.clientX - box.left) / box.width, 1 - (event.clientY - box.top) / box.height]),
    );
  }

  #press(event) {
    const direction = DIRECTIONS[event.key];
    if (!direction && event.key !== "Home") return;
    event.preventDefault();
    if (!direction) return this.move(this.centre);
    const by = (event.shiftKey ? 5 : 1) * STEP;
    this.move(this.#place(this.#shares(this.at).map((share, axis) => share + by * direction[axis])));
  }
}

/** A common scale for all pictures of an expert: the bounding box of the decoded sequences. */
export function boxOf(imagined) {
  if (imagined[0].channels) return rangesOf(imagined);
  const axes = ["x", "y"].map((axis) => extent(imagined.flatMap((one) => extent(one[axis]))));
  return axes.flat();
}
