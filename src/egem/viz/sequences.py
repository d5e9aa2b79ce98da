"""One sequence drawn as an image, as pen strokes or as lines."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from egem.data.augment import guess_augmentation
from egem.data.cases import Case
from egem.viz.style import INK, PALETTE, bare

STROKE_COLOURS = "viridis"

Drawing = Literal["image", "pen", "lines"]


def drawing_of(augmentation: str, cases: Sequence[Case]) -> Drawing:
    """Choose how to draw cases (n_channels, n_timepoints), given the model's augmentation."""
    kind = guess_augmentation(list(cases)) if augmentation == "none" else augmentation
    if kind == "image":
        return "image"
    return "pen" if kind == "pen" and len(cases[0]) == 2 else "lines"


@dataclass(frozen=True)
class Scale:
    """What cases drawn side by side have in common: the kind of drawing, and their ranges."""

    drawing: Drawing
    low: Float[np.ndarray, " n_channels"]
    high: Float[np.ndarray, " n_channels"]
    longest: int
    pen_stop: int  # time point after which no pen moves


def scale_of(cases: Sequence[Case], drawing: Drawing) -> Scale:
    """Take common ranges from cases (n_channels, n_timepoints); NaN is ignored."""
    low = np.min([np.nanmin(x, axis=1, initial=np.inf) for x in cases], axis=0)
    high = np.max([np.nanmax(x, axis=1, initial=-np.inf) for x in cases], axis=0)
    unseen = low > high
    low, high = np.where(unseen, 0.0, low), np.where(unseen, 1.0, high)
    stop = max(_last_move(x) for x in cases) if drawing == "pen" else 0
    return Scale(drawing, low, high, max(x.shape[1] for x in cases), stop)


def _last_move(case: Case) -> int:
    """Find where the pen stops: padding repeats the last point."""
    moves = np.flatnonzero(np.abs(np.diff(case, axis=1)).sum(axis=0) > 1e-9)
    return int(moves[-1]) + 1 if len(moves) else 0


def draw_case(axes: Axes, case: Case, scale: Scale) -> None:
    """Draw one sequence.

    Parameters
    ----------
    axes : Axes
        Where.
    case : array (n_channels, n_timepoints)
        NaN is left blank.
    scale : Scale
        The kind of drawing, and the ranges.
    """
    bare(axes)
    low, high = scale.low.min(), scale.high.max()
    if scale.drawing == "image":
        axes.imshow(case.T, cmap="gray_r", vmin=low, vmax=high)
        return
    axes.set_box_aspect(1)
    if scale.drawing == "pen":
        _draw_stroke(axes, case, scale.pen_stop)
        middle, half = (scale.low + scale.high) / 2, np.max(scale.high - scale.low) * 0.58 or 1.0
        axes.set_xlim(middle[0] - half, middle[0] + half)
        axes.set_ylim(middle[1] - half, middle[1] + half)
        return
    marker = "." if case.shape[1] == 1 else None
    for channel, values in enumerate(case):
        colour = INK if len(case) == 1 else PALETTE[channel % len(PALETTE)]
        axes.plot(values, color=colour, linewidth=1.0, alpha=0.9, marker=marker)
    pad = 0.06 * (high - low) or 1.0
    axes.set_ylim(low - pad, high + pad)
    axes.set_xlim(-0.02 * scale.longest, max(1.02 * (scale.longest - 1), 1))


def _draw_stroke(axes: Axes, case: Float[np.ndarray, "2 t"], stop: int) -> None:
    points = case.T[:, None]
    segments = np.concatenate([points[:-1], points[1:]], axis=1)
    order = np.arange(len(segments), dtype=float)
    whole = ~np.isnan(segments).any(axis=(1, 2))
    style = {"cmap": STROKE_COLOURS, "capstyle": "round", "linewidths": 2.0}
    strokes = LineCollection(list(segments[whole]), array=order[whole], **style)
    strokes.set_clim(0.0, max(stop, 1) * 1.1)  # the palest colours are hard to see on white
    axes.add_collection(strokes)
