// Helpers to build elements.

const SVG = "http://www.w3.org/2000/svg";

/** The first element that matches a selector. */
export const $ = (selector, root = document) => root.querySelector(selector);

/**
 * Make an element: el("button", { type: "button", onclick: undo }, "Undo").
 * Properties that start with "on" are listeners; true sets an attribute, false omits it.
 */
export function el(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** Make an SVG element. */
export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child != null));
  return element;
}

/** Whether the user prefers reduced motion. */
export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
