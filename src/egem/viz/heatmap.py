"""The heat map of losses: every expert on the cases of every class."""

import numpy as np
from jaxtyping import Float, Int, Shaped
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from egem.viz.style import EM, INK, LOSS_COLOURS, QUIET, SMALL, TEXT, WRONG, new_figure

OWN = "#ffb000"  # frames the lowest loss where it is that of the class's own expert
SIDE = 5.6  # inches of all cells together, within the bounds below
MIN_CELL, MAX_CELL = 0.3, 0.62
MAX_WRITTEN = 24  # classes up to which the means are written into the cells
MAX_NAMES = 50  # along an axis; more would run into each other
STEPS = (1, 1.2, 1.5, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)  # of the colour bar


def loss_heatmap(
    losses: Float[np.ndarray, "n_cases n_classes"],
    y: Shaped[np.ndarray, " n_cases"],
    classes: Shaped[np.ndarray, " n_classes"],
) -> Figure:
    """Show the mean loss of every expert on the cases of every true class.

    Colours compare within a row: each mean is divided by the lowest of its row, so that rows of
    large losses do not hide the others. The lowest mean of each row is framed.

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
        If the shapes do not match, or no case belongs to a class.
    """
    losses, y, classes = np.asarray(losses, float), np.asarray(y), np.asarray(classes)
    if losses.shape != (len(y), len(classes)):
        raise ValueError(
            f"losses has shape {losses.shape}; for {len(y)} labels in y and {len(classes)} classes "
            f"give ({len(y)}, {len(classes)})."
        )
    rows = np.flatnonzero([(y == c).any() for c in classes])
    if not len(rows):
        raise ValueError("y holds no case of any of the classes; there is nothing to show.")
    means = np.array([losses[y == classes[c]].mean(axis=0) for c in rows])
    return _draw(means, rows, [str(c) for c in classes])


def _draw(
    means: Float[np.ndarray, "n_rows n_classes"], rows: Int[np.ndarray, " n_rows"], names: list[str]
) -> Figure:
    n_rows, n_classes = means.shape
    written = n_classes <= MAX_WRITTEN
    cell = float(np.clip(SIDE / n_classes, MIN_CELL, MAX_CELL)) if written else SIDE / n_classes
    size = TEXT if n_classes <= 25 else SMALL - 1
    longest = EM * size / 72 * max(map(len, names))
    upright = longest > 0.9 * cell
    width, height = n_classes * cell + longest + 1.1, n_rows * cell + upright * longest + 0.55
    lowest = means.argmin(axis=1)
    figure, body = new_figure(max(width, 5.0), height, *_heading(lowest, rows, names))
    axes = body.subplots()
    axes.set_label("means")
    relative = means / np.maximum(means.min(axis=1, keepdims=True), 1e-12)
    # The palest colour starts at the upper decile: a few extreme cells must not flatten the rest.
    top = float(np.clip(np.quantile(relative, 0.9), 1.5, 1e3))
    image = axes.imshow(relative, cmap=LOSS_COLOURS, norm=LogNorm(1.0, top), aspect="auto")
    for row, column in enumerate(lowest):
        _frame(axes, row, int(column), own=bool(column == rows[row]))
    if written:
        _write_means(axes, means, image.to_rgba(relative), cell)
    every = -(-n_classes // MAX_NAMES)
    axes.set_xticks(range(0, n_classes, every), names[::every], rotation=90 if upright else 0)
    axes.set_yticks(range(0, n_rows, every), [names[c] for c in rows[::every]])
    axes.tick_params(length=0, labelsize=size, labelcolor=INK, pad=4)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("expert of class", size=TEXT, color=QUIET)
    axes.set_ylabel("true class", size=TEXT, color=QUIET)
    _add_key(axes, image, top, n_rows * cell)
    return figure


def _heading(
    lowest: Int[np.ndarray, " n_rows"], rows: Int[np.ndarray, " n_rows"], names: list[str]
) -> tuple[str, str]:
    n_rows, n_own = len(rows), int((lowest == rows).sum())
    if n_rows == 1:
        has = "has" if n_own else "does not have"
        title = f"The expert of class {names[rows[0]]} {has} the lowest loss on it"
    else:
        count = f"All {n_rows}" if n_own == n_rows else f"{n_own} of {n_rows}"
        title = f"{count} classes have the lowest loss with their own expert"
    dashed = "" if n_own == n_rows else ", dashed if it is another class's"
    return title, (
        "Mean loss of each expert on the cases of each class. Colour: relative to the lowest of "
        f"the row, which is framed{dashed}."
    )


def _frame(axes: Axes, row: int, column: int, own: bool) -> None:
    corner, label = (column - 0.45, row - 0.45), "own" if own else "other"
    frame = Rectangle(corner, 0.9, 0.9, fill=False, linewidth=1.8, label=label, edgecolor=OWN)
    if not own:
        frame.set(edgecolor=WRONG, linestyle=(0, (2, 1)))
    axes.add_patch(frame)


def _write_means(
    axes: Axes,
    means: Float[np.ndarray, "n_rows n_classes"],
    colours: Float[np.ndarray, "n_rows n_classes 4"],
    cell: float,
) -> None:
    """Write each mean as large as its cell allows."""
    digits = 2 if means.max() < 9.95 else 1 if means.max() < 99.5 else 0
    longest = len(f"{means.max():.{digits}f}")
    size = min(0.82 * cell * 72 / (longest * EM), TEXT)
    if size < 5:
        return
    for (row, column), mean in np.ndenumerate(means):
        brightness = colours[row, column, :3] @ (0.299, 0.587, 0.114)
        style = {"size": size, "color": "white" if brightness < 0.55 else INK}
        axes.text(column, row, f"{mean:.{digits}f}", ha="center", va="center", **style)


def _add_key(axes: Axes, image: AxesImage, top: float, height: float) -> None:
    bar = axes.figure.colorbar(
        image, ax=axes, extend="max", extendfrac=0.03, aspect=height / 0.16, pad=0.02, fraction=0.1
    )
    bar.ax.set_label("key")
    steps = [step for step in STEPS if step <= top]
    steps = steps[:: -(-len(steps) // max(2, int(height / 0.4)))]
    bar.set_ticks(steps, labels=[f"{step:g}×" for step in steps], minor=False)
    bar.minorticks_off()
    bar.ax.tick_params(length=0, labelsize=SMALL, labelcolor=QUIET)
    bar.outline.set_visible(False)
