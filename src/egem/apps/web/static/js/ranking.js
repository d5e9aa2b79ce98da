// The ranked list of classes with probabilities and reconstructions.

import { calm, el, svg } from "./dom.js";
import { colour, dash, slots } from "./colours.js";
import { picture } from "./picture.js";
import { chance } from "./text.js";

/** A list whose entries move smoothly. */
export class Ranking {
  #rows = new Map();

  constructor(list) {
    this.list = list;
  }

  /** Show a ranking, the best class first. */
  show(ranking) {
    const slot = slots(ranking.map(({ label }) => label));
    const before = new Map([...this.#rows].map(([label, row]) => [label, row.root.offsetTop]));
    const rows = new Map();
    for (const entry of ranking) {
      const row = this.#rows.get(entry.label) ?? makeRow(entry.label);
      update(row, entry, slot.get(entry.label));
      rows.set(entry.label, row);
    }
    const order = [...rows.values()].map(({ root }) => root);
    if (
      order.some((root, i) => this.list.children[i] !== root) ||
      order.length !== this.list.children.length
    ) {
      this.list.replaceChildren(...order);
      if (!calm()) glide(rows, before);
    }
    this.#rows = rows;
  }

  /** Clear the list. */
  clear() {
    this.#rows.clear();
    this.list.replaceChildren();
  }
}

function makeRow(label) {
  const swatch = svg("line", { x1: 3, y1: 6, x2: 41, y2: 6 });
  const row = {
    swatch,
    image: el("div", { class: "preview" }),
    bar: el("div", { class: "fill" }),
    share: el("span", { class: "share" }),
  };
  row.root = el(
    "li",
    {},
    row.image,
    el(
      "div",
      { class: "info" },
      el(
        "div",
        { class: "row" },
        el("strong", {}, label),
        svg("svg", { class: "swatch", viewBox: "0 0 44 12", "aria-hidden": "true" }, swatch),
        row.share,
      ),
      el("div", { class: "track" }, row.bar),
    ),
  );
  return row;
}

function update(row, { label, probability, imagined }, slot) {
  row.root.style.setProperty("--mine", colour(slot));
  row.swatch.setAttribute(
    "stroke-dasharray",
    dash(slot)
      .map((length) => length * 0.6)
      .join(" "),
  );
  row.bar.style.transform = `scaleX(${probability})`;
  row.share.textContent = chance(probability);
  if (imagined) row.image.replaceChildren(picture(imagined, { title: `reconstruction by ${label}` }));
}

function glide(rows, before) {
  for (const [label, { root }] of rows) {
    const from = before.get(label);
    const by = from === undefined ? null : from - root.offsetTop;
    if (by === 0) continue;
    const start = by === null ? { opacity: 0 } : { transform: `translateY(${by}px)` };
    root.animate([start, {}], { duration: 160, easing: "ease-out" });
  }
}
