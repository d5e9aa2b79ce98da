// One request at a time; of those that wait, only the last is sent.

/** Wrap a task so that calls during its run are delayed, and all but the last dropped. */
export function latest(task) {
  let busy = false;
  let waiting = null;
  return async (...args) => {
    waiting = args;
    if (busy) return;
    busy = true;
    try {
      while (waiting) {
        const now = waiting;
        waiting = null;
        await task(...now);
      }
    } finally {
      busy = false;
    }
  };
}
