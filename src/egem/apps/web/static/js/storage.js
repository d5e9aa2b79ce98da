// Values stored in the browser: examples not yet trained, the last drawing, the step of the guide.

const PREFIX = "egem.";

/** Store a value; null deletes it. */
export function save(name, value) {
  try {
    if (value === null) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch (error) {
    console.warn(`The browser does not store values: ${error.message}`);
  }
}

/** The stored value, or null. */
export function load(name) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name));
  } catch {
    return null;
  }
}
