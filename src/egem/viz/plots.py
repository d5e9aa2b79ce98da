"""Pictures of a model: what its experts imagine, and whose cases each explains best.

Every function returns a matplotlib :class:`~matplotlib.figure.Figure`; write it with
:func:`egem.viz.style.save` or ``figure.savefig``.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from egem.data.augment import guess_kind
from egem.data.validation import Case, as_cases
from egem.ensemble.result import Inversion, class_index
from egem.viz.heatmap import loss_heatmap as loss_heatmap
from egem.viz.style import (
    PALETTE,
    QUIET,
    SMALL,
    TEXT,
    WRONG,
    Drawn,
    Sheet,
    bare,
    draw_case,
    scale_of,
    sheet,
)

if TYPE_CHECKING:
    from egem.classifier import EGEMClassifier

MOST_CLASSES = 4
MOST_WEIGHTS = 8  # of a code, shown with numbers

# Inches of the reconstruction picture.
CELL, GAP = 1.06, 0.1
NAMES = 0.86  # row names, left
HEAD, CAPTION, BARS, NUMBERS, BEND, BLOCK_GAP = 0.3, 0.24, 0.34, 0.2, 0.18, 0.3


def reconstruction_rows(
    clf: "EGEMClassifier",
    X_train: ArrayLike,
    y_train: ArrayLike,
    X_test: ArrayLike,
    y_test: ArrayLike,
    labels: Iterable | None = None,
    *,
    n_columns: int = 4,
    inversion: Inversion | None = None,
) -> Figure:
    """Show for several classes the training cases, targets, and what the class's expert imagined.

    Three rows a class. Beneath each imagined case stands its code: the weight of each training
    case, in that case's colour (a class with more cases than 8 has learned codes, drawn grey), and
    how far the sequence was bent, as the root mean square of its unit normal bends. Between target
    and imagination stands what the whole ensemble took the target for.

    Parameters
    ----------
    clf : EGEMClassifier
        A fitted model.
    X_train : array (n_cases, n_channels, n_timepoints) or list
        The cases it was fitted with, in the order of ``fit``.
    y_train : array (n_cases,)
        Their labels.
    X_test : array or list
        Cases to draw targets from: the first ``n_columns`` of each class.
    y_test : array (n_cases,)
        Their labels.
    labels : sequence of labels, optional
        Classes to show; None takes up to 4, spread evenly.
    n_columns : int, default 4
        Training cases and targets of a class.
    inversion : Inversion, optional
        ``clf.invert(X_test)``, where it is at hand; otherwise the targets shown are inverted.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        Where a label is not a class of the model, has no training or no test case, the training
        cases are not those of the model, or ``n_columns`` is not positive.
    """
    if n_columns < 1:
        raise ValueError(f"n_columns must be at least 1, not {n_columns}.")
    train, test = as_cases(X_train, "X_train"), as_cases(X_test, "X_test")
    y_train, y_test = np.asarray(y_train), np.asarray(y_test)
    shown = _spread(clf.classes_) if labels is None else list(labels)
    targets = [_first_of(y_test, label, n_columns, "y_test") for label in shown]
    rows = np.concatenate(targets)
    part = clf.invert([test[i] for i in rows]) if inversion is None else _only(inversion, rows)
    drawn = drawn_as(clf, train)
    blocks, start = [], 0
    for label, of in zip(shown, targets, strict=True):
        block = _block(clf, label, train, y_train, _only(part, slice(start, start + len(of))))
        blocks.append(block._replace(targets=[test[i] for i in of]))
        start += len(of)
    return _draw_blocks(blocks, drawn, n_columns)


class _Block(NamedTuple):
    """One class's share of the picture."""

    label: object
    training: list[Case]
    targets: list[Case]
    imagined: Float[np.ndarray, "n n_channels n_timepoints"]
    recognised: Shaped[np.ndarray, " n"]
    weights: Float[np.ndarray, "n n_weights"]
    bend: Float[np.ndarray, " n"]  # nan where experts do not bend
    of_cases: bool  # whether a weight is that of a training case


def _spread(classes: Shaped[np.ndarray, " n_classes"]) -> list:
    n = min(len(classes), MOST_CLASSES)
    return classes[np.linspace(0, len(classes) - 1, n).astype(int)].tolist()


def _first_of(y: np.ndarray, label, n: int, name: str) -> Int[np.ndarray, " n"]:
    rows = np.flatnonzero(y == label)[:n]
    if not len(rows):
        raise ValueError(f"{name} holds no case of class {label!r}; give one, or leave it out.")
    return rows


def _only(inversion: Inversion, rows) -> Inversion:
    """Keep some of the cases."""
    fields = ["losses", "priors", "codes", "n_steps", "converged"]
    fields += ["evidence"] if inversion.evidence else []
    return replace(inversion, **{name: getattr(inversion, name)[rows] for name in fields})


def drawn_as(clf: "EGEMClassifier", train: list[Case]) -> Drawn:
    """Tell how cases of a model are best drawn."""
    kind = guess_kind(train) if clf.kind_ == "none" else clf.kind_
    if kind == "image":
        return "image"
    return "pen" if kind == "pen" and len(train[0]) == 2 else "lines"


def _block(clf: "EGEMClassifier", label, train: list[Case], y_train, part: Inversion) -> _Block:
    e = class_index(clf.classes_, label)
    trained = clf.ensemble_.trained[e]
    own = _first_of(y_train, label, len(y_train), "y_train")
    codes, n_cases, n_bends = part.codes[:, e], len(trained.codes), trained.n_bends
    if len(own) != n_cases:
        raise ValueError(
            f"X_train holds {len(own)} cases of class {label!r}, but the model was fitted with "
            f"{n_cases}; give the cases it was fitted with."
        )
    size = trained.codes.shape[1] - n_bends
    entry = trained.codes[:, :size]
    # A one-hot code: one entry of 1 for each case, not always in the order the cases came in.
    of_cases = bool(((entry == 0) | (entry == 1)).all() and (entry.sum(axis=1) == 1).all())
    order = entry.argmax(axis=1) if of_cases else np.arange(size)
    bends = codes[:, size : size + n_bends]
    bend = np.sqrt((bends**2).mean(axis=1)) if n_bends else np.full(len(codes), np.nan)
    return _Block(
        label,
        [train[i] for i in own],
        [],
        part.reconstructions_of(label),
        part.classes[part.scores.argmin(axis=1)],
        codes[:, order],
        bend,
        of_cases,
    )


def _draw_blocks(blocks: list[_Block], drawn: Drawn, n_columns: int) -> Figure:
    across = min(max(8 // n_columns, 1), len(blocks))
    bends = bool(np.isfinite(blocks[0].bend).any())
    wide = n_columns * CELL + (n_columns - 1) * GAP
    tall = HEAD + 3 * CELL + GAP + CAPTION + BARS + NUMBERS + BEND * bends
    down = -(-len(blocks) // across)
    n_right = sum(int((b.recognised == b.label).sum()) for b in blocks)
    n_shown = sum(len(b.targets) for b in blocks)
    one_hot = all(b.of_cases for b in blocks)
    code = "weight of each training case, by colour" if one_hot else "what the search found"
    bend = " Bend: r.m.s. of its unit normal bends." if bends else ""
    page = sheet(
        NAMES + across * wide + (across - 1) * BLOCK_GAP,
        down * tall + (down - 1) * BLOCK_GAP,
        "Each class's expert imagines cases it has never seen",
        f"{n_right} of {n_shown} targets recognised. Code: {code}.{bend}",
    )
    for i, block in enumerate(blocks):
        row, column = divmod(i, across)
        left, top = NAMES + column * (wide + BLOCK_GAP), row * (tall + BLOCK_GAP)
        if column == 0:
            _name_rows(page, top, bends)
        _draw_block(page, left, top, block, drawn, n_columns)
    return page.figure


def _name_rows(page: Sheet, top: float, bends: bool) -> None:
    middle = top + HEAD + CELL / 2
    imagined = middle + 2 * CELL + GAP + CAPTION
    names = [
        (middle, "training"),
        (middle + CELL + GAP, "target"),
        (middle + 1.5 * CELL + GAP + CAPTION / 2, "taken for"),
        (imagined, "imagined"),
        (imagined + CELL / 2 + BARS + NUMBERS / 2, "code"),
    ]
    if bends:
        names.append((imagined + CELL / 2 + BARS + NUMBERS + BEND / 2, "bend"))
    for where, name in names:
        page.text(0, where, name, color=QUIET)


def _draw_block(
    page: Sheet, left: float, top: float, block: _Block, drawn: Drawn, n_columns: int
) -> None:
    scale = scale_of([*block.training, *block.targets], drawn)
    n_cases, step = len(block.training), CELL + GAP
    few = f"  ({n_columns} of {n_cases} training cases)" if n_cases > n_columns else ""
    page.text(left, top + HEAD / 2, f"class {block.label}{few}", TEXT + 1, weight="bold")
    top += HEAD
    colours = [PALETTE[i] if block.of_cases else QUIET for i in range(MOST_WEIGHTS)]
    for i, case in enumerate(block.training[:n_columns]):
        axes = page.axes(left + i * step, top, CELL, CELL)
        axes.set_label(f"training {block.label} {i}")
        draw_case(axes, case, scale)
        if block.of_cases and i < MOST_WEIGHTS:
            axes.spines["bottom"].set(color=colours[i], linewidth=3.0)
    for i, target in enumerate(block.targets):
        at, right = left + i * step, bool(block.recognised[i] == block.label)
        axes = page.axes(at, top + step, CELL, CELL)
        axes.set_label(f"target {block.label} {i}")
        draw_case(axes, target, scale)
        if not right:
            bare(axes, WRONG, 2.0)
        page.text(
            at + CELL / 2,
            top + step + CELL + CAPTION / 2,
            f"{block.recognised[i]} {'✓' if right else '✗'}",
            ha="center",
            color=QUIET if right else WRONG,
            weight="normal" if right else "bold",
        )
        axes = page.axes(at, top + step + CELL + CAPTION, CELL, CELL)
        axes.set_label(f"imagined {block.label} {i}")
        draw_case(axes, block.imagined[i], scale)
        under = top + step + 2 * CELL + CAPTION
        code = page.axes(at, under + 0.05, CELL, BARS - 0.05)
        code.set_label(f"code {block.label} {i}")
        _draw_code(code, block.weights[i, :MOST_WEIGHTS], colours)
        _write_code(page, at, under + BARS + NUMBERS / 2, block.weights[i])
        if np.isfinite(block.bend[i]):
            page.text(
                at + CELL / 2,
                under + BARS + NUMBERS + BEND / 2,
                f"{block.bend[i]:.1f}",
                SMALL,
                ha="center",
                color=QUIET,
            )


def _draw_code(axes: Axes, weights: Float[np.ndarray, " k"], colours: list[str]) -> None:
    bare(axes, None)
    places = np.arange(len(weights))
    axes.bar(places, weights, 0.72, color=colours[: len(weights)])
    axes.axhline(0.0, color=QUIET, linewidth=0.6)
    axes.set_xlim(-0.5, len(weights) - 0.5)
    axes.set_ylim(min(-0.3, weights.min()), max(1.0, weights.max()))


def _write_code(page: Sheet, left: float, top: float, weights: Float[np.ndarray, " k"]) -> None:
    """Write the weights under their bars; many are summarised."""
    if len(weights) > 5:
        words = f"{len(weights)} entries, norm {np.linalg.norm(weights):.1f}"
        page.text(left + CELL / 2, top, words, SMALL - 1, ha="center")
        return
    for i, weight in enumerate(weights):
        place = left + (i + 0.5) * CELL / len(weights)
        page.text(place, top, short(float(weight)), SMALL, ha="center")


def short(value: float) -> str:
    """Write a number in at most three signs.

    >>> [short(v) for v in (0.624, -0.231, 0.0, -0.03, 1.04, -1.26, 34.2)]
    ['.6', '−.2', '0', '0', '1', '−1.3', '34']
    """
    written = f"{value:.1f}" if abs(value) < 9.95 else f"{value:.0f}"
    sign, size = "−" * (float(written) < 0), written.lstrip("-").removesuffix(".0")
    return sign + (size.removeprefix("0") or "0")
