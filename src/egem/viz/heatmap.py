"""The heat map: whose cases each expert explains best."""

import numpy as np
from jaxtyping import Float, Int, Shaped
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle

from egem.viz.style import INK, LOSS_COLOURS, QUIET, SMALL, TEXT, WRONG, Sheet, sheet, text_width

OWN = "#ffb000"  # frames the lowest loss where it is the class's own
SIDE = 5.6  # inches the cells take together, where that leaves them within the bounds below
SMALLEST, LARGEST = 0.3, 0.62
MOST_WRITTEN = 24  # classes up to which the means are written into the cells


def loss_heatmap(
    losses: Float[np.ndarray, "n_cases n_classes"],
    y: Shaped[np.ndarray, " n_cases"],
    classes: Shaped[np.ndarray, " n_classes"],
) -> Figure:
    """Show the mean loss of every expert on the cases of every true class.

    Colours compare within a row: each mean is divided by the lowest of its row, so that classes
    that are harder to imagine do not drown the others. The row's lowest is framed.

    Parameters
    ----------
    losses : array (n_cases, n_classes)
        Remaining losses, ``clf.losses(X)``.
    y : array (n_cases,)
        True labels.
    classes : array (n_classes,)
        Labels of the columns, ``clf.classes_``.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        Where the shapes do not match, or no case belongs to a class.
    """
    losses, y, classes = np.asarray(losses, float), np.asarray(y), np.asarray(classes)
    if losses.shape != (len(y), len(classes)):
        raise ValueError(
            f"losses has shape {losses.shape}; for {len(y)} labels in y and {len(classes)} classes "
            f"give ({len(y)}, {len(classes)})."
        )
    rows = [c for c in range(len(classes)) if (y == classes[c]).any()]
    if not rows:
        raise ValueError("y holds no case of any of the classes; there is nothing to show.")
    means = np.array([losses[y == classes[c]].mean(axis=0) for c in rows])
    return _draw_heatmap(means, np.array(rows), classes)


def _draw_heatmap(
    means: Float[np.ndarray, "n_rows n_classes"],
    rows: Int[np.ndarray, " n_rows"],
    classes: Shaped[np.ndarray, " n_classes"],
) -> Figure:
    n_rows, n_classes = means.shape
    lowest = means.argmin(axis=1)
    n_own = int((lowest == rows).sum())
    names = [str(c) for c in classes]
    written = n_classes <= MOST_WRITTEN
    cell = float(np.clip(SIDE / n_classes, SMALLEST, LARGEST)) if written else SIDE / n_classes
    longest = max(text_width(name, FontProperties(size=TEXT)) for name in names)
    upright = longest > 0.9 * cell
    left, below = longest + 0.45, (longest if upright else 0.15) + 0.35
    wide, tall = n_classes * cell, n_rows * cell
    own = "All" if n_own == n_rows else f"{n_own} of"
    whole = n_own == n_rows
    page = sheet(
        max(left + wide + 1.2, 5.0),
        tall + below,
        f"{own} {n_rows} classes are explained best by their own expert"
        if n_rows > 1
        else f"Class {names[rows[0]]} is {'' if whole else 'not '}explained best by its own expert",
        "Mean loss of each expert on the cases of each class; framed: the lowest of a row"
        + ("." if whole else ", dashed where it is another class's expert's."),
    )
    axes = page.axes(left, 0, wide, tall)
    axes.set_label("means")
    relative = means / np.maximum(means.min(axis=1, keepdims=True), 1e-12)
    # The palest colour is for the clearly foreign; a few extreme cells must not flatten the rest.
    top = float(np.clip(np.quantile(relative, 0.9), 1.5, 1e3))
    image = axes.imshow(relative, cmap=LOSS_COLOURS, norm=LogNorm(1.0, top), aspect="auto")
    for e, row in zip(lowest, range(n_rows), strict=True):
        _frame(axes, row, int(e), own=bool(e == rows[row]))
    if written:
        _write_means(axes, means, image.to_rgba(relative), cell)
    _name_axes(axes, names, rows, upright)
    page.text(left + wide / 2, tall + below - 0.1, "expert of class", ha="center", color=QUIET)
    page.text(0.1, tall / 2, "true class", rotation=90, ha="center", color=QUIET)
    _draw_key(page, image, left + wide + 0.25, tall, top)
    return page.figure


def _frame(axes: Axes, row: int, column: int, own: bool) -> None:
    axes.add_patch(
        Rectangle(
            (column - 0.45, row - 0.45),
            0.9,
            0.9,
            fill=False,
            edgecolor=OWN if own else WRONG,
            linewidth=1.8,
            linestyle="-" if own else (0, (2, 1)),
            label="own" if own else "other",
        )
    )


def _write_means(
    axes: Axes,
    means: Float[np.ndarray, "n_rows n_classes"],
    colours: Float[np.ndarray, "n_rows n_classes 4"],
    cell: float,
) -> None:
    """Write each mean as large as its cell allows."""
    digits = 2 if means.max() < 9.95 else 1 if means.max() < 99.5 else 0
    longest = len(f"{means.max():.{digits}f}")
    size = min(0.86 * cell / (longest * 0.62 / 72), TEXT)
    if size < 5:
        return
    for (row, column), mean in np.ndenumerate(means):
        bright = colours[row, column, :3] @ (0.299, 0.587, 0.114)
        colour = "white" if bright < 0.55 else INK
        words = f"{mean:.{digits}f}"
        axes.text(column, row, words, size=size, color=colour, ha="center", va="center")


def _name_axes(axes: Axes, names: list[str], rows: Int[np.ndarray, " n_rows"], upright: bool):
    every = -(-len(names) // 50)  # more names than that would run into each other
    axes.set_xticks(range(0, len(names), every), names[::every])
    axes.set_yticks(range(0, len(rows), every), [names[c] for c in rows[::every]])
    size = TEXT if len(names) <= 25 else SMALL - 1
    axes.tick_params(length=0, labelsize=size, labelcolor=INK, pad=4)
    axes.tick_params(axis="x", labelrotation=90 if upright else 0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _draw_key(page: Sheet, image, left: float, tall: float, top: float) -> None:
    key = page.axes(left, 0, 0.16, tall)
    key.set_label("key")
    bar = page.figure.colorbar(image, cax=key, extend="max", extendfrac=0.03)
    steps = [s for s in (1, 1.2, 1.5, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000) if s <= top]
    most = max(2, int(tall / 0.4))
    steps = steps[:: -(-len(steps) // most)]
    bar.set_ticks(steps, labels=[f"{s:g}×" for s in steps], minor=False)
    bar.ax.minorticks_off()
    bar.ax.tick_params(length=0, labelsize=SMALL, labelcolor=QUIET)
    bar.outline.set_visible(False)
    page.text(
        left + 0.75,
        tall / 2,
        "times the lowest of the row",
        SMALL,
        rotation=90,
        ha="center",
        color=QUIET,
    )
