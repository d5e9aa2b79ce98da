"""Tables and the picture of `trust.csv`."""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd

matplotlib.use("Agg")
import matplotlib.pyplot as plt

COLOURS = {
    "EGEM": "#0072b2",
    "EGEM, recurrent experts always": "#56b4e9",
    "1NN-ED": "#009e73",
    "MiniRocket": "#e69f00",
}


def write_report(table: Path, out: Path) -> None:
    """Write `trust.md` and its picture from the rows at hand."""
    if not table.exists():
        return
    rows = pd.read_csv(table)
    lines = [
        "# Probabilities, unknowns, gaps, and classes that come",
        "",
        "`python benchmarks/trust.py` makes or continues `trust.csv` and writes this page from it; "
        "its head says what is measured. Default settings; means over splits, their number in "
        "brackets.",
        "",
    ]
    parts = {
        "honesty": _honesty,
        "coverage": _coverage,
        "novelty": _novelty,
        "gaps": _gaps,
        "prefixes": _prefixes,
        "completion": _completion,
        "growth": _growth,
    }
    for part, write in parts.items():
        of_part = rows.loc[rows.part == part]
        if len(of_part):
            lines += write(of_part, out)
    (out / "trust.md").write_text("\n".join(lines))


def _honesty(rows: pd.DataFrame, out: Path) -> list[str]:
    lines = ["## Probabilities", ""]
    head = "| set | cases a class | splits | calibration error | of MiniRocket | log loss | of "
    head += "MiniRocket | accuracy | of MiniRocket |"
    lines += [head, "|---" * 9 + "|"]
    for name, k, of in _by_set(rows):
        cells = []
        for figure in ("error", "log loss", "accuracy"):
            for method in ("EGEM", "MiniRocket"):
                mine = of.loc[of.method == method]
                value = _error(mine) if figure == "error" else _mean(mine, figure)
                cells.append(f"{value:.3f}")
        lines.append(f"| {name} | {k} | {of.seed.nunique()} | " + " | ".join(cells) + " |")
    return [*lines, "", "The other is a logistic regression on MiniRocket's features.", ""]


def _coverage(rows: pd.DataFrame, out: Path) -> list[str]:
    lines = ["## Sets of classes, and known cases rejected", ""]
    alphas = (0.05, 0.1, 0.2)
    head = "| set | cases a class | splits |"
    head += "".join(f" coverage, {1 - a:g} wanted | size |" for a in alphas)
    head += "".join(f" rejected at {a:g} |" for a in alphas)
    lines += [head, "|---" * (3 + 3 * len(alphas)) + "|"]
    for name, k, of in _by_set(rows):
        cells = []
        for a in alphas:
            cells += [
                f"{_mean(of, f'coverage at {a}'):.3f}",
                f"{_mean(of, f'set size at {a}'):.2f}",
            ]
        cells += [f"{_mean(of, f'known rejected at {a}'):.3f}" for a in alphas]
        lines.append(f"| {name} | {k} | {of.seed.nunique()} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _by_set(rows: pd.DataFrame):
    for name, of_set in rows.groupby("set", sort=False):
        for k, of in of_set.groupby("k"):
            yield name, k, of


def _error(rows: pd.DataFrame) -> float:
    """Expected calibration error of all splits together."""
    binned = rows.loc[rows.figure.str.contains(" in bin ")]
    total = binned.groupby("figure").value.sum()
    apart, n = 0.0, 0.0
    for figure, count in total.items():
        what, _, b = str(figure).partition(" in bin ")
        if what == "n":
            apart += abs(total[f"confidence in bin {b}"] - total[f"hits in bin {b}"])
            n += count
    return apart / max(n, 1.0)


def _mean(rows: pd.DataFrame, figure: str) -> float:
    return float(rows.loc[rows.figure == figure].value.mean())


def _novelty(rows: pd.DataFrame, out: Path) -> list[str]:
    return ["## Unknowns", "", *_table(rows), ""]


def _growth(rows: pd.DataFrame, out: Path) -> list[str]:
    return ["## The twentieth letter added to nineteen", "", *_table(rows), ""]


def _gaps(rows: pd.DataFrame, out: Path) -> list[str]:
    return ["## Gaps", "", *_table(rows), ""]


def _prefixes(rows: pd.DataFrame, out: Path) -> list[str]:
    figure, axes = plt.subplots(1, rows.k.nunique(), figsize=(9, 3.6), sharey=True, squeeze=False)
    for axis, (k, of_k) in zip(axes[0], rows.groupby("k"), strict=True):
        for method, of in of_k.groupby("method"):
            means = of.groupby("figure").value.mean()
            seen = [f for f in means.index if f.startswith("first ")]
            points = sorted((float(f.split()[1]), means[f]) for f in seen)
            points.append((1.0, means["all"]))
            axis.plot(*zip(*points, strict=True), "o-", label=method, color=COLOURS[str(method)])
        axis.set_title(f"{k} training cases a class", fontsize=10)
        axis.set_xlabel("share of the letter that is seen")
        axis.grid(alpha=0.25)
    axes[0, 0].set_ylabel("accuracy")
    axes[0, 0].legend(frameon=False)
    figure.tight_layout()
    figure.savefig(out / "prefixes.png", dpi=130)
    plt.close(figure)
    return [
        "## Prefixes",
        "",
        *_table(rows),
        "",
        "![Accuracy against the share of a letter that is seen](prefixes.png)",
        "",
    ]


def _completion(rows: pd.DataFrame, out: Path) -> list[str]:
    text = (
        "Errors of missing values, of letters standardised over all, and the share of them inside "
        "the band that `complete` gives for 0.9; `trust_completion.py` says what the others do."
    )
    return ["## What is missing, completed", "", text, "", *_table(rows), ""]


def _table(rows: pd.DataFrame) -> list[str]:
    """Lay out means by figure, a column for each method and number of cases."""
    means = rows.groupby(["figure", "method", "k"]).value.mean().unstack(["method", "k"])
    order = {figure: i for i, figure in enumerate(rows.figure.unique())}
    means = means.loc[sorted(means.index, key=lambda f: order[f])]
    n = {k: of.seed.nunique() for k, of in rows.groupby("k")}
    heads = [f"{method}, {k} a class ({n[k]})" for method, k in means.columns]
    lines = ["| | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for figure, values in means.iterrows():
        cells = ["" if np.isnan(v) else f"{v:.3f}" for v in values]
        lines.append(f"| {figure} | " + " | ".join(cells) + " |")
    return lines
