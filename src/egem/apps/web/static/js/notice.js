// Messages: a short note, an error with its remedy, a question before what cannot be taken back.

import { $, el } from "./dom.js";

const SHOWN = 6000; // ms that a note stays; errors stay until they are closed

/** Have a screen reader say something. */
export function say(words) {
  $("#said").textContent = words;
}

/** Show a note for a while, with a button if there is something to do about it. */
export function note(words, action = null) {
  const box = el("div", { class: "notice", role: "status" }, el("p", {}, words));
  if (action)
    box.append(el("button", { type: "button", onclick: () => (box.remove(), action.do()) }, action.name));
  show(box);
  setTimeout(() => box.remove(), SHOWN);
}

/** Show an error: what was wrong, and what helps. */
export function complain(error) {
  const what = error.what ?? `Something went wrong on the page: ${error.message}`;
  if (!error.what) console.error(error);
  const same = [...$("#notices").children].find((box) => box.dataset.what === what);
  same?.remove();
  const box = el(
    "div",
    { class: "notice bad", role: "alert", "data-what": what },
    el("p", {}, el("strong", {}, what), error.remedy ? ` ${error.remedy}` : ""),
    el("button", { type: "button", onclick: () => box.remove() }, "Close"),
  );
  show(box);
}

/** Take messages away that belong to what is no longer in view. */
export function quiet() {
  $("#notices").replaceChildren();
}

/** Run something that asks the server, and show the error if it refuses. */
export async function attempt(task) {
  try {
    return await task();
  } catch (error) {
    complain(error);
    return undefined;
  }
}

/** Ask before something that loses work. */
export function confirmed(words, yes) {
  const dialog = $("#ask");
  $("#ask-words").textContent = words;
  $("#ask-yes").textContent = yes;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

function show(box) {
  const notices = $("#notices");
  notices.append(box);
  while (notices.children.length > 3) notices.firstElementChild.remove();
}
