// Lines and tags on the canvas.

import { segments } from "./stroke.js";

/** Trace points [from, to) as a smooth line through their midpoints. */
function trace(context, { x, y }, from, to, scale) {
  context.moveTo(x[from] * scale, y[from] * scale);
  if (to - from === 1) context.lineTo(x[from] * scale + 0.01, y[from] * scale);
  for (let i = from + 1; i < to - 1; i++) {
    const middle = [(x[i] + x[i + 1]) / 2, (y[i] + y[i + 1]) / 2];
    context.quadraticCurveTo(x[i] * scale, y[i] * scale, middle[0] * scale, middle[1] * scale);
  }
  if (to - from > 1) context.lineTo(x[to - 1] * scale, y[to - 1] * scale);
}

/** Draw the part [from, to) of a line. */
export function drawLine(
  context,
  line,
  scale,
  { colour, width, alpha = 1, dash = [] },
  from = 0,
  to = line.x.length,
) {
  context.save();
  context.globalAlpha = alpha;
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.lineCap = context.lineJoin = "round";
  context.setLineDash(dash);
  context.beginPath();
  for (const [a, b] of segments(line)) {
    if (Math.min(b, to) > Math.max(a, from)) trace(context, line, Math.max(a, from), Math.min(b, to), scale);
  }
  context.stroke();
  context.restore();
}

/** Draw a label at the end of a line, on a background. */
export function drawTag(context, text, x, y, colours, colour) {
  context.save();
  context.font = "600 15px system-ui, sans-serif";
  context.textBaseline = "middle";
  const width = context.measureText(text).width + 14;
  context.fillStyle = colours.surface;
  context.strokeStyle = colour;
  context.lineWidth = 1.5;
  context.beginPath();
  context.roundRect(x, y - 12, width, 24, 12);
  context.fill();
  context.stroke();
  context.fillStyle = colours.ink;
  context.fillText(text, x + 7, y + 1);
  context.restore();
}

/** Positions of tags such that they neither overlap nor leave the canvas. */
export function placeTags(tags, width, height) {
  const placed = [];
  for (const tag of tags) {
    const x = Math.min(Math.max(tag.x + 12, 6), width - 14 - 9 * tag.text.length - 12);
    let y = Math.min(Math.max(tag.y, 18), height - 18);
    while (
      placed.some((other) => Math.abs(other.x - x) < 40 && Math.abs(other.y - y) < 26) &&
      y < height - 18
    )
      y += 27;
    placed.push({ ...tag, x, y });
  }
  return placed;
}
