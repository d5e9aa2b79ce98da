// Light or dark theme before the first paint: the user's choice, or the system's preference.
"use strict";

(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => localStorage.getItem("egem.theme");

  function show() {
    root.dataset.theme = chosen() ?? (system.matches ? "dark" : "light");
    document.getElementById("theme")?.setAttribute("aria-pressed", String(root.dataset.theme === "dark"));
    dispatchEvent(new Event("egem:theme"));
  }

  show();
  system.addEventListener("change", show);
  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme").addEventListener("click", () => {
      localStorage.setItem("egem.theme", root.dataset.theme === "dark" ? "light" : "dark");
      show();
    });
    show();
  });
})();
