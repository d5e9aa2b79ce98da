// What the browser keeps by itself: drawings that are not taught yet, the last one, the guide's step.

const PREFIX = "egem.";

/** Keep a value; null forgets it. */
export function keep(name, value) {
  try {
    if (value === null) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch (error) {
    console.warn(`The browser keeps nothing: ${error.message}`);
  }
}

/** The value kept, or null. */
export function kept(name) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name));
  } catch {
    return null;
  }
}
