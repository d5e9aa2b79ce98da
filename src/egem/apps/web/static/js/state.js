// The server's state; requested repeatedly while a change is in progress.

import { api } from "./api.js";

const INTERVAL = 250; // ms between requests
const listeners = new Set();
const tabs = new BroadcastChannel("egem"); // of this browser, which share a workspace
let timer = null;

/** The last state received; null before the first one. */
export let state = null;

/** Call `listener(state, before)` for every state received. */
export function listen(listener) {
  listeners.add(listener);
  if (state) listener(state, null);
}

/** Take a state from a response. */
export function setState(next) {
  const before = state;
  state = next;
  clearTimeout(timer);
  if (next.busy) timer = setTimeout(poll, INTERVAL);
  for (const listener of listeners) listener(next, before);
  if (before && stamp(next) !== stamp(before)) tabs.postMessage(null);
  return next;
}

tabs.onmessage = () => state && refresh().catch(() => {});

/** What other tabs need to know of. */
const stamp = ({ version, busy, data }) => `${version} ${busy !== null} ${data?.dataset_id} ${data?.revision}`;

/** Request the state. */
export const refresh = async () => setState(await api.state());

function poll() {
  refresh().catch(() => {
    timer = setTimeout(poll, 4 * INTERVAL); // the server may be available again soon
  });
}
