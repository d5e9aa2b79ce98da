// The list of classes with their training drawings: add, rename, remove, remove single drawings.

import { el } from "./dom.js";
import { api } from "./api.js";
import { rangesOf } from "./multiples.js";
import { attempt, note } from "./notices.js";
import { picture } from "./picture.js";
import { setState, state } from "./state.js";
import { count } from "./text.js";

const MAX_SHOWN = 6; // drawings of a collapsed class
let cache = { version: null, cases: new Map() };

/** Training cases of a class, requested once for each version of the model. */
export function casesOf(label, version) {
  if (cache.version !== version) cache = { version, cases: new Map() };
  if (!cache.cases.has(label)) {
    const request = api.cases(label).then(({ cases }) => cases);
    request.catch(() => cache.cases.delete(label));
    cache.cases.set(label, request);
  }
  return cache.cases.get(label);
}

/** Pictures of cases; series share one scale. */
export function pictures(cases, title) {
  const box = cases[0]?.channels ? rangesOf(cases) : null;
  return cases.map((one, i) => picture(one, { title: `${title} ${i + 1}`, box }));
}

/** The list of classes. */
export class Classes {
  constructor(list, addTo) {
    this.list = list;
    this.addTo = addTo;
    this.open = new Set(); // labels of the expanded classes, whose drawings can be removed
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
        thumbs.replaceChildren(...pictures(cases.slice(0, MAX_SHOWN), `${label}, drawing`));
        if (cases.length > MAX_SHOWN)
          thumbs.append(el("span", { class: "soft" }, `and ${cases.length - MAX_SHOWN} more`));
      });
    const head = el("div", { class: "row" });
    const row = el("li", { "data-label": label }, head, thumbs);
    const button = (name, action, description) =>
      el("button", { type: "button", class: "quiet", "aria-label": description, onclick: action }, name);
    const show = () =>
      head.replaceChildren(
        el("h3", {}, label),
        kind === "strokes"
          ? opener(count(n, "drawing"))
          : el("span", { class: "soft" }, count(n, "case")),
        el(
          "div",
          { class: "row acts" },
          kind === "strokes" ? button("Add", () => this.addTo(label), `Add drawings to ${label}`) : null,
          button("Rename", () => rename(head, label, show), `Rename ${label}`),
          button("Remove", () => remove(label), `Remove ${label}`),
        ),
      );
    const opener = (text) => {
      const open = el("button", { type: "button", class: "link opener" }, text);
      open.addEventListener("click", () => {
        if (!this.open.delete(label)) this.open.add(label);
        showExpanded();
        fill();
      });
      const showExpanded = () => open.setAttribute("aria-expanded", this.open.has(label));
      showExpanded();
      return open;
    };
    show();
    fill();
    return row;
  }
}

function remove(label) {
  return attempt(async () => {
    setState(await api.remove(label));
    undoable(`${label} removed.`);
  });
}

/** Show what was done, with an undo button. */
export function undoable(text) {
  note(text, { name: "Undo", do: () => attempt(async () => setState(await api.undo())) });
}

/** All drawings of a class, each with a remove button unless it is the only one. */
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
              class: "remove-one",
              "aria-label": `Remove drawing ${i + 1} of ${label}`,
              onclick: () => state.busy || attempt(async () => setState(await api.removeCase(label, i))),
            },
            "×",
          ),
    ),
  );
  thumbs.replaceChildren(...items);
  if (last) thumbs.append(el("span", { class: "soft" }, "The only drawing. Remove the class instead."));
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
    attempt(async () => setState(await api.rename(label, to)));
  });
  form.addEventListener("keydown", (event) => event.key === "Escape" && back());
  head.replaceChildren(form);
  input.select();
}
