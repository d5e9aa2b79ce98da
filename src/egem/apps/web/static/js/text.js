// Numbers and lists as text.

/** 0.873 -> "87 %"; only 0 and 1 are shown as 0 % and 100 %. */
export function percent(share) {
  if (share > 0.99 && share < 1) return ">\u202f99\u202f%";
  if (share > 0 && share < 0.01) return "<\u202f1\u202f%";
  return `${Math.round(100 * share)}\u202f%`;
}

/** The same for a probability, which is never shown as 100 %. */
export const chance = (probability) => percent(Math.min(probability, 0.999));

/** "1 drawing", "3 drawings". */
export const count = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

/** "a, b and c" */
export function list(items) {
  return items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`;
}

/** Time left, rounded. */
function timeLeft(seconds) {
  if (seconds == null) return "";
  if (seconds < 1.5) return "about a second left";
  return seconds < 90
    ? `about ${Math.round(seconds)} seconds left`
    : `about ${Math.round(seconds / 60)} minutes left`;
}

/** The change in progress, its stage and the time left of that. */
export function taskText({ what, label, stage, seconds_left: seconds }) {
  const doing =
    {
      train: `Training ${label}`,
      "remove-case": `Training ${label} without that drawing`,
      letters: "Training twenty letters",
      fit: "Training on your recordings",
      teach: `Learning one more ${label}`,
      load: "Loading the model",
    }[what] ?? "Working";
  const details = {
    preparing: "comparing the examples",
    training: timeLeft(seconds),
    checking: "checking the result",
  }[stage];
  return [doing, details].filter(Boolean).join("; ");
}

/** Show the progress of a change in a bar: none where it is not known. */
export function showProgress(bar, { progress }) {
  if (progress == null) bar.removeAttribute("value");
  else bar.value = progress;
}
