// Numbers and lists in plain words.

/** 0.873 -> "87 %"; a little is never said to be nothing, nor nearly all to be all. */
export function percent(share) {
  if (share > 0.99 && share < 1) return ">\u202f99\u202f%";
  if (share > 0 && share < 0.01) return "<\u202f1\u202f%";
  return `${Math.round(100 * share)}\u202f%`;
}

/** The same for a probability, which is never 1: numbers only round to it. */
export const chance = (probability) => percent(Math.min(probability, 0.999));

/** "1 drawing", "3 drawings". */
export const count = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

/** "a, b and c" */
export function list(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/** Time left, calmly. */
function timeLeft(seconds) {
  if (seconds == null) return "";
  if (seconds < 1.5) return "about a second left";
  return seconds < 90
    ? `about ${Math.round(seconds)} seconds left`
    : `about ${Math.round(seconds / 60)} minutes left`;
}

/** What goes on, and how long it still will. */
export function workWords({ what, label, seconds_left: seconds }) {
  const doing =
    {
      teach: `Teaching ${label}`,
      forget: `Teaching ${label} without that drawing`,
      letters: "Teaching twenty letters",
      fit: "Fitting your data",
      model: "Reading the model",
    }[what] ?? "A moment";
  return [doing, timeLeft(seconds)].filter(Boolean).join("; ");
}
