// A pen for the keyboard: space lowers and lifts it, arrows move it, Enter finishes, Escape clears.

const SPEED = 0.45; // widths per second
const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Moves a pad's pen while arrow keys are held. */
export class ArrowPen {
  #held = new Set();
  #down = false;
  #last = null;

  constructor(pad) {
    this.pad = pad;
    this.x = 0.5;
    this.y = (0.5 * pad.host.clientHeight) / pad.host.clientWidth || 0.5;
    pad.host.addEventListener("keydown", (event) => this.#press(event));
    pad.host.addEventListener("keyup", (event) => this.#held.delete(event.key));
    pad.host.addEventListener("blur", () => this.#leave());
    pad.canvas.addEventListener("pointerdown", () => this.#leave());
  }

  #press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in DIRECTIONS) {
      if (!this.#held.size) this.#start();
      this.#held.add(event.key);
    } else if (event.key === " ") {
      if (!event.repeat) this.#toggle();
    } else if (event.key === "Enter") {
      this.#leave();
      this.pad.finish();
    } else if (event.key === "Escape") {
      this.#leave();
      this.pad.erase();
    } else return;
    event.preventDefault();
  }

  #toggle() {
    this.#down = !this.#down;
    if (this.#down) this.pad.down(this.x, this.y, performance.now() / 1000);
    else this.pad.up();
    this.#show();
  }

  #leave() {
    this.#held.clear();
    if (this.#down) this.pad.up();
    this.#down = false;
    this.pad.cursor.hidden = true;
  }

  #start() {
    this.#last = performance.now();
    const step = (now) => {
      if (!this.#held.size) return;
      this.#move((Math.min(now - this.#last, 100) / 1000) * SPEED);
      this.#last = now;
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  #move(by) {
    if (by <= 0) return;
    const directions = [...this.#held].map((key) => DIRECTIONS[key]);
    const [dx, dy] = [0, 1].map((axis) => directions.reduce((sum, direction) => sum + direction[axis], 0));
    const length = Math.hypot(dx, dy);
    if (!length) return;
    const tall = this.pad.host.clientHeight / this.pad.host.clientWidth;
    this.x = Math.min(Math.max(this.x + (by * dx) / length, 0.02), 0.98);
    this.y = Math.min(Math.max(this.y + (by * dy) / length, 0.02), tall - 0.02);
    if (this.#down) this.pad.move(this.x, this.y, performance.now() / 1000);
    this.#show();
  }

  #show() {
    const { cursor, scale } = this.pad;
    cursor.hidden = false;
    cursor.classList.toggle("down", this.#down);
    cursor.style.transform = `translate(${this.x * scale}px, ${this.y * scale}px)`;
  }
}
