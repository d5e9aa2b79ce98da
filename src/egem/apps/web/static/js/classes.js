// The experts there are, with the drawings they were taught with; rename, remove, add to them,
// take single drawings away.

import { el } from "./dom.js";
import { api } from "./api.js";
import { attempt, note } from "./notice.js";
import { picture, range } from "./picture.js";
import { heard, state } from "./store.js";
import { count } from "./words.js";

const SHOWN = 6; // drawings of a class
let cache = { version: null, cases: new Map() };

/** Training cases of a class, asked for once a version of the model. */
export function casesOf(label, version) {
  if (cache.version !== version) cache = { version, cases: new Map() };
  if (!cache.cases.has(label)) {
    const asked = api.cases(label).then(({ cases }) => cases);
    asked.catch(() => cache.cases.delete(label));
    cache.cases.set(label, asked);
  }
  return cache.cases.get(label);
}

/** Pictures of cases, all series on one scale. */
export function pictures(cases, title) {
  const box = cases[0]?.channels ? range(...cases) : null;
  return cases.map((one, i) => picture(one, { title: `${title} ${i + 1}`, box }));
}

/** The list of classes. */
export class Classes {
  constructor(list, more) {
    this.list = list;
    this.more = more;
    this.open = new Set(); // labels of those all drawings of which are shown, to be taken away
  }

  /** Show the classes of a state. */
  show({ classes, version, kind }) {
    this.list.replaceChildren(...classes.map(({ label, n_cases: n }) => this.#row(label, n, version, kind)));
  }

  #row(label, n, version, kind) {
    const thumbs = el("div", { class: "thumbs" });
    const fill = () =>
      attempt(async () => {
        const cases = await casesOf(label, version);
        thumbs.classList.toggle("open", this.open.has(label));
        if (this.open.has(label)) return fillOpen(thumbs, label, cases);
        thumbs.replaceChildren(...pictures(cases.slice(0, SHOWN), `${label}, drawing`));
        if (cases.length > SHOWN)
          thumbs.append(el("span", { class: "soft" }, `and ${cases.length - SHOWN} more`));
      });
    const head = el("div", { class: "row" });
    const row = el("li", { "data-label": label }, head, thumbs);
    const button = (name, action, described) =>
      el("button", { type: "button", class: "quiet", "aria-label": described, onclick: action }, name);
    const show = () =>
      head.replaceChildren(
        el("h3", {}, label),
        kind === "strokes"
          ? opener(count(n, "drawing"))
          : el("span", { class: "soft" }, count(n, "case")),
        el(
          "div",
          { class: "row acts" },
          kind === "strokes" ? button("Add", () => this.more(label), `Add drawings to ${label}`) : null,
          button("Rename", () => rename(head, label, show), `Rename ${label}`),
          button("Remove", () => remove(label), `Remove ${label}`),
        ),
      );
    const opener = (words) => {
      const open = el("button", { type: "button", class: "link opener" }, words);
      open.addEventListener("click", () => {
        if (!this.open.delete(label)) this.open.add(label);
        tell();
        fill();
      });
      const tell = () => open.setAttribute("aria-expanded", this.open.has(label));
      tell();
      return open;
    };
    show();
    fill();
    return row;
  }
}

function remove(label) {
  return attempt(async () => {
    heard(await api.remove(label));
    undoable(`${label} is removed.`);
  });
}

/** Say what was done, and offer to undo it. */
export function undoable(words) {
  note(words, { name: "Undo", do: () => attempt(async () => heard(await api.undo())) });
}

/** All drawings of a class, each to be taken away; the last one goes with its class. */
function fillOpen(thumbs, label, cases) {
  const last = cases.length === 1;
  const items = pictures(cases, `${label}, drawing`).map((one, i) =>
    el(
      "div",
      { class: "one" },
      one,
      last
        ? null
        : el(
            "button",
            {
              type: "button",
              class: "drop-one",
              "aria-label": `Remove drawing ${i + 1} of ${label}`,
              onclick: () => state.busy || attempt(async () => heard(await api.forget(label, i))),
            },
            "×",
          ),
    ),
  );
  thumbs.replaceChildren(...items);
  if (last) thumbs.append(el("span", { class: "soft" }, "The only one: it goes with its class."));
}

function rename(head, label, back) {
  const input = el("input", {
    value: label,
    maxlength: 40,
    "aria-label": `New name of ${label}`,
    autocomplete: "off",
  });
  const form = el(
    "form",
    { class: "row rename" },
    input,
    el("button", { class: "main" }, "Save"),
    el("button", { type: "button", class: "quiet", onclick: back }, "Cancel"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const to = input.value.trim();
    if (!to || to === label) return back();
    attempt(async () => heard(await api.rename(label, to)));
  });
  form.addEventListener("keydown", (event) => event.key === "Escape" && back());
  head.replaceChildren(form);
  input.select();
}
