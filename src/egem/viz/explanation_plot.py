"""Draw why a case was classified as it was."""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from egem.data.validation import Case
from egem.explain import Explanation
from egem.viz.plots import drawn_as
from egem.viz.style import (
    FAINT,
    INK,
    PALETTE,
    QUIET,
    SMALL,
    TEXT,
    Scale,
    Sheet,
    bare,
    draw_case,
    scale_of,
    sheet,
)

if TYPE_CHECKING:
    from egem.classifier import EGEMClassifier

CELL, GAP, STRIP, SPACE = 1.5, 0.16, 0.3, 0.42  # inches
NEAR = 0.78
BEGINS = 0.05  # of the height of its strip, that every bar has: nothing may look like no data


def explanation(clf: "EGEMClassifier", found: Explanation, i: int = 0) -> Figure:
    """Draw the explanation of one case.

    From left to right: the case; what the nearest experts imagined, over the case in grey, with
    bars that say where along the sequence their loss lies; the winner's training cases with the
    nearest codes; and the winner's loss along its search.

    Parameters
    ----------
    clf : EGEMClassifier
        The model that explained it.
    found : Explanation
        ``clf.explain(X)``.
    i : int, default 0
        Which case.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        Where there is no such case.
    """
    if not 0 <= i < len(found.cases):
        raise ValueError(f"i must be a case's number, 0 to {len(found.cases) - 1}, not {i}.")
    case, m = found.cases[i], found.labels.shape[1]
    near = [clf.cases_.cases[j] for j in found.near[i] if j >= 0]
    scale = scale_of([case, *found.reconstructions[i], *near], drawn_as(clf, [case]))
    n_near = len(near)
    across = -(-n_near // 2)
    searched = bool(np.isfinite(found.path_scores[i]).any())
    width = (1 + m) * (CELL + GAP) + SPACE + across * (NEAR + GAP) + searched * (CELL + SPACE)
    grey = "" if scale.drawn == "image" else ", over the case in grey"
    over = f"What experts imagined{grey}"
    page = sheet(
        width,
        0.5 + CELL + 0.08 + STRIP + 0.24,
        f"Taken for {found.labels[i, 0]}, probability {found.probabilities[i, 0]:.2f}",
        f"{_nearness(float(found.novelty[i]))} {over}; bars: where along it their losses lie.",
    )
    _name(page, 0, "the case", f"{case.shape[1]} time points")
    axes = page.axes(0, 0.5, CELL, CELL)
    axes.set_label("case")
    draw_case(axes, case, scale)
    for j in range(m):
        left = (1 + j) * (CELL + GAP)
        words = f"{found.probabilities[i, j]:.2f}, loss {found.losses[i, j]:.3g}"
        _name(page, left, f"expert {found.labels[i, j]}", words, bold=j == 0)
        _draw_expert(page, left, found, i, j, scale)
    left = (1 + m) * (CELL + GAP) + SPACE
    if n_near:
        _name(page, left, f"training cases of {found.labels[i, 0]}", "nearest by code")
        _draw_near(page, left, near, scale)
    if searched:
        left += across * (NEAR + GAP) + SPACE
        _name(page, left, "its search", "loss by step")
        _draw_search(page, left, found.path_scores[i])
    return page.figure


def _nearness(p: float) -> str:
    """Say how usual a case is, given its p-value of being of a known class."""
    if p <= 0.05:
        return f"Stranger than {100 * (1 - p):.3g} % of unseen members of the classes."
    return f"{100 * p:.0f} % of unseen members of the classes are as strange as this."


def _name(page: Sheet, left: float, name: str, more: str, bold: bool = False) -> None:
    page.text(left, 0.1, name, TEXT, weight="bold" if bold else "normal")
    page.text(left, 0.32, more, SMALL, color=QUIET)


def _draw_expert(
    page: Sheet, left: float, found: Explanation, i: int, j: int, scale: Scale
) -> None:
    case, imagined = found.cases[i], found.reconstructions[i, j]
    axes = page.axes(left, 0.5, CELL, CELL)
    axes.set_label(f"expert {j}")
    draw_case(axes, imagined, scale)
    _lay_under(axes, case, scale)
    shares = found.shares[i, j]
    upright = scale.drawn == "image"
    place = (left + CELL + 0.02, 0.5, GAP - 0.04, CELL) if upright else (left, 2.08, CELL, STRIP)
    strip = page.axes(*place)
    strip.set_label(f"shares {j}")
    bare(strip, None)
    time = np.arange(len(shares))
    top = float(found.shares[i].max()) or 1.0
    bars = shares + BEGINS * top
    if upright:
        strip.barh(time, bars, 1.0, color=PALETTE[1])
        strip.set_ylim(len(time) - 0.5, -0.5)
        strip.set_xlim(0, top * (1 + BEGINS))
    else:
        strip.bar(time, bars, 1.0, color=PALETTE[1])
        strip.set_xlim(-0.5, len(time) - 0.5)
        strip.set_ylim(0, top * (1 + BEGINS))


def _lay_under(axes: Axes, case: Case, scale: Scale) -> None:
    """Draw the case itself, in grey, beneath what was imagined."""
    if scale.drawn == "pen":
        axes.plot(*case, color=FAINT, linewidth=4.0, zorder=0, solid_capstyle="round")
    elif scale.drawn == "lines":
        for values in case:
            axes.plot(values, color=FAINT, linewidth=3.0, zorder=0)


def _draw_near(page: Sheet, left: float, near: list[Case], scale: Scale) -> None:
    for j, case in enumerate(near):
        column, row = divmod(j, 2)
        at = left + column * (NEAR + GAP)
        axes = page.axes(at, 0.5 + row * (NEAR + 0.06), NEAR, NEAR)
        axes.set_label(f"near {j}")
        draw_case(axes, case, scale)


def _draw_search(page: Sheet, left: float, scores: Float[np.ndarray, " n_path"]) -> None:
    moved = np.flatnonzero(np.diff(scores))
    last = int(moved[-1]) + 1 if len(moved) else 0
    axes = page.axes(left, 0.5, CELL, CELL)
    axes.set_label("search")
    axes.plot(scores[: last + 1], color=PALETTE[0], marker="o", markersize=3.0, linewidth=1.2)
    axes.set_ylim(0, None)
    axes.set_xticks([0, last] if last else [0])
    axes.tick_params(labelsize=SMALL - 1, labelcolor=INK, length=2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
