// The server's state as the page knows it; asked for again and again while work goes on.

import { api } from "./api.js";

const EVERY = 250; // ms between looks at work under way
const listeners = new Set();
let timer = null;

/** What the server last said; null before the first answer. */
export let state = null;

/** Call `listener(state, before)` whenever the state was heard. */
export function listen(listener) {
  listeners.add(listener);
  if (state) listener(state, null);
}

/** Take a state that an answer carried. */
export function heard(next) {
  const before = state;
  state = next;
  clearTimeout(timer);
  if (next.busy) timer = setTimeout(again, EVERY);
  for (const listener of listeners) listener(next, before);
  return next;
}

/** Ask for the state. */
export const refresh = async () => heard(await api.state());

function again() {
  refresh().catch(() => {
    timer = setTimeout(again, 4 * EVERY); // the server may be back soon
  });
}
