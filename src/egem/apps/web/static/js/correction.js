// Corrections of a verdict, from which the model learns.

import { el } from "./dom.js";

/** Buttons that correct a verdict with one tap: other classes, and a name to enter. `teach` resolves to success. */
export function correction(others, { name, unknown, teach: learn }) {
  const teach = async (label) => {
    const before = [...root.childNodes];
    root.replaceChildren(el("span", { class: "soft", role: "status" }, `Learning it as ${label}.`));
    if (!(await learn(label))) root.replaceChildren(...before);
  };
  const input = el("input", {
    list: "known-labels",
    maxlength: 40,
    autocomplete: "off",
    placeholder: "another name",
    "aria-label": `Another label of ${name}`,
  });
  const form = el("form", { class: "row other", hidden: true }, input, el("button", { class: "main" }, "Learn"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (input.value.trim()) teach(input.value.trim());
  });
  const more = el("button", { type: "button", class: "chip", "aria-label": `${name} was something else` }, "something else");
  more.addEventListener("click", () => {
    form.hidden = false;
    more.hidden = true;
    input.focus();
  });
  const root = el(
    "div",
    { class: "correction" },
    el("span", { class: "soft" }, unknown ? "It was" : "No, it was"),
    others.map((label) =>
      el("button", { type: "button", class: "chip", "aria-label": `${name} was ${label}`, onclick: () => teach(label) }, label),
    ),
    more,
    form,
  );
  return root;
}
