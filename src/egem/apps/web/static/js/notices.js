// Messages: notes, errors with a remedy, confirmations.

import { $, el } from "./dom.js";

const DURATION = 6000; // ms that a note is shown; errors stay until they are closed or replaced

/** Announce something to screen readers. */
export function announce(text) {
  $("#announcement").textContent = text;
}

/** Show a note for a while, with a button for an action. */
export function note(text, action = null) {
  const box = el("div", { class: "notice", role: "status" }, el("p", {}, text));
  if (action)
    box.append(el("button", { type: "button", onclick: () => (box.remove(), action.do()) }, action.name));
  show(box);
  setTimeout(() => box.remove(), DURATION);
}

/** Show an error with its remedy; it replaces the error before. */
export function showError(error) {
  const problem = error.problem ?? `An error occurred on the page: ${error.message}`;
  if (!error.problem) console.error(error);
  $("#problem").replaceChildren(
    el(
      "div",
      { class: "notice bad", role: "alert" },
      el("p", {}, el("strong", {}, problem), error.remedy ? ` ${error.remedy}` : ""),
      el("button", { type: "button", onclick: clearError }, "Close"),
    ),
  );
}

/** Remove the error that is shown. */
export function clearError() {
  $("#problem").replaceChildren();
}

/** Remove all messages. */
export function clearNotices() {
  $("#notices").replaceChildren();
  clearError();
}

/** Run a task and show its error, if any; that of an earlier task is outdated. */
export async function attempt(task) {
  clearError();
  try {
    return await task();
  } catch (error) {
    showError(error);
    return undefined;
  }
}

/** Ask for confirmation. */
export function confirmed(question, yes) {
  const dialog = $("#ask");
  $("#ask-text").textContent = question;
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
