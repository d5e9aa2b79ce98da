"""Tables and pictures of `accuracy.csv`."""

from itertools import pairwise
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd

from egem.apps.paper.tables import interval

matplotlib.use("Agg")
import matplotlib.pyplot as plt

OTHERS = ("#1f77b4", "#ff9f1c", "#2ca02c", "#7a5195", "#8c6d46", "#17a2b8", "#555555")
AGREEMENT = "EGEM, predict as invert"  # share of cases; predict stops experts that cannot win
NEVER, ALWAYS = "EGEM without recurrent experts", "EGEM, recurrent experts always"
VARIANTS = (NEVER, ALWAYS)
ABLATION = "ablation: "
PARTS = (  # decisions by parts of the fitted classifier, and baselines of one view
    "EGEM, recurrent view alone",
    "EGEM, linear views alone",
    "EGEM, copies for recurrent experts",
    "linear experts, same metric",
    "1NN, same metric",
    "copies, same metric",
)
COMPARED = ("MiniRocket", "MultiRocket-Hydra", NEVER, ALWAYS, "EGEM, copies for recurrent experts")
MOST_PAIRS = 0.75  # of set and number of cases, that a method must have to be ranked


def write_report(table: Path, out: Path) -> None:
    """Write `accuracy.md` and its pictures from the rows at hand."""
    if not table.exists():
        return
    rows = pd.read_csv(table)
    agreement = rows.query("method == @AGREEMENT")
    rows = rows.query("method != @AGREEMENT")
    ablations = rows.loc[rows.method.str.startswith(ABLATION)]
    rows = rows.drop(index=ablations.index)
    lines = [
        "# Accuracy beside other classifiers",
        "",
        "`python benchmarks/accuracy.py` makes or continues `accuracy.csv` and writes this page "
        "from it; its head and `splits.py` say what is trained and tested on. Defaults everywhere: "
        "recurrent experts take part where they predict held-out training cases better. *EGEM "
        "without recurrent experts* never has them, *EGEM, recurrent experts always* has them "
        "wherever they were run. *Recurrent view alone* and *linear views alone* are decisions of "
        "a part of the latter's views, *copies for recurrent experts* those with the nearest of "
        "1,024 untrained, mixed and deformed copies of a class's training cases in place of its "
        "recurrent expert. *Linear experts*, *1NN* and *copies, same metric* are baselines of the "
        "recurrent view: they use its representation and metric. *With copies* is trained on the "
        "deformed copies, too, that EGEM's linear views get.",
        "",
        *_versions(rows),
        "",
    ]
    if len(agreement):
        n_same = round(float((agreement.accuracy * agreement.n_test).sum()))
        lines += [
            f"`predict` gave the class of a full search in {n_same:,} of "
            f"{agreement.n_test.sum():,} cases.",
            "",
        ]
    sealed = table.with_name("sealed.csv")
    if sealed.exists():
        hidden = pd.read_csv(sealed).query("method != @AGREEMENT")
        dates = ", ".join(sorted(hidden.date.unique()))
        lines += [f"## Sealed sets, 4 training cases per class, run on {dates}", ""]
        lines += ["Sets that no choice was made on (see `public_sets.py`).", ""]
        lines += [*_tables(pd.DataFrame(hidden)), ""]
        for peer in COMPARED:
            lines += _beside(pd.DataFrame(hidden), peer)
    for k, of_k in rows.groupby("k"):
        title = f"{k} training case{'s' * (k != 1)} per class" if k else "All training cases"
        lines += [f"## {title}", "", *_tables(pd.DataFrame(of_k)), ""]
        for peer in COMPARED:
            lines += _beside(of_k, peer)
    lines += _doublings(rows.query("method == 'EGEM' and k > 0"))
    lines += _ablation(pd.DataFrame(ablations))
    whole = rows.query("method not in @PARTS and method not in @VARIANTS and k > 0")
    if len(whole):
        _ranks(whole, out / "accuracy-ranks.png")
        _against_k(whole, out / "accuracy-against-k.png")
        lines += [
            "## Pictures",
            "",
            "![Mean rank of each method over sets and numbers of cases](accuracy-ranks.png)",
            "",
            "![Accuracy against cases per class](accuracy-against-k.png)",
            "",
        ]
    (out / "accuracy.md").write_text("\n".join(lines))


def _versions(rows: pd.DataFrame) -> list[str]:
    """Name the versions of the code behind EGEM's rows, by the numbers of cases."""
    own = rows[rows.method == "EGEM"]
    words = []
    for version, of in own.groupby("version"):
        ks = ", ".join("all" if k == 0 else str(k) for k in sorted(of.k.unique()))
        words.append(f"`{version}` (k = {ks})")
    return [f"Versions of the code that made EGEM's rows: {'; '.join(words)}."]


def _tables(rows: pd.DataFrame) -> list[str]:
    """Lay out the methods that were run on all splits, then the others, on theirs alone."""
    n = rows.groupby("method").seed.nunique()
    few = n.index[n < n["EGEM"]] if "EGEM" in n else n.index[:0]
    lines = _accuracies(rows.query("method not in @few"))
    if len(few):
        splits = rows.loc[rows.method.isin(few), ["set", "seed"]].drop_duplicates()
        others = rows.query("method in @few or method == 'EGEM'").merge(splits)
        lines += ["", "On some of these splits:", "", *_accuracies(others)]
    return lines


def _accuracies(rows: pd.DataFrame) -> list[str]:
    mean = rows.pivot_table(index="set", columns="method", values="accuracy", aggfunc="mean")
    sd = rows.pivot_table(index="set", columns="method", values="accuracy", aggfunc="std")
    sd = sd.reindex_like(mean)  # where there is one split there is no spread
    n = rows.groupby("set").seed.nunique()
    methods = ["EGEM", *sorted(set(mean.columns) - {"EGEM", *PARTS}), *PARTS]
    methods = [m for m in methods if m in mean.columns]
    lines = [f"| set | splits | {' | '.join(methods)} |", f"|---|---|{'---|' * len(methods)}"]
    for name in mean.index:
        best = mean.loc[name, [m for m in methods if m not in PARTS]].max()
        cells = [_cell(mean.loc[name, m], sd.loc[name, m], best) for m in methods]
        lines.append(f"| {name} | {n[name]} | {' | '.join(cells)} |")
    whole = mean.dropna(axis=1)
    cells = [f"{whole[m].mean():.3f}" if m in whole else "" for m in methods]
    return [*lines, f"| **mean** | | {' | '.join(cells)} |"]


def _doublings(rows: pd.DataFrame) -> list[str]:
    """Gain of each doubling of the cases, on the splits that both were run on."""
    wide = rows.pivot_table(index=["set", "seed"], columns="k", values="accuracy")
    pairs = list(pairwise(sorted(wide.columns)))
    if not pairs:
        return []
    lines = ["## Each doubling of the training cases", ""]
    lines += ["Mean change of EGEM's accuracy, and half the 95% interval of that mean.", ""]
    lines += [f"| set | {' | '.join(f'{a} to {b}' for a, b in pairs)} |"]
    lines += [f"|---|{'---|' * len(pairs)}"]
    for name, of_set in wide.groupby("set"):
        cells = [_change((of_set[b] - of_set[a]).dropna().to_numpy()) for a, b in pairs]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [*lines, ""]


def _change(each: np.ndarray) -> str:
    """The mean of differences, and half its interval where there are several."""
    if len(each) < 2:
        return "".join(f"{value:+.3f}" for value in each)
    mean, low, *_ = interval(each)
    return f"{mean:+.3f} ± {mean - low:.3f}"


def _ablation(rows: pd.DataFrame) -> list[str]:
    """One table: a row a variant, a column a set and number of cases."""
    if rows.empty:
        return []
    table = rows.pivot_table(
        index="method", columns=["set", "k"], values="accuracy", aggfunc="mean", sort=False
    )
    seeds = rows.seed.nunique()
    lines = [
        "## Parts left out or exchanged",
        "",
        f"`python benchmarks/accuracy.py --ablation`, means over {seeds} splits. Without "
        "augmentation, codes have no deformation coordinates. 3 models averaged: mean of the log "
        "scores of three classifiers.",
        "",
        f"| | {' | '.join(f'{name}, {k}' for name, k in table.columns)} | mean |",
        f"|---|{'---|' * (len(table.columns) + 1)}",
    ]
    for method, each in table.iterrows():
        cells = [f"{value:.3f}" if value == value else "" for value in each]
        lines.append(
            f"| {str(method).removeprefix(ABLATION)} | {' | '.join(cells)} | {each.mean():.3f} |"
        )
    return [*lines, ""]


def _cell(mean: float, sd: float, best: float) -> str:
    if np.isnan(mean):
        return ""
    text = f"{mean:.3f}" if np.isnan(sd) else f"{mean:.3f} ± {sd:.3f}"
    return f"**{text}**" if mean >= best - 1e-9 else text


def _beside(rows: pd.DataFrame, peer: str) -> list[str]:
    """Paired differences of EGEM to a peer, split by split."""
    wide = rows.pivot_table(index=["set", "seed"], columns="method", values="accuracy")
    if "EGEM" not in wide or peer not in wide:
        return []
    difference = (wide["EGEM"] - wide[peer]).dropna()
    words = []
    for name, each in difference.groupby("set"):
        if len(each) > 1:
            mean, low, high, *_ = interval(each.to_numpy())
            words.append(f"{name} {mean:+.3f} [{low:+.3f}, {high:+.3f}]")
    overall = difference.groupby("set").mean().mean()
    if difference.empty:
        return []
    beside = f"*EGEM minus {peer}*, paired, 95% interval: {'; '.join(words)}."
    return [f"{beside} Mean over sets {overall:+.3f}.", ""]


def _ranks(rows: pd.DataFrame, path: Path) -> None:
    """Mean rank over sets and k, lower is better, with the sd of the mean."""
    mean = rows.pivot_table(index=["set", "k"], columns="method", values="accuracy")
    everywhere = mean.notna().mean() > MOST_PAIRS  # some methods were run on few sets only
    mean = mean.loc[:, everywhere].dropna()
    if mean.empty:
        return
    ranks = mean.rank(axis=1, ascending=False)
    order = ranks.mean().sort_values()
    fig, ax = plt.subplots(figsize=(6, 0.45 * len(order) + 1), layout="constrained")
    error = ranks[order.index].std() / np.sqrt(len(ranks))
    colours = ["#c0392b" if m == "EGEM" else "#7f8c8d" for m in order.index]
    ax.barh(order.index[::-1], order[::-1], xerr=error[::-1], color=colours[::-1], height=0.6)
    for place, value in enumerate(order[::-1]):
        ax.text(0.05, place, f"{value:.2f}", va="center", color="white", fontsize=9)
    ax.set_xlabel(f"mean rank over {len(ranks)} pairs of set and number of cases (1 is best)")
    ax.spines[["top", "right"]].set_visible(False)
    fig.savefig(path, dpi=150)
    plt.close(fig)


def _against_k(rows: pd.DataFrame, path: Path) -> None:
    """One small picture a set: accuracy against cases a class."""
    names = sorted(rows["set"].unique())
    columns = min(4, len(names))
    height = -(-len(names) // columns)
    fig, axes = plt.subplots(
        height, columns, figsize=(3 * columns, 2.4 * height), layout="constrained", squeeze=False
    )
    methods = [m for m in rows.method.unique() if m != "EGEM"] + ["EGEM"]
    for ax, name in zip(axes.flat, names, strict=False):
        of = rows.query("set == @name")
        for i, method in enumerate(methods):
            line = of.query("method == @method").groupby("k").accuracy.mean()
            style = (
                {"color": "#c0392b", "lw": 2.2}
                if method == "EGEM"
                else {"color": OTHERS[i % len(OTHERS)]}
            )
            ax.plot(line.index, line, marker="o", ms=3, label=method, **style)
        ax.set_xscale("log", base=2)
        ax.set_xticks(sorted(of.k.unique()), [str(k) for k in sorted(of.k.unique())])
        ax.set_title(name, fontsize=9)
        ax.tick_params(labelsize=7)
        ax.spines[["top", "right"]].set_visible(False)
    for ax in axes.flat[len(names) :]:
        ax.set_axis_off()
    handles, labels = axes.flat[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside upper center", ncols=4, fontsize=8)
    fig.supxlabel("training cases per class", fontsize=9)
    fig.supylabel("accuracy", fontsize=9)
    fig.savefig(path, dpi=150)
    plt.close(fig)
