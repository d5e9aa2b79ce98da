"""The house style of every picture, and how one sequence is drawn.

Figures are built as objects and never touch pyplot, so a server or a notebook can draw them side by
side. Positions are given in inches from the top left, which keeps text from colliding whatever the
number of classes.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from egem.runtime.files import whole_file

INK = "#1a1a1a"
QUIET = "#5f5f5f"
FAINT = "#cfcfcf"
WRONG = "#c04a00"  # vermilion; errors are marked in words and shape as well
# Okabe and Ito's colours, told apart by every kind of colour vision, without the vermilion.
PALETTE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#7a5c00", "#000000", "#9a9a9a")
PEN_COLOURS = "viridis"
LOSS_COLOURS = "YlGnBu_r"

TITLE, TEXT, SMALL = 15.0, 10.0, 8.5  # points
DPI = 160
MARGIN = 0.25  # inches

Drawn = Literal["image", "pen", "lines"]


@dataclass(frozen=True)
class Sheet:
    """A figure with a heading, on which axes are placed in inches.

    Attributes
    ----------
    figure : Figure
        The figure.
    width, height : float
        Inches available below the heading, between the margins.
    top : float
        Inches from the figure's upper edge to the space below the heading.
    """

    figure: Figure
    width: float
    height: float
    top: float

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Add axes; ``left`` and ``top`` are inches from the upper left of the free space."""
        w, h = self.figure.get_size_inches()
        bottom = h - self.top - top - height
        return self.figure.add_axes(
            ((MARGIN + left) / w, bottom / h, width / w, height / h), facecolor="white"
        )

    def text(self, left: float, top: float, words: str, size: float = TEXT, **style) -> None:
        """Write words at inches from the upper left of the free space."""
        w, h = self.figure.get_size_inches()
        merged: dict[str, Any] = {"ha": "left", "va": "center", "color": INK} | style
        self.figure.text((MARGIN + left) / w, 1 - (self.top + top) / h, words, size=size, **merged)


def sheet(width: float, height: float, title: str, subtitle: str = "") -> Sheet:
    """Make an empty figure in the house style.

    Parameters
    ----------
    width, height : float
        Inches wanted below the heading, without margins.
    title : str
        What is seen, in a sentence.
    subtitle : str, default ""
        How to read it.

    Returns
    -------
    Sheet
    """
    heads = FontProperties(size=TITLE, weight="bold"), FontProperties(size=TEXT)
    lines = [
        _wrapped(words, width, font) for words, font in zip((title, subtitle), heads, strict=True)
    ]
    # Advance from line to line, in inches, and the air below the heading.
    steps = TITLE * 1.4 / 72, TEXT * 1.45 / 72
    heading = sum(len(part) * step for part, step in zip(lines, steps, strict=True)) + 0.18
    figure = Figure((width + 2 * MARGIN, height + heading + 2 * MARGIN), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    made = Sheet(figure, width, height, MARGIN + heading)
    down = -heading
    styles = {"weight": "bold"}, {"color": QUIET}
    for part, step, size, style in zip(lines, steps, (TITLE, TEXT), styles, strict=True):
        for line in part:
            made.text(0, down + step / 2, line, size, **style)
            down += step
    return made


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure to a file; its ending says the format (png, svg, pdf)."""
    path = Path(path)
    with whole_file(path) as file:
        figure.savefig(file, dpi=DPI, format=path.suffix[1:])


def as_png(figure: Figure) -> bytes:
    """Return a figure as a picture for a page."""
    content = io.BytesIO()
    figure.savefig(content, dpi=DPI * 0.75, format="png")
    return content.getvalue()


def text_width(words: str, font: FontProperties) -> float:
    """Measure words, in inches."""
    return _INK_METER.get_renderer().get_text_width_height_descent(words, font, False)[0] / DPI


_INK_METER = FigureCanvasAgg(Figure(dpi=DPI))


def _wrapped(words: str, width: float, font: FontProperties) -> list[str]:
    """Break words into lines of at most ``width`` inches."""
    lines: list[str] = []
    for word in words.split():
        longer = f"{lines[-1]} {word}" if lines else ""
        if lines and text_width(longer, font) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def bare(axes: Axes, frame: str | None = FAINT, weight: float = 0.8) -> None:
    """Take ticks off axes and frame them, or not."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(frame is not None)
        spine.set_color(frame or FAINT)
        spine.set_linewidth(weight)


@dataclass(frozen=True)
class Scale:
    """What cases drawn side by side share: how they are drawn, and their ranges."""

    drawn: Drawn
    low: Float[np.ndarray, " n_channels"]
    high: Float[np.ndarray, " n_channels"]
    longest: int
    pen_rests: int  # time point after which every pen stays where it is


def scale_of(cases: Sequence[Float[np.ndarray, "c t"]], drawn: Drawn) -> Scale:
    """Take common ranges from cases (n_channels, n_timepoints); NaN is ignored."""
    seen = [x[:, ~np.isnan(x).all(axis=0)] for x in cases]
    low = np.min([np.nanmin(x, axis=1, initial=np.inf) for x in seen], axis=0)
    high = np.max([np.nanmax(x, axis=1, initial=-np.inf) for x in seen], axis=0)
    unseen = low > high
    low, high = np.where(unseen, 0.0, low), np.where(unseen, 1.0, high)
    rests = max(_last_move(x) for x in seen) if drawn == "pen" else 0
    return Scale(drawn, low, high, max(x.shape[1] for x in cases), rests)


def _last_move(case: Float[np.ndarray, "c t"]) -> int:
    """Find where the pen comes to rest: padding repeats the last point."""
    moves = np.flatnonzero(np.abs(np.diff(case, axis=1)).sum(axis=0) > 1e-9)
    return int(moves[-1]) + 1 if len(moves) else 0


def draw_case(axes: Axes, case: Float[np.ndarray, "c t"], scale: Scale) -> None:
    """Draw one sequence as a picture, pen strokes coloured by time, or lines.

    Parameters
    ----------
    axes : Axes
        Where.
    case : array (n_channels, n_timepoints)
        NaN is left blank.
    scale : Scale
        How, and in which ranges.
    """
    bare(axes)
    if scale.drawn == "image":
        axes.imshow(case.T, cmap="gray_r", vmin=scale.low.min(), vmax=scale.high.max())
    elif scale.drawn == "pen":
        _draw_stroke(axes, case, scale.pen_rests)
        middle, half = (scale.low + scale.high) / 2, np.max(scale.high - scale.low) * 0.58 or 1.0
        axes.set_xlim(middle[0] - half, middle[0] + half)
        axes.set_ylim(middle[1] - half, middle[1] + half)
    else:
        time = np.arange(case.shape[1])
        for channel, values in enumerate(case):
            colour = INK if len(case) == 1 else PALETTE[channel % len(PALETTE)]
            marker = "." if case.shape[1] == 1 else None
            axes.plot(time, values, color=colour, linewidth=1.0, alpha=0.9, marker=marker)
        low, high = scale.low.min(), scale.high.max()
        air = 0.06 * (high - low) or 1.0
        axes.set_ylim(low - air, high + air)
        axes.set_xlim(-0.02 * scale.longest, max(1.02 * (scale.longest - 1), 1))


def _draw_stroke(axes: Axes, case: Float[np.ndarray, "2 t"], rests: int) -> None:
    points = case.T[:, None]
    pieces = np.concatenate([points[:-1], points[1:]], axis=1)
    order = np.arange(len(pieces), dtype=float)
    whole = ~np.isnan(pieces).any(axis=(1, 2))
    strokes = LineCollection(
        list(pieces[whole]), array=order[whole], cmap=PEN_COLOURS, capstyle="round", linewidths=2.0
    )
    strokes.set_clim(0.0, max(rests, 1) * 1.1)  # the pale end is hard to see on white
    axes.add_collection(strokes)
