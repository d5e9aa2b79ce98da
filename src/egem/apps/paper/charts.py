"""Charts of the results: the table, accuracy over iterations, by class and by style."""

import json
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from egem.apps.paper.protocol import CONDITIONS, FULL, N_ITERATIONS, N_SETTINGS, noise_text
from egem.apps.paper.tables import BEST_TEST, OUR_ROWS, PUBLISHED_ROWS, Results
from egem.viz.style import FAINT, INK, PALETTE, QUIET, SMALL, TEXT, WRONG, new_figure

ROW, PANEL, NAMES = 0.235, 3.2, 1.75  # inches
WIDTH, HEIGHT = 7.4, 2.9  # of charts in two columns, and of one of their rows
OTHERS = "#c3ccd3"
GROUPS = {  # colours of the bars
    PALETTE[0]: ("base", "noise average", BEST_TEST, OUR_ROWS[0]),
    PALETTE[2]: ("EGEM default",),
    OTHERS: ("forward LSTM", "1NN", *OUR_ROWS[2:], FULL),
}


def bar_chart(results: Results) -> Figure:
    """Draw the whole table: our mean and sd as bars, published means as diamonds."""
    cells = results.cells()
    rows = [*PUBLISHED_ROWS[:3], *OUR_ROWS, *PUBLISHED_ROWS[3:], FULL]
    rows = [row for row in rows if (cells["row"] == row).any()]
    colours = {row: colour for colour, names in GROUPS.items() for row in names}
    figure, body = new_figure(
        NAMES + 2 * PANEL,
        len(results.problems) * (ROW * len(rows) + 0.7),
        "The published table, reproduced",
        "Accuracy: bars are our means, lines one sd, diamonds the published means. Blue: published "
        "EGEM; green: this library's defaults; grey: other methods.",
    )
    grid = body.subplots(len(results.problems), len(CONDITIONS), squeeze=False)
    for panels, problem in zip(grid, results.problems, strict=True):
        for j, (axes, condition) in enumerate(zip(panels, CONDITIONS, strict=True)):
            axes.set_title(f"{results.title(problem)}, {condition}", size=TEXT, loc="left", pad=6)
            for place, row in enumerate(rows):
                where = "full" if row == FULL else condition
                cell = cells[
                    (cells["problem"] == problem)
                    & (cells["condition"] == where)
                    & (cells["row"] == row)
                ]
                if not cell.empty:
                    _bar(axes, place, cell.iloc[0], colours[row])
            axes.set_xlim(0, 1.09)
            axes.set_ylim(len(rows) - 0.5, -0.5)
            axes.set_yticks(range(len(rows)), rows if j == 0 else [""] * len(rows), size=SMALL)
            _quiet(axes, "x")
    return figure


def _bar(axes: Axes, place: int, cell, colour: str) -> None:
    if np.isfinite(cell["mean"]):
        axes.barh(place, cell["mean"], 0.72, color=colour)
        if np.isfinite(cell["sd"]):
            axes.errorbar(cell["mean"], place, xerr=cell["sd"], color=INK, linewidth=1, capsize=2)
        ink = INK if colour == OTHERS else "white"
        axes.text(0.02, place, f"{cell['mean']:.3f}", size=SMALL - 1, va="center", color=ink)
    if np.isfinite(cell["published"]):
        axes.plot(cell["published"], place, "D", color="white", mec=WRONG, mew=1.4, ms=5)


def _quiet(axes: Axes, grid: Literal["x", "y"]) -> None:
    axes.grid(axis=grid, color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=SMALL, labelcolor=INK)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom" and grid != "x")
        spine.set_color(FAINT)


def iterations_chart(results: Results) -> Figure | None:
    """Draw accuracy and the true expert's MSE after 0 to 50 iterations, where recorded."""
    lines = {}
    for problem in results.problems:
        for condition in CONDITIONS:
            for setting in range(N_SETTINGS):
                where = problem, condition, f"EGEM {setting}"
                accuracy = results.lists(*where, "accuracy_by_iteration")
                mse = results.lists(*where, "own_mse_by_iteration")
                if accuracy is not None and mse is not None:
                    lines.setdefault(problem, []).append((condition, setting, accuracy, mse))
    if not lines:
        return None
    figure, body = new_figure(
        WIDTH,
        HEIGHT * len(lines),
        f"Accuracy and loss over {N_ITERATIONS} iterations",
        "Loss of the code before it is normalised, first repeat. Solid: clustered, dashed: random.",
    )
    grid = body.subplots(len(lines), 2, squeeze=False)
    for (left, right), (problem, of) in zip(grid, lines.items(), strict=True):
        for condition, setting, accuracy, mse in of:
            style = {
                "color": PALETTE[min(setting, 3)],
                "linestyle": "-" if condition == CONDITIONS[0] else "--",
                "linewidth": 1.6,
                "label": "base"
                if setting == 0
                else noise_text(problem, f"EGEM {setting}", condition),
            }
            left.plot(accuracy, **style)
            right.plot(mse, **style)
        left.set_title(f"{results.title(problem)}: accuracy", size=TEXT, loc="left", pad=6)
        right.set_title("mean squared error of the true expert", size=TEXT, loc="left", pad=6)
        right.set_ylim(bottom=0)
        for axes in (left, right):
            _quiet(axes, "y")
            axes.set_xlabel("iterations", size=SMALL, color=QUIET)
        handles, labels = left.get_legend_handles_labels()
        unique = dict(zip(labels, handles, strict=True))
        left.legend(unique.values(), unique.keys(), fontsize=SMALL - 1.5, frameon=False)
    return figure


def class_chart(results: Results, names: dict[str, list[str]]) -> Figure | None:
    """Draw accuracy by class, mean over repeats, of base, the best noise setting and others."""
    problems = [p for p in results.problems if names[p]]
    if not problems:
        return None
    places = [(p, c) for p in problems for c in CONDITIONS]
    figure, body = new_figure(
        WIDTH,
        2.4 * len(places),
        "Accuracy by class",
        "Mean over repeats.",
    )
    panels = np.ravel(body.subplots(len(places), squeeze=False))
    for i, (axes, (problem, condition)) in enumerate(zip(panels, places, strict=True)):
        best = results.best_setting(problem, condition)
        rows = {"base": "EGEM 0", BEST_TEST: best, "EGEM default": "EGEM default", "1NN": "1NN"}
        marks = zip(rows.items(), "o^sx", (*PALETTE[:3], QUIET), strict=True)
        for k, ((label, row), mark, colour) in enumerate(marks):
            by_class = results.lists(problem, condition, row or "", "accuracy_by_class")
            if by_class is not None:
                at = np.arange(len(by_class)) + 0.16 * (k - 1.5)
                axes.plot(at, by_class, mark, color=colour, ms=4.5, label=label)
        axes.set_title(f"{results.title(problem)}, {condition}", size=TEXT, loc="left", pad=6)
        axes.set_xticks(range(len(names[problem])), names[problem])
        axes.set_ylim(-0.03, 1.05)
        _quiet(axes, "y")
        if i == 0 and axes.get_legend_handles_labels()[0]:  # one run alone may show none
            axes.legend(fontsize=SMALL, frameon=False, ncol=4, loc="lower right")
    return figure


def style_chart(results: Results) -> Figure | None:
    """Draw Part II's lesson: accuracy and training error against the size of the free input."""
    cells = results.column("mnist", "-", "style", "style_sizes")
    if cells.empty:
        return None
    sizes = json.loads(cells.iloc[0])
    figure, body = new_figure(
        WIDTH,
        HEIGHT,
        "One generator with a free style input beside the class",
        f"One generator for all classes, {results.title('mnist')}, four random cases a class.",
    )
    left, right = body.subplots(1, 2)
    series = (
        (left, "accuracy_by_style", "accuracy"),
        (right, "train_mse_by_style", "training mean squared error"),
    )
    for axes, column, words in series:
        values = results.lists("mnist", "-", "style", column)
        axes.plot(range(len(sizes)), np.asarray(values), "o-", color=PALETTE[0])
        axes.set_xticks(range(len(sizes)), [str(s) for s in sizes])
        axes.set_ylim(bottom=0)
        axes.set_xlabel("length of the style", size=SMALL, color=QUIET)
        axes.set_title(words, size=TEXT, loc="left", pad=6)
        _quiet(axes, "y")
    return figure
