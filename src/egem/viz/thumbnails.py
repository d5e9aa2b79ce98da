"""A sequence as a small square picture in SVG: an image, pen strokes or lines."""

import numpy as np
from jaxtyping import Float

from egem.data.cases import Case
from egem.viz.multiples import shades
from egem.viz.sequences import Scale
from egem.viz.svg import drawing, element, line

SIDE, MARGIN = 100.0, 6.0
N_GREYS = 12
MAX_LINES = 6  # channels of a recording

STYLE = """
.thumbnails { display: grid; gap: 0.8rem; margin: 0.6rem 0;
  grid-template-columns: repeat(auto-fill, minmax(min(12rem, 42%), 1fr)); }
.thumbnails.small { grid-template-columns: repeat(4, minmax(0, 6rem)); }
.thumbnails figure { margin: 0; }
.thumbnails svg { width: 100%; background: var(--surface); border: 1px solid var(--line);
  border-radius: 0.4rem; box-sizing: border-box; }
.thumbnails figcaption { font-size: 0.82rem; color: var(--soft); line-height: 1.3; }
.thumbnails figcaption b { color: var(--ink); }
.under { stroke: var(--line); stroke-width: 5; }
.thumbnails .pixels { fill: var(--ink); stroke: none; }
.thumbnails .shade { stroke-width: 9; fill: none; }
"""


def thumbnail(
    case: Case,
    scale: Scale,
    words: str,
    style: str = "case",
    under: Case | None = None,
    evidence: Float[np.ndarray, " t"] | None = None,
) -> str:
    """Draw one sequence.

    Parameters
    ----------
    case : array (n_channels, n_timepoints)
        NaN is left blank.
    scale : Scale
        The kind of drawing, and the ranges.
    words : str
        Accessible name.
    style : str, default "case"
        Class of its lines.
    under : array (n_channels, n_timepoints), optional
        Another sequence, drawn beneath in grey; ignored for images.
    evidence : array (n_timepoints,), optional
        How much more loss the second class has than the first, shaded along the case.
    """
    evidence = np.zeros(0) if evidence is None else evidence
    if scale.drawing == "image":
        return drawing(SIDE, SIDE, words, _image(case, scale, evidence))
    if scale.drawing == "pen":
        x, y = _pen(case, scale)
        layers = []
        for first, last, which, opacity in shades(evidence[: len(x)]):
            some = slice(first, last + 2)
            paint = {"class_": f"shade {which}", "stroke_opacity": f"{2 * opacity:.2f}"}
            layers.append(element("path", d=line(x[some], y[some]), style="fill: none", **paint))
        if under is not None:
            layers.append(element("path", class_="under", d=line(*_pen(under, scale))))
        return drawing(SIDE, SIDE, words, *layers, element("path", class_=style, d=line(x, y)))
    n_lines = min(len(case), MAX_LINES)
    height = SIDE / n_lines
    paths = []
    for c in range(n_lines):
        span = (scale.high[c] - scale.low[c]) or 1.0
        y = height * (c + 0.9 - 0.8 * (case[c] - scale.low[c]) / span)
        x = np.linspace(MARGIN, SIDE - MARGIN, len(y))
        paths.append(element("path", class_=style, d=line(x, y)))
    return drawing(SIDE, SIDE, words, *paths)


def _pen(case: Case, scale: Scale) -> tuple[np.ndarray, np.ndarray]:
    """Return where a pen goes, without what repeats its last point."""
    middle = (scale.low + scale.high) / 2
    half = float(np.max(scale.high - scale.low)) * 0.58 or 1.0
    x, y = ((case - middle[:, None]) / half)[:, : scale.pen_stop + 1]
    return SIDE / 2 * (1 + x), SIDE / 2 * (1 - y)


def _image(case: Case, scale: Scale, evidence: Float[np.ndarray, " t"]) -> str:
    """Draw pixels as runs of equal grey, rows down; shades stand beside their rows."""
    low, high = float(scale.low.min()), float(scale.high.max())
    rows = np.nan_to_num(case.T, nan=low)
    greys = np.round(N_GREYS * np.clip((rows - low) / ((high - low) or 1.0), 0, 1)).astype(int)
    n_rows, n_columns = greys.shape
    side = (SIDE - 2 * MARGIN) / max(n_rows, n_columns)
    paths = {}
    for i, row in enumerate(greys):
        edges = np.flatnonzero(np.diff(row)) + 1
        for a, b in zip([0, *edges], [*edges, n_columns], strict=True):
            d = f"M{MARGIN + a * side:.1f} {MARGIN + i * side:.1f}h{(b - a) * side:.1f}"
            paths[row[a]] = paths.get(row[a], "") + f"{d}v{side:.2f}h{(a - b) * side:.1f}z"
    content = [
        element("path", class_="pixels", fill_opacity=f"{grey / N_GREYS:.2f}", d=d)
        for grey, d in sorted(paths.items())
        if grey
    ]
    for first, last, which, opacity in shades(evidence):
        place = {"x": SIDE - MARGIN + 1, "y": f"{MARGIN + first * side:.1f}", "width": MARGIN - 1}
        place["height"] = f"{(last - first + 1) * side:.1f}"
        content.append(element("rect", class_=which, fill_opacity=f"{3 * opacity:.2f}", **place))
    return "".join(content)
