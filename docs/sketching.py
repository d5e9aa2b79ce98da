"""Parts of the documentation's pictures: colours, cells, strokes, codes, arrows."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from egem.viz.style import PALETTE


class Ink(NamedTuple):
    """Colours of a picture, for a light or a dark page."""

    text: str
    quiet: str
    target: str
    code: tuple[str, ...]
    stroke: str
    best: str
    box: str


LIGHT = Ink("#1a1a1a", "#5a5a5a", "#d3d8dc", PALETTE, "#0072b2", "#0072b2", "#eef2f5")
DARK = Ink(
    "#e6e8ea",
    "#a9b0b6",
    "#4d565e",
    ("#5cb3ea", "#f0b43c", "#2fc79a", "#e39cc3", *PALETTE[4:]),
    "#7cc4f5",
    "#7cc4f5",
    "#2b333b",
)


class Frame(NamedTuple):
    """The part of the plane that a cell shows."""

    middle: Float[np.ndarray, " 2"]
    width: float

    @staticmethod
    def around(cases: np.ndarray, share: float = 0.005) -> "Frame":
        """Frame all points of cases but the outermost ``share`` on each side."""
        low, high = np.quantile(cases, (share, 1 - share), axis=(0, 2))
        return Frame((low + high)[:2] / 2, 1.1 * float((high - low)[:2].max()))


class Cell(NamedTuple):
    """A place on a picture, in its own units, y upwards."""

    left: float
    bottom: float
    side: float


def blank(width: float, height: float, paper: str = "none") -> tuple[Figure, Axes]:
    """Make a figure of so many pixels, with one pair of axes over all of it."""
    figure = Figure((width / 100, height / 100), dpi=100, facecolor=paper)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.axis("off")
    return figure, axes


def draw(axes: Axes, case: np.ndarray, frame: Frame, cell: Cell, colour: str, **style) -> None:
    """Draw a stroke, or an image, in a cell and nowhere else."""
    inside = (cell.left, cell.left + cell.side, cell.bottom, cell.bottom + cell.side)
    if len(case) != 2:
        shade = float(style.get("alpha", 1.0))
        axes.imshow(case.T, "gray_r", extent=inside, vmin=0, vmax=1, alpha=shade, zorder=2)
        axes.set_xlim(axes.get_xlim())
        return
    middle = np.array([[cell.left], [cell.bottom]]) + cell.side / 2
    at = middle + cell.side / frame.width * (case - frame.middle[:, None])
    (line,) = axes.plot(*at, color=colour, solid_capstyle="round", solid_joinstyle="round", **style)
    corner = (cell.left, cell.bottom)
    line.set_clip_path(Rectangle(corner, cell.side, cell.side, transform=axes.transData))


def bars(axes: Axes, code: np.ndarray, n_cases: int, cell: Cell, height: float, ink: Ink) -> None:
    """Draw a code: the weight of each training case in its colour, then the warp in grey."""
    step = cell.side / len(code)
    zero = cell.bottom + height * 0.3
    for i, value in enumerate(np.clip(code, -0.6, 1.3)):
        colour = ink.code[i] if i < n_cases else ink.quiet
        size = (0.74 * step, 0.5 * height * float(value))
        axes.add_patch(Rectangle((cell.left + (i + 0.13) * step, zero), *size, color=colour, lw=0))
    axes.plot([cell.left, cell.left + cell.side], [zero, zero], color=ink.quiet, lw=0.8)


def arrow(axes: Axes, start, end, ink: Ink, curvature: float = 0.0, dashed: bool = False) -> None:
    """Draw an arrow."""
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=13,
            color=ink.quiet,
            lw=1.5,
            linestyle=(0, (4, 3)) if dashed else "-",
            connectionstyle=f"arc3,rad={curvature}",
        )
    )


def box(axes: Axes, cell: Cell, height: float, words: str, ink: Ink, edge: str) -> None:
    """Draw the box of an expert."""
    shape = "round,pad=0,rounding_size=9"
    axes.add_patch(
        FancyBboxPatch(
            (cell.left, cell.bottom), cell.side, height, shape, fc=ink.box, ec=edge, lw=1.5
        )
    )
    middle = (cell.left + cell.side / 2, cell.bottom + height / 2)
    axes.text(*middle, words, ha="center", va="center", color=ink.text, size=12)
