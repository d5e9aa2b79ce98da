"""The claims of the post and the bounds of this project, checked against the results."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from egem.apps.paper.protocol import CONDITIONS, N_SETTINGS, PUBLISHED, noise_text
from egem.apps.paper.tables import BEST_TEST, NOISE_RUNS, Results, off_diagonal

WHERE = [(p, c) for p in ("mnist", "characters") for c in CONDITIONS]
BELOW_BEST = 0.02
AHEAD_OF_FORWARD = 0.10
NEARER = 0.80


class Claim(NamedTuple):
    """A claim, whether it holds in the results, and the numbers."""

    claim: str
    holds: bool | None  # None: not all runs are there yet
    numbers: str


def claims(results: Results, examples: Path) -> list[Claim]:
    """Check every claim.

    Parameters
    ----------
    results : Results
        The finished runs.
    examples : Path
        Folder with the arrays of the pictures, for the names of classes.

    Returns
    -------
    list of Claim
    """
    return [
        *[_bound(results, row) for row in ("base", "noise average", BEST_TEST)],
        _forward(results),
        *_iterations(results),
        *[_diagonal(results, part, examples) for part in ("test", "train")],
        _templates(results),
        *[_against_neighbour(results, row) for row in ("noise average", BEST_TEST)],
        _default(results),
    ]


def _each(results: Results, check) -> tuple[bool | None, str]:
    """Apply ``check`` to the four conditions; it returns (holds, numbers), or None if pending."""
    verdicts, texts = [], []
    for problem, condition in WHERE:
        found = check(problem, condition)
        verdicts.append(None if found is None else bool(found[0]))
        texts.append(f"{problem}, {condition}: {'not run yet' if found is None else found[1]}")
    holds = None if None in verdicts else all(v for v in verdicts)
    if False in verdicts:
        holds = False
    return holds, "; ".join(texts)


def _bound(results: Results, row: str) -> Claim:
    def check(problem, condition):
        ours = results.accuracy(problem, condition, row)
        if ours.empty:
            return None
        mean, sd = PUBLISHED[problem, condition, row]
        bound = mean - (BELOW_BEST if np.isnan(sd) else sd)
        return ours.mean() >= bound, f"{ours.mean():.3f} (at least {bound:.3f})"

    slack = f"minus {BELOW_BEST}" if row == BEST_TEST else "minus its sd"
    return Claim(f"EGEM {row} is at or above the published value {slack}", *_each(results, check))


def _forward(results: Results) -> Claim:
    def check(problem, condition):
        ours = results.accuracy(problem, condition, "noise average")
        forward = results.accuracy(problem, condition, "forward LSTM")
        if ours.empty or forward.empty:
            return None
        ahead = ours.mean() - forward.mean()
        return ahead >= AHEAD_OF_FORWARD, f"{100 * ahead:+.1f} points"

    claim = "EGEM noise average beats the forward LSTM by 10 points or more"
    return Claim(claim, *_each(results, check))


def _iterations(results: Results) -> list[Claim]:
    def compared(after: str, before: str, better, scale: float, digits: int):
        def check(problem, condition):
            rows = [f"EGEM {s}" for s in range(N_SETTINGS)]
            pairs = [
                [results.column(problem, condition, row, c).mean() for c in (before, after)]
                for row in rows
                if len(results.column(problem, condition, row, after))
            ]
            if not pairs:
                return None
            start, end = np.mean(pairs, axis=0) * scale
            n = sum(better(b, a) for a, b in pairs)
            return (
                n == len(pairs),
                f"{start:.{digits}f} to {end:.{digits}f}, better in {n} of {len(pairs)} settings",
            )

        return _each(results, check)

    return [
        Claim(
            "50 iterations beat 0 in accuracy, in every noise setting",
            *compared("accuracy", "accuracy_start", lambda b, a: b > a, 1.0, 3),
        ),
        Claim(
            "50 iterations beat 0 in the true expert's MSE, in every noise setting",
            *compared("own_mse", "own_mse_start", lambda b, a: b < a, 1.0, 4),
        ),
    ]


def class_names(results: Results, problem: str, examples: Path) -> list[str]:
    """Names of a problem's classes, numbers where no pictures were kept."""
    file = example_file(results, problem, examples)
    if file is not None:
        with np.load(file) as arrays:
            return [str(c) for c in arrays["classes"]]
    by_class = results.lists(problem, CONDITIONS[0], "EGEM 0", "accuracy_by_class")
    return [str(c) for c in range(0 if by_class is None else len(by_class))]


def example_file(results: Results, problem: str, examples: Path) -> Path | None:
    """Find the arrays of the best clustered noise setting, of those that were kept."""
    best = results.best_setting(problem, CONDITIONS[0])
    for row in ([best] if best else []) + NOISE_RUNS:
        file = examples / f"{problem}-{CONDITIONS[0]}-{row.replace(' ', '-')}-0.npz"
        if file.is_file():
            return file
    return None


def _diagonal(results: Results, part: str, examples: Path) -> Claim:
    verdicts, texts = [], []
    for problem in results.problems:
        best = results.best_setting(problem, CONDITIONS[0])
        cells = results.column(problem, CONDITIONS[0], best or "", f"heat_{part}")
        if cells.empty:
            verdicts.append(None)
            texts.append(f"{problem}: not run yet")
            continue
        means = results.lists(problem, CONDITIONS[0], best or "", f"heat_{part}")
        assert means is not None
        names = class_names(results, problem, examples)
        wrong = off_diagonal(means, names)
        verdicts.append(not wrong)
        texts.append(
            f"{problem} ({noise_text(problem, best)}): {len(means) - len(wrong)} of "
            f"{len(means)} rows" + (f"; not {', '.join(wrong)}" if wrong else "")
        )
    holds = None if None in verdicts or not verdicts else all(verdicts)
    data = {"test": "unseen", "train": "training"}[part]
    return Claim(
        f"Heat map of the best clustered noise model, {data} data: row minima lie on the diagonal",
        holds,
        "; ".join(texts),
    )


def _templates(results: Results) -> Claim:
    def check(problem, condition):
        best = results.best_setting(problem, condition)
        if best is None:
            return None
        shares = {
            name: [results.column(problem, condition, row, c).mean() for row in ("EGEM 0", best)]
            for name, c in (("nearer", "nearer_than_template"), ("mixed", "mixed_codes"))
        }
        nearer, mixed = shares["nearer"], shares["mixed"]
        return nearer[1] >= NEARER, (
            f"{nearer[1]:.0%} nearer (base {nearer[0]:.0%}), {mixed[1]:.0%} of codes mixed "
            f"(base {mixed[0]:.0%})"
        )

    claim = (
        "Not template matching: for 80% of unseen targets the true expert's reconstruction is "
        "nearer than the nearest of its four training sequences (noise best)"
    )
    return Claim(claim, *_each(results, check))


def _against_neighbour(results: Results, row: str) -> Claim:
    better = []

    def check(problem, condition):
        if not results.paired(problem, condition, row)[3]:
            return None
        gap, low, high, n = results.paired(problem, condition, row)
        better.append(gap > 0)
        return gap > 0, _points(gap, low, high, n)

    holds, numbers = _each(results, check)
    holds = None if holds is None or len(better) < len(WHERE) else sum(better) >= 3
    return Claim(
        f"EGEM {row} is better than 1NN in 3 of the 4 conditions",
        holds,
        f"{sum(better)} of {len(better)}. {numbers}",
    )


def _points(gap: float, low: float, high: float, n: int) -> str:
    within = f" [{100 * low:+.1f}, {100 * high:+.1f}]" if n > 1 else ""
    return f"{100 * gap:+.1f} points{within}, n = {n}"


def _default(results: Results) -> Claim:
    def check(problem, condition):
        if not results.paired(problem, condition, "EGEM default")[3]:
            return None
        gap, low, high, n = results.paired(problem, condition, "EGEM default")
        return low > 0, _points(gap, low, high, n)

    claim = "EGEM with this library's defaults beats 1NN, by the paired interval"
    return Claim(claim, *_each(results, check))
