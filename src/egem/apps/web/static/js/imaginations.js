// The best classes' reconstructions over the ink: thin behind the pen, dashed ahead of it.

import { calm } from "./dom.js";
import { dash, slots } from "./colours.js";
import { drawLine, drawTag, placeTags } from "./ink.js";

const MAX_SHOWN = 3; // classes
const MIN_PROBABILITY = 0.02; // of a class that is drawn
const TIME_CONSTANT = 70; // ms of a line's approach to its new position
const TOLERANCE = 5e-4; // distance, in widths, at which a line has arrived

/** Lines that move smoothly from one answer to the next. */
export class Imaginations {
  #lines = new Map(); // label -> line
  #last = 0;

  /** Show a new answer. */
  update(ranking, done) {
    const shown = ranking
      .slice(0, MAX_SHOWN)
      .filter(({ probability, imagined }) => imagined && probability >= MIN_PROBABILITY);
    const slot = slots(ranking.map(({ label }) => label));
    const old = this.#lines;
    this.#lines = new Map(
      shown.map(({ label, probability, imagined, ahead_from: ahead }) => {
        const before = old.get(label);
        const same = before?.x.length === imagined.x.length;
        return [
          label,
          {
            label,
            slot: slot.get(label),
            goal: imagined,
            lifts: imagined.lifts ?? [],
            x: same ? before.x : [...imagined.x],
            y: same ? before.y : [...imagined.y],
            ahead: done ? imagined.x.length : ahead,
            aim: done ? probability : 0.15 + 0.85 * Math.sqrt(probability),
            alpha: before?.alpha ?? 0,
            done,
          },
        ];
      }),
    );
    for (const [label, line] of old) {
      if (!this.#lines.has(label) && line.alpha > 0.03)
        this.#lines.set(label, { ...line, aim: 0, goal: line });
    }
  }

  /** Fade all lines. */
  fade() {
    for (const line of this.#lines.values()) line.aim = 0;
  }

  /** Remove all lines. */
  clear() {
    this.#lines.clear();
  }

  /** Draw the lines; returns whether any is still moving. */
  paint(context, scale, colours, now) {
    const part = calm() ? 1 : 1 - Math.exp(-Math.min(now - this.#last, 100) / TIME_CONSTANT);
    this.#last = now;
    let moving = false;
    for (const line of this.#lines.values()) moving = this.#approach(line, part) || moving;
    for (const [label, line] of this.#lines)
      if (line.aim === 0 && line.alpha < 0.02) this.#lines.delete(label);
    const lines = [...this.#lines.values()].sort((a, b) => a.alpha - b.alpha);
    for (const line of lines) this.#draw(context, line, scale, colours);
    const tags = lines
      .filter((line) => line.aim > 0.1 && !line.done)
      .reverse()
      .map((line) => ({
        line,
        text: line.label,
        x: line.x.at(-1) * scale,
        y: line.y.at(-1) * scale,
      }));
    for (const tag of placeTags(tags, context.canvas.clientWidth, context.canvas.clientHeight)) {
      drawTag(context, tag.text, tag.x, tag.y, colours, colours.experts[tag.line.slot]);
    }
    return moving;
  }

  #approach(line, part) {
    let far = Math.abs(line.aim - line.alpha) > 0.01;
    line.alpha += (line.aim - line.alpha) * part;
    for (let i = 0; i < line.x.length; i++) {
      const [dx, dy] = [line.goal.x[i] - line.x[i], line.goal.y[i] - line.y[i]];
      line.x[i] += dx * part;
      line.y[i] += dy * part;
      far ||= Math.abs(dx) + Math.abs(dy) > TOLERANCE;
    }
    return far;
  }

  #draw(context, line, scale, colours) {
    const colour = colours.experts[line.slot];
    const { ahead, alpha, done } = line;
    const behind = { colour, width: done ? 2.5 : 1.5, alpha: done ? alpha : 0.45 * alpha };
    drawLine(context, line, scale, behind, 0, ahead);
    if (ahead < line.x.length) {
      drawLine(
        context,
        line,
        scale,
        { colour, width: 3.5, alpha, dash: dash(line.slot) },
        Math.max(ahead - 1, 0),
      );
    }
  }
}
