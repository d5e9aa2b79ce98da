"""Tables and pictures of `speed.csv`."""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd

matplotlib.use("Agg")
import matplotlib.pyplot as plt

PARTS = {
    "published": (
        "The published experts",
        "20 experts of 10 cells for characters, trained by the published recipe. *published* is "
        "the paper's procedure in PyTorch, measured on a part and scaled up to 40,000 updates of "
        "20 experts and to 565 letters; *EGEM* searches with the same experts by its own method, "
        "on all 565. *EGEM defaults* trains its own experts on the same cases.",
    ),
    "peers": (
        "Beside other classifiers",
        "Four cases a class, 565 letters and 1,000 digits to classify; defaults on all cores, the "
        "others as their libraries come. The forward LSTM (PyTorch) trains 300 epochs, of which "
        "three were measured.",
    ),
    "large": ("One case, and ten thousand", ""),
    "start": ("From nothing", ""),
}
FACTORS = ("classes", "cases", "time points", "channels", "test")
COLOURS = {"fit seconds": "#c0392b", "predict seconds": "#1f77b4"}


def write_report(table: Path, out: Path) -> None:
    """Write `speed.md` and its picture from the rows at hand."""
    if not table.exists():
        return
    rows = pd.read_csv(table, keep_default_na=False)
    lines = [
        "# Speed",
        "",
        "`python benchmarks/speed.py` (or `make bench`) measures what is missing in "
        "`speed.csv` and writes this page from it; its head says how. Medians, ranges in brackets; "
        "2 cores of a shared machine, whose speed has varied twofold from day to day: ratios in "
        "one part say more than seconds.",
        "",
    ]
    for part, (title, text) in PARTS.items():
        of_part = rows.loc[rows.part == part]
        if len(of_part):
            lines += [f"## {title}", "", *([text, ""] if text else []), *_table(of_part), ""]
    grown = rows.loc[rows.part == "growth"]
    if len(grown):
        _growth(grown, out / "speed-growth.png")
        lines += [
            "## Growing",
            "",
            "Sums of a few waves; 10 classes of 4 cases, 100 time points, 2 channels and 1,000 "
            "cases to classify, but for the factor that grows. Compilation apart, as JAX tells it "
            "(all threads added up); *share* is the multiply-adds of training, counted as 2, as a "
            "share of a float32 matrix product's rate on both cores.",
            "",
            *_wide(grown, ["set"]),
            "",
            "![Seconds to fit and to predict as each factor grows](speed-growth.png)",
            "",
        ]
    (out / "speed.md").write_text("\n".join(lines))


def _table(rows: pd.DataFrame) -> list[str]:
    lines = ["| data | method | figure | median | range |", "|---|---|---|---|---|"]
    for r in rows.to_dict("records"):
        low, high = _short(r["low"]), _short(r["high"])
        cells = r["set"], r["method"], r["figure"], _short(r["value"])
        lines.append(f"| {' | '.join(cells)} | {'' if low == high else f'{low} to {high}'} |")
    return lines


def _short(value) -> str:
    value = float(value)
    if np.isnan(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _wide(rows: pd.DataFrame, keys: list[str]) -> list[str]:
    """A table with a column for each figure."""
    wide = rows.pivot_table(index=keys, columns="figure", values="value", sort=False)
    figures = list(dict.fromkeys(rows.figure))
    lines = [
        "| " * len(keys) + f"| {' | '.join(figures)} |",
        "|---" * (len(keys) + len(figures)) + "|",
    ]
    for name, found in wide.iterrows():
        names = name if isinstance(name, tuple) else (name,)
        cells = [*map(str, names), *(_short(found[figure]) for figure in figures)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _growth(rows: pd.DataFrame, path: Path) -> None:
    fig, axes = plt.subplots(1, len(FACTORS), figsize=(15, 3.2), layout="constrained", sharey=True)
    for ax, factor in zip(axes, FACTORS, strict=True):
        of = rows.loc[rows.set.str.startswith(f"{factor} ")]
        for figure, colour in COLOURS.items():
            mine = of.loc[of.figure == figure]
            grown = [int(name.rsplit(" ", 1)[1]) for name in mine.set]
            ax.loglog(grown, mine.value.astype(float), "o-", color=colour, label=figure)
        ax.set_xlabel({"test": "cases to classify", "cases": "cases a class"}.get(factor, factor))
        ax.grid(alpha=0.25)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("seconds")
    axes[0].legend(frameon=False, fontsize=8)
    fig.savefig(path, dpi=140)
    plt.close(fig)
