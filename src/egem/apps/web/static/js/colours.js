// An expert's colour and dash: the same wherever it is seen, told apart by either alone.

const DASHES = [
  [1, 7],
  [12, 8],
  [18, 7, 2, 7],
  [6, 6],
  [24, 8],
  [2, 5, 2, 11],
];
const held = new Map(); // label -> slot

/** Give each of the labels shown together a slot of its own; one that had a slot keeps it. */
export function slots(labels) {
  const taken = new Set();
  const mine = new Map();
  const want = [...labels].sort((a, b) => Number(held.has(b)) - Number(held.has(a)));
  for (const label of want) {
    let slot = held.get(label) ?? hash(label);
    while (taken.has(slot) && taken.size < DASHES.length) slot = (slot + 1) % DASHES.length;
    taken.add(slot);
    mine.set(label, slot);
    if (!held.has(label)) held.set(label, slot);
  }
  return mine;
}

/** Let classes, in order, have the slots in order, so that few experts never share one. */
export function assign(labels) {
  held.clear();
  labels.forEach((label, i) => held.set(label, i % DASHES.length));
}

/** The dash pattern of a slot, in CSS pixels. */
export const dash = (slot) => DASHES[slot];

/** The name of the slot's colour in CSS. */
export const colour = (slot) => `var(--expert-${slot})`;

function hash(label) {
  let sum = 0;
  for (const letter of label) sum = (31 * sum + letter.codePointAt(0)) % 9973;
  return sum % DASHES.length;
}

/** Colours as the canvas needs them; read anew when the theme changes. */
export function inks() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  return {
    ink: of("--ink"),
    soft: of("--soft"),
    surface: of("--surface"),
    accent: of("--accent"),
    experts: DASHES.map((_, slot) => of(`--expert-${slot}`)),
  };
}
