"""The tables of accuracies in README: of this benchmark's rows, and of `egem reproduce`'s."""

from pathlib import Path

import pandas as pd

from accuracy_report import ALWAYS, NEVER
from egem.apps.paper.tables import BEST_TEST, Results
from splits import SEEDS

PLACES = {
    "accuracy": ("<!-- accuracy: python benchmarks/accuracy.py -->\n\n", "\n<!-- end -->"),
    "paper": ("<!-- paper: egem reproduce --out docs/paper -->\n\n", "\n<!-- end -->"),
}
COPIES = "EGEM, copies for recurrent experts"
VARIANTS = ("EGEM", NEVER, ALWAYS, COPIES)
METHODS = ("1NN-DTW", "MiniRocket", "MultiRocket-Hydra", "EGEM")
K = 4  # training cases per class, of the sealed sets and of the single sets
SINGLE = {
    "characters": "handwritten letters, 20 classes",
    "mnist": "MNIST digits as rows, 10",
    "pendigits": "pen digits, 10",
    "PickupGestureWiimoteZ": "Wiimote gestures, 10",
    "BasicMotions": "movements, 6 channels, 4",
    "JapaneseVowels": "speakers, 12 channels, 9",
}
PAPER_ROWS = {
    "1NN": "1NN",
    "MiniRocket": "MiniRocket",
    "LDA": "LDA",
    BEST_TEST: "EGEM as published, best noise",
    "EGEM default": "egem",
}
CONDITIONS = {
    ("characters", "random"): "handwritten letters, random",
    ("characters", "clustered"): "the same, k-means centres",
    ("mnist", "random"): "MNIST digits as rows, random",
    ("mnist", "clustered"): "the same, k-means centres",
}


def summary(rows: pd.DataFrame, sealed: pd.DataFrame | None) -> str:
    """Return the means over sets by the number of cases, and some single sets."""
    rows = rows.loc[rows.seed.isin(SEEDS)].query("method in @METHODS and k > 0")
    n_splits, n_sets = rows.groupby("k").seed.nunique(), rows["set"].nunique()
    lines = _head("means over splits", [m if m != "EGEM" else "egem" for m in METHODS])
    for k, of in rows.groupby("k"):
        what = f"{n_sets} sets, {k} training case{'s' * (k != 1)} per class"
        lines.append(_line(what, _over_sets(of)))
    if sealed is not None:
        what = f"{sealed['set'].nunique()} sealed sets, {K} per class"
        lines.append(_line(what, _over_sets(sealed)))
    for name, what in SINGLE.items():
        of = rows[(rows["set"] == name) & (rows.k == K)]
        lines.append(_line(f"{what}; {K} per class", of.groupby("method").accuracy.mean()))
    numbers = " or ".join(str(n) for n in sorted(n_splits.unique()))
    lines += ["", f"{numbers} splits each, never looked at before."]
    return "\n".join(lines) + "\n"


def contribution(rows: pd.DataFrame) -> str:
    """Say what recurrent experts add to the mean over sets, and what could replace them."""
    rows = rows.loc[rows.seed.isin(SEEDS)].query("method in @VARIANTS and k == @K")
    wide = rows.pivot_table(index="set", columns="method", values="accuracy")
    gain = wide["EGEM"] - wide[NEVER]
    most = gain.idxmax()
    seeds = rows[rows.method == ALWAYS].seed.unique()
    few = rows.query("seed in @seeds").pivot_table(index="set", columns="method", values="accuracy")
    means = few.mean()
    if not len(seeds):
        return ""
    return (
        f"Linear experts, on values and on convolution features, do most of the work: without "
        f"recurrent experts the mean of the {len(wide)} sets at {K} cases per class is "
        f"{wide[NEVER].mean():.3f} in place of {wide['EGEM'].mean():.3f}, most of it on `{most}` "
        f"({wide[NEVER][most]:.3f}, {wide['EGEM'][most]:.3f}). On {len(seeds)} splits "
        f"recurrent experts were trained for every set, whether held-out cases need them or not: "
        f"{means[ALWAYS]:.3f} (the default: {means['EGEM']:.3f}); untrained, mixed and deformed "
        f"copies of the training cases in their place give {means[COPIES]:.3f}.\n"
    )


def paper(results: Results) -> str:
    """Return the means of the paper's conditions."""
    lines = _head("four training cases per class", list(PAPER_ROWS.values()))
    for (problem, condition), what in CONDITIONS.items():
        means = pd.Series(
            {row: results.accuracy(problem, condition, row).mean() for row in PAPER_ROWS}
        )
        lines.append(_line(what, means, tuple(PAPER_ROWS)))
    return "\n".join(lines) + "\n"


def _head(what: str, methods: list[str]) -> list[str]:
    return [f"| {what} | {' | '.join(methods)} |", "|---" * (len(methods) + 1) + "|"]


def _over_sets(rows: pd.DataFrame) -> pd.Series:
    """Average each set's splits, then the sets, for methods that were run on all of them."""
    means = rows.pivot_table(index="set", columns="method", values="accuracy")
    return means.dropna(axis=1).mean()


def _line(what: str, means: pd.Series, methods: tuple[str, ...] = METHODS) -> str:
    cells = [f"{means[m]:.3f}" if m in means else "" for m in methods]
    best = max(cells)
    return f"| {what} | {' | '.join(f'**{c}**' if c == best else c for c in cells)} |"


def write_summary(docs: Path, readme: Path) -> None:
    """Put the tables in their places in README."""
    table, sealed = (docs / "benchmarks" / f"{name}.csv" for name in ("accuracy", "sealed"))
    hidden = pd.read_csv(sealed) if sealed.exists() else None
    rows = pd.read_csv(table)
    texts = {
        "accuracy": summary(rows, hidden) + "\n" + contribution(rows),
        "paper": paper(Results.load(docs / "paper" / "results.csv")),
    }
    text = readme.read_text()
    for name, (begin, end) in PLACES.items():
        before, rest = text.split(begin)
        text = before + begin + texts[name] + end + rest.split(end, maxsplit=1)[1]
    readme.write_text(text)
