"""Training cases, targets and reconstructions of several classes."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import ArrayLike

from egem.data.cases import Case, as_cases
from egem.ensemble.result import class_index
from egem.viz.sequences import Drawing, draw_case, drawing_of, scale_of
from egem.viz.style import INK, PALETTE, QUIET, SMALL, TEXT, WRONG, bare, new_figure, wrapped

if TYPE_CHECKING:
    from egem.classifier import EGEMClassifier

MAX_CLASSES = 4
MAX_COLUMNS = 8  # of cases side by side, in all blocks together
MAX_BARS, MAX_NUMBERS = 8, 5  # entries of a code that are drawn, and written

CELL, NAMES, TEXTS = 1.16, 0.3, 1.2  # inches: a case, the names of rows, the captions of a block


def reconstruction_rows(
    clf: "EGEMClassifier",
    X_train: ArrayLike,
    y_train: ArrayLike,
    X_test: ArrayLike,
    y_test: ArrayLike,
    labels: Iterable | None = None,
    *,
    n_columns: int = 4,
) -> Figure:
    """Show training cases, targets and reconstructions of several classes.

    Each class has a block of three rows: its training cases; targets, with the predicted class
    beneath each; and their reconstructions by the class's expert. Beneath a reconstruction stands
    its code: with one-hot codes, the weight of each training case in that case's colour; with
    learned codes (classes of more than 8 cases), its entries in grey. If experts warp, the root
    mean square of the warp's parameters follows, each of which has unit variance a priori.

    Parameters
    ----------
    clf : EGEMClassifier
        A fitted model.
    X_train : array (n_cases, n_channels, n_timepoints) or list
        The cases it was fitted with, in the order of ``fit``.
    y_train : array (n_cases,)
        Their labels.
    X_test : array or list
        Cases from which targets are taken: the first ``n_columns`` of each class.
    y_test : array (n_cases,)
        Their labels.
    labels : sequence of labels, optional
        Classes to show; None takes up to 4, spread evenly.
    n_columns : int, default 4
        Training cases and targets of a class.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If a label is not a class of the model, or has no training or no test case, if the training
        cases are not those of the model, or if ``n_columns`` is not positive.
    """
    if n_columns < 1:
        raise ValueError(f"n_columns must be at least 1, not {n_columns}.")
    train, test = as_cases(X_train, "X_train"), as_cases(X_test, "X_test")
    y_train, y_test = np.asarray(y_train), np.asarray(y_test)
    shown = _spread(clf.classes_) if labels is None else list(labels)
    blocks = []
    for label in shown:
        targets = [test[i] for i in _of_class(y_test, label, "y_test")[:n_columns]]
        training = [train[i] for i in _of_class(y_train, label, "y_train")]
        blocks.append(_block(clf, label, training, targets))
    return _draw(blocks, drawing_of(clf.augmentation_, train), n_columns)


class _Block(NamedTuple):
    """One class's part of the figure."""

    label: object
    training: list[Case]
    targets: list[Case]
    reconstructions: Float[np.ndarray, "n n_channels n_timepoints"]
    predicted: Shaped[np.ndarray, " n"]
    weights: Float[np.ndarray, "n n_weights"]
    warps: Float[np.ndarray, "n n_warps"]
    one_hot: bool  # whether a weight is that of a training case


def _spread(classes: Shaped[np.ndarray, " n_classes"]) -> list:
    n = min(len(classes), MAX_CLASSES)
    return classes[np.linspace(0, len(classes) - 1, n).astype(int)].tolist()


def _of_class(y: np.ndarray, label, name: str) -> list[int]:
    rows = np.flatnonzero(y == label).tolist()
    if not rows:
        raise ValueError(f"{name} holds no case of class {label!r}; give one, or leave it out.")
    return rows


def _block(clf: "EGEMClassifier", label, training: list[Case], targets: list[Case]) -> _Block:
    """Invert targets, and divide their codes into weights and warps."""
    inversion = clf.invert(targets)
    e = class_index(clf.classes_, label)
    expert = clf.model_.experts[e]
    trained, n_warps = expert.codes, expert.n_warps
    if len(trained) != len(training):
        raise ValueError(
            f"X_train holds {len(training)} cases of class {label!r}, but the model was fitted "
            f"with {len(trained)}; give the cases it was fitted with."
        )
    n_weights = trained.shape[1] - n_warps
    entry = trained[:, :n_weights]
    # A one-hot code has one entry of 1 for each case, not always in the order of the cases.
    one_hot = bool(((entry == 0) | (entry == 1)).all() and (entry.sum(axis=1) == 1).all())
    order = entry.argmax(axis=1) if one_hot else np.arange(n_weights)
    codes = inversion.codes[:, e]
    return _Block(
        label,
        training,
        targets,
        inversion.reconstructions_of(label),
        inversion.labels(),
        weights=codes[:, order],
        warps=codes[:, n_weights : n_weights + n_warps],
        one_hot=one_hot,
    )


def _draw(blocks: list[_Block], drawing: Drawing, n_columns: int) -> Figure:
    across = min(max(MAX_COLUMNS // n_columns, 1), len(blocks))
    down = -(-len(blocks) // across)
    hits = np.concatenate([block.predicted == block.label for block in blocks])
    one_hot = all(block.one_hot for block in blocks)
    code = "the weight of each training case, by colour" if one_hot else "the entries found"
    warp = " Warp: root mean square of its parameters." if blocks[0].warps.size else ""
    figure, body = new_figure(
        across * (n_columns * CELL + NAMES),
        down * (3.35 * CELL + TEXTS),
        "Reconstructions of unseen cases by the experts of their classes",
        f"{hits.sum()} of {len(hits)} targets recognised; beneath each, the predicted class. "
        f"Code: {code}.{warp}",
    )
    parts = np.ravel(body.subfigures(down, across, squeeze=False, wspace=0.02, hspace=0.03))
    for part, block in zip(parts, blocks, strict=False):
        _draw_block(part, block, drawing, n_columns)
    return figure


def _draw_block(part: SubFigure, block: _Block, drawing: Drawing, n_columns: int) -> None:
    scale = scale_of([*block.training, *block.targets], drawing)
    n_cases = len(block.training)
    few = f"  ({n_columns} of {n_cases} training cases)" if n_cases > n_columns else ""
    title = wrapped(f"class {block.label}{few}", n_columns * CELL + NAMES, TEXT + 1)
    part.suptitle(title, x=0, ha="left", size=TEXT + 1, weight="bold")
    grid = part.subplots(4, n_columns, squeeze=False, height_ratios=[1, 1, 1, 0.35])
    names = ("training", "target", "reconstruction", "code")
    rows = (block.training, block.targets, block.reconstructions, block.targets)
    for row, name, cases in zip(grid, names, rows, strict=True):
        for i, axes in enumerate(row):
            axes.set_label(f"{name} {block.label} {i}")
            if i >= len(cases):
                axes.set_axis_off()
            elif name == "code":
                _draw_code(axes, block, i)
            else:
                draw_case(axes, cases[i], scale)
        row[0].set_ylabel(name, size=SMALL, color=QUIET)
    if block.one_hot:
        for axes, colour, _ in zip(grid[0], PALETTE, block.training, strict=False):
            axes.spines["bottom"].set(color=colour, linewidth=3.0)
    for axes, label in zip(grid[1], block.predicted, strict=False):
        if label == block.label:
            axes.set_xlabel(f"{label} ✓", size=TEXT, color=QUIET)
        else:
            bare(axes, WRONG, 2.0)
            axes.set_xlabel(f"{label} ✗", size=TEXT, color=WRONG, weight="bold")


def _draw_code(axes: Axes, block: _Block, i: int) -> None:
    """Draw the weights of a code as bars; write them beneath, or their number if there are many."""
    bare(axes, None)
    weights = block.weights[i]
    bars = weights[:MAX_BARS]
    places = np.arange(len(bars))
    axes.bar(places, bars, 0.72, color=PALETTE[: len(bars)] if block.one_hot else QUIET)
    axes.axhline(0.0, color=QUIET, linewidth=0.6)
    axes.set_xlim(-0.5, len(bars) - 0.5)
    axes.set_ylim(min(-0.3, bars.min()), max(1.0, bars.max()))
    captions = []
    if len(weights) <= MAX_NUMBERS:
        axes.set_xticks(places, [short(float(weight)) for weight in weights])
        axes.tick_params(length=0, labelsize=SMALL, labelcolor=INK, pad=1)
    else:
        captions.append(f"{len(weights)} entries, norm {np.linalg.norm(weights):.1f}")
    if block.warps.size:
        captions.append(f"warp {np.sqrt((block.warps[i] ** 2).mean()):.1f}")
    axes.set_xlabel("\n".join(captions), size=SMALL, color=QUIET, labelpad=2)


def short(value: float) -> str:
    """Write a number in at most three characters and its sign.

    >>> [short(v) for v in (0.624, -0.231, 0.0, -0.03, 1.04, -1.26, 34.2)]
    ['.6', '−.2', '0', '0', '1', '−1.3', '34']
    """
    written = f"{value:.1f}" if abs(value) < 9.95 else f"{value:.0f}"
    sign, size = "−" * (float(written) < 0), written.lstrip("-").removesuffix(".0")
    return sign + (size.removeprefix("0") or "0")
