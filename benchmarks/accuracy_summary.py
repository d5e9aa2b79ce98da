"""The table of accuracies in README, of the rows of `accuracy.csv` and `sealed.csv`."""

from pathlib import Path

import pandas as pd

BEGIN, END = "<!-- accuracy: python benchmarks/accuracy.py -->\n", "<!-- end of accuracy -->"
METHODS = ("1NN-DTW", "MiniRocket", "MultiRocket-Hydra", "EGEM")
SHOWN = {"EGEM": "**egem**"}
K = 4  # training cases per class, of the sealed sets and of the single sets
SINGLE = {
    "characters": "handwritten letters, 20 classes",
    "mnist": "MNIST digits as rows, 10",
    "pendigits": "pen digits, 10",
    "PickupGestureWiimoteZ": "Wiimote gestures, 10",
    "BasicMotions": "movements, 6 channels, 4",
    "JapaneseVowels": "speakers, 12 channels, 9",
}


def summary(rows: pd.DataFrame, sealed: pd.DataFrame | None) -> str:
    """Return the table: means over sets by the number of cases, and some single sets."""
    rows = rows[rows.method.isin(METHODS) & (rows.k > 0)]
    n_splits = rows.groupby(["set", "k"]).seed.nunique().min()
    n_sets = rows["set"].nunique()
    head = ["means over splits", *(SHOWN.get(m, m) for m in METHODS)]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for k, of in rows.groupby("k"):
        what = f"{n_sets} sets, {k} training case{'s' * (k != 1)} per class"
        lines.append(_line(what, of.groupby(["method", "set"]).accuracy.mean().groupby("method")))
    if sealed is not None:
        of = sealed[sealed.method.isin(METHODS)].groupby(["method", "set"]).accuracy.mean()
        what = f"{sealed['set'].nunique()} sealed sets, {K} per class"
        lines.append(_line(what, of.groupby("method")))
    for name, what in SINGLE.items():
        of = rows[(rows["set"] == name) & (rows.k == K)]
        lines.append(_line(f"{what}; {K} per class", of.groupby("method").accuracy))
    lines += ["", f"{n_splits} splits each that were never looked at before."]
    return "\n".join(lines) + "\n"


def _line(what: str, accuracies) -> str:
    means = accuracies.mean()
    cells = [f"{means[m]:.3f}" if m in means else "" for m in METHODS]
    best = max(cells)
    return f"| {what} | {' | '.join(f'**{c}**' if c == best else c for c in cells)} |"


def write_summary(table: Path, sealed: Path, readme: Path) -> None:
    """Put the table in its place in README."""
    text = readme.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    hidden = pd.read_csv(sealed) if sealed.exists() else None
    readme.write_text(before + BEGIN + summary(pd.read_csv(table), hidden) + END + after)
