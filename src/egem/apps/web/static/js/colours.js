// Colour and dash pattern of each class; either alone distinguishes the classes.

const DASHES = [
  [1, 7],
  [12, 8],
  [18, 7, 2, 7],
  [6, 6],
  [24, 8],
  [2, 5, 2, 11],
];
const assigned = new Map(); // label -> slot

/** Assign different slots to labels shown together; a label keeps the slot it has. */
export function slots(labels) {
  const taken = new Set();
  const mine = new Map();
  const want = [...labels].sort((a, b) => Number(assigned.has(b)) - Number(assigned.has(a)));
  for (const label of want) {
    let slot = assigned.get(label) ?? hash(label);
    while (taken.has(slot) && taken.size < DASHES.length) slot = (slot + 1) % DASHES.length;
    taken.add(slot);
    mine.set(label, slot);
    if (!assigned.has(label)) assigned.set(label, slot);
  }
  return mine;
}

/** Assign the slots to the classes in order, so that few classes never share one. */
export function assign(labels) {
  assigned.clear();
  labels.forEach((label, i) => assigned.set(label, i % DASHES.length));
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

/** The current theme's colours, for the canvas. */
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
