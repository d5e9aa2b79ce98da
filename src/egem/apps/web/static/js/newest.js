// Asking for what is wanted now: one request at a time, and of those that wait only the last.

/** Wrap a task so that calls made while it runs are put off, and all but the last dropped. */
export function newest(task) {
  let busy = false;
  let waiting = null;
  return async (...wanted) => {
    waiting = wanted;
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
