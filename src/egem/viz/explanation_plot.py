"""The figure of one explanation: why a case was classified as it was."""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from egem.data.cases import Case
from egem.explain import Explanation
from egem.viz.sequences import Scale, draw_case, drawing_of, scale_of
from egem.viz.style import PALETTE, QUIET, SMALL, TEXT, bare, new_figure, open_frame

if TYPE_CHECKING:
    from egem.classifier import EGEMClassifier

CELL, STRIP, TEXTS = 1.7, 0.3, 0.52  # inches: a panel, the bars beneath it, the lines above it
MAX_NAME = 20  # characters
MIN_BAR = 0.05  # of the highest: a bar of no height would look like missing data


def explanation(clf: "EGEMClassifier", found: Explanation, i: int = 0) -> Figure:
    """Draw the explanation of one case.

    From left to right: the case; its reconstructions by the experts that rank first, over the case
    in grey, with bars for each expert's loss by time point; the training cases of the predicted
    class with the nearest codes; and the loss along the search of that class's expert.

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
        If there is no such case.
    """
    if not 0 <= i < len(found.cases):
        raise ValueError(f"i must be a case's number, 0 to {len(found.cases) - 1}, not {i}.")
    case, labels = found.cases[i], found.labels[i]
    near = [clf.exemplars_.cases[j] for j in found.near[i] if j >= 0]
    scale = scale_of(
        [case, *found.reconstructions[i], *near], drawing_of(clf.augmentation_, [case])
    )
    searched = bool(np.isfinite(found.path_scores[i]).any())
    across = -(-len(near) // 2)
    ratios = [1.0] * (1 + len(labels)) + [across / 2] * bool(near) + [1.0] * searched
    image = scale.drawing == "image"
    over = "" if image else ", over the case in grey"
    figure, body = new_figure(
        sum(ratios) * CELL,
        CELL + (TEXTS if image else TEXTS + STRIP),
        f"Predicted class: {labels[0]}, probability {found.probabilities[i, 0]:.2f}",
        f"{_typicality(float(found.p_values[i]))} Reconstructions by experts{over}; bars: their "
        "losses by time point.",
    )
    panels = body.subplots(1, len(ratios), width_ratios=ratios)
    for axes in panels:
        axes.set_anchor("NW")
    panel = iter(panels)
    axes = next(panel)
    draw_case(axes, case, scale)
    _name(axes, "case", f"{case.shape[1]} time points")
    for j, label in enumerate(labels):
        axes = next(panel)
        draw_case(axes, found.reconstructions[i, j], scale, under=case)
        _draw_shares(axes, found.shares[i, j], float(found.shares[i].max()), image)
        words = f"{found.probabilities[i, j]:.2f}, loss {found.losses[i, j]:.3g}"
        _name(axes, f"expert {label}", words, "normal" if j else "bold")
    if near:
        axes = next(panel)
        _draw_near(axes, near, scale)
        _name(axes, "training cases", f"of {labels[0]}, nearest by code")
    if searched:
        axes = next(panel)
        _draw_search(axes, found.path_scores[i])
        _name(axes, "search", "loss by step")
    return figure


def _typicality(p: float) -> str:
    """Describe how usual a case is, given its p-value of being of a known class."""
    if p <= 0.05:
        return f"More unusual than {100 * (1 - p):.3g} % of unseen members of the classes."
    return f"{100 * p:.0f} % of unseen members of the classes are at least as unusual."


def _name(axes: Axes, name: str, more: str, weight: str = "normal") -> None:
    """Write two lines above axes; the first names them."""
    axes.set_label(name)
    shown = name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"
    axes.set_title(shown, loc="left", size=TEXT, weight=weight, pad=20)
    style = {"textcoords": "offset points", "size": SMALL, "color": QUIET}
    axes.annotate(more, (0, 1), (0, 6), xycoords="axes fraction", **style)


def _draw_shares(axes: Axes, shares: Float[np.ndarray, " t"], most: float, beside: bool) -> None:
    """Draw the loss by time point: beside an image, whose time runs down, or else beneath."""
    most = most or 1.0
    bars, time = shares + MIN_BAR * most, np.arange(len(shares))
    length, end = (-0.5, len(time) - 0.5), (0, most * (1 + MIN_BAR))
    if beside:
        strip = axes.inset_axes((1.01, 0, 0.09, 1))
        strip.barh(time, bars, 1.0, color=PALETTE[1])
        strip.set(xlim=end, ylim=length[::-1])
    else:
        strip = axes.inset_axes((0, -0.23, 1, 0.19))
        strip.bar(time, bars, 1.0, color=PALETTE[1])
        strip.set(xlim=length, ylim=end)
    strip.set_label("loss by time point")
    bare(strip, None)


def _draw_near(axes: Axes, near: list[Case], scale: Scale) -> None:
    """Draw cases in two rows, which together are as high as the other panels."""
    across = -(-len(near) // 2)
    axes.set_axis_off()
    axes.set_box_aspect(2 / across)
    side = 0.96
    for j, case in enumerate(near):
        row, column = divmod(j, across)
        place = (column / across, (2 - side) / 2 - 0.5 * row, side / across, side / 2)
        inset = axes.inset_axes(place)
        inset.set_label(f"near {j}")
        draw_case(inset, case, scale)


def _draw_search(axes: Axes, scores: Float[np.ndarray, " n_path"]) -> None:
    moves = np.flatnonzero(np.diff(scores))
    last = int(moves[-1]) + 1 if len(moves) else 0
    axes.plot(scores[: last + 1], color=PALETTE[0], marker="o", markersize=3.0, linewidth=1.2)
    open_frame(axes)
    axes.set_box_aspect(1)
    axes.set_ylim(0, None)
    axes.set_xticks([0, last] if last else [0])
