"""The common style of all figures: colours, sizes, headings, files.

Figures are built as objects and never touch pyplot, so that servers and notebooks can draw them
side by side. Matplotlib's constrained layout places everything below the heading.
"""

import textwrap
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from egem.runtime.files import atomic_write

INK = "#1a1a1a"
QUIET = "#5f5f5f"
FAINT = "#cfcfcf"
WRONG = "#c04a00"  # vermilion; words and shapes mark errors as well
# The colours of Okabe and Ito without vermilion, distinct for every kind of colour vision.
PALETTE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#7a5c00", "#000000", "#9a9a9a")
LOSS_COLOURS = "YlGnBu_r"

TITLE, TEXT, SMALL = 15.0, 10.0, 8.5  # points
EM = 0.56  # mean width of a character over the size of its font
DPI = 160
MARGIN = 0.22  # inches


def new_figure(
    width: float, height: float, title: str, subtitle: str = ""
) -> tuple[Figure, SubFigure]:
    """Make a figure with a heading.

    Parameters
    ----------
    width, height : float
        Inches for what stands below the heading.
    title : str
        What the figure shows, in one sentence.
    subtitle : str, default ""
        How to read it.

    Returns
    -------
    figure : Figure
        The whole.
    body : SubFigure
        The part below the heading, where axes go.
    """
    title, subtitle = wrapped(title, width, TITLE), wrapped(subtitle, width, TEXT)
    heading = sum(
        1.25 * size / 72 * (1 + words.count("\n"))
        for words, size in ((title, TITLE), (subtitle, TEXT))
        if words
    )
    w, h = width + 2 * MARGIN, height + heading + 2 * MARGIN
    figure = Figure((w, h), dpi=DPI, facecolor="white")
    place = (MARGIN / w, MARGIN / h, width / w, 1 - 2 * MARGIN / h)
    pads = {"w_pad": 0.05, "h_pad": 0.07, "wspace": 0.0, "hspace": 0.0}
    figure.set_layout_engine("constrained", rect=place, **pads)
    body = _inner(figure)
    body.suptitle(title, x=0, ha="left", size=TITLE, color=INK, weight="bold")
    if subtitle:
        body = _inner(body)
        body.suptitle(subtitle, x=0, ha="left", size=TEXT, color=QUIET)
    return figure, _inner(body)


def _inner(parent: Figure | SubFigure) -> SubFigure:
    return parent.subfigures(squeeze=False)[0, 0]


def wrapped(words: str, width: float, size: float) -> str:
    """Break words into lines of about ``width`` inches at most."""
    return textwrap.fill(words, max(int(width * 72 / (EM * size)), 1))


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure to a file, whose ending gives the format (png, svg, pdf)."""
    path = Path(path)
    with atomic_write(path) as file:
        figure.savefig(file, dpi=DPI, format=path.suffix[1:])


def bare(axes: Axes, frame: str | None = FAINT, width: float = 0.8) -> None:
    """Remove the ticks, and draw the frame in one colour, or none."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=frame is not None, color=frame or FAINT, linewidth=width)
