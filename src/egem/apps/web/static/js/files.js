// Files that the user drops or chooses, each with its path in the folder.

import { el } from "./dom.js";

/** Files of a drop, those in folders included: [{file, path}]. */
export async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map(plain);
  return (await Promise.all(entries.map(filesOf))).flat();
}

/** Files of an input; of a folder, if it asks for one. */
export const chosenFiles = (input) => [...input.files].map(plain);

const plain = (file) => ({ file, path: file.webkitRelativePath || file.name });

async function filesOf(entry) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{ file, path: entry.fullPath.slice(1) }];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break; // a reader returns a hundred at a time
    found.push(...some);
  }
  return (await Promise.all(found.map(filesOf))).flat();
}

/** Let `host` take files: dropped on it, or chosen by its buttons. */
export function takeFiles(host, { files: name, folder: folderName }, take) {
  const files = el("input", { type: "file", id: name, multiple: true, hidden: true, "aria-label": "Files" });
  const folder = el("input", { type: "file", id: folderName, webkitdirectory: true, hidden: true, "aria-label": "Folder" });
  const button = (text, input) => el("button", { type: "button", onclick: () => input.click() }, text);
  host.append(el("div", { class: "row" }, button("Choose files", files), button("Choose a folder", folder)), files, folder);
  for (const input of [files, folder]) {
    input.addEventListener("change", () => {
      const chosen = chosenFiles(input);
      input.value = "";
      if (chosen.length) take(chosen);
    });
  }
  for (const kind of ["dragenter", "dragover"]) {
    host.addEventListener(kind, (event) => {
      event.preventDefault();
      host.classList.add("over");
    });
  }
  for (const kind of ["dragleave", "drop"]) host.addEventListener(kind, () => host.classList.remove("over"));
  host.addEventListener("drop", async (event) => {
    event.preventDefault();
    const dropped = await droppedFiles(event.dataTransfer);
    if (dropped.length) take(dropped);
  });
}
