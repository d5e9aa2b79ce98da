"""Charts of an evaluation in SVG: curves in a unit square, and a confusion matrix."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from egem.viz.svg import drawing, element, line, text

LEFT, TOP, SIDE, BELOW = 38.0, 10.0, 200.0, 40.0  # of a unit square, and for its labels
MIN_CELL, MAX_CELL, CHARACTER = 18.0, 34.0, 6.4  # of a confusion matrix, and of its names
MAX_NAMES, MAX_LETTERS = 40, 16

STYLE = """
.charts { display: grid; gap: 1.2rem; margin: 1rem 0;
  grid-template-columns: repeat(auto-fit, minmax(min(15rem, 100%), 1fr)); }
.charts figure { margin: 0; }
.charts svg { width: 100%; max-width: 22rem; }
.charts figcaption { font-weight: 600; font-size: 0.9rem; margin-bottom: 0.3rem; }
.dots { fill: var(--expert-0); fill-opacity: 0.75; }
.dots.unknown { fill: var(--expert-1); }
.cell { fill: var(--expert-0); }
.frame { fill: none; stroke: var(--line); }
.wide { overflow-x: auto; }
svg .name { fill: var(--ink); }
"""


def unit_square(title: str, x_name: str, y_name: str, *content: str) -> str:
    """Draw curves between 0 and 1 on both axes, with the diagonal, as a figure with a caption."""
    grid = []
    for at in (0.0, 0.5, 1.0):
        x, y = _place(np.array([at]), np.array([at]))
        grid += [
            element("path", class_="tick", d=f"M{x[0]} {TOP}v{SIDE}M{LEFT} {y[0]}h{SIDE}"),
            element("text", f"{at:g}", x=x[0], y=TOP + SIDE + 15, text_anchor="middle"),
            element("text", f"{at:g}", x=LEFT - 6, y=y[0] + 4, text_anchor="end"),
        ]
    middle = TOP + SIDE / 2
    upright = f"rotate(-90 10 {middle})"
    names = [
        element("text", text(x_name), x=LEFT + SIDE / 2, y=TOP + SIDE + 33, text_anchor="middle"),
        element("text", text(y_name), x=10, y=middle, text_anchor="middle", transform=upright),
    ]
    ideal = element("path", class_="tick", d=f"M{LEFT} {TOP + SIDE}l{SIDE} {-SIDE}")
    words = f"{title}: {y_name} by {x_name}"
    size = LEFT + SIDE + 10, TOP + SIDE + BELOW
    caption = element("figcaption", text(title))
    return element("figure", caption, drawing(*size, words, *grid, *names, ideal, *content))


def curve(
    x: Float[np.ndarray, " n"],
    y: Float[np.ndarray, " n"],
    radii: Float[np.ndarray, " n"] | float = 3.0,
    style: str = "first",
    joined: bool = True,
) -> str:
    """Draw points of a unit square, joined by a line."""
    x, y = _place(np.asarray(x), np.asarray(y))
    kind = "dots unknown" if style == "second" else "dots"
    dots = [
        element("circle", class_=kind, cx=f"{a:.1f}", cy=f"{b:.1f}", r=f"{r:.1f}")
        for a, b, r in zip(x, y, np.broadcast_to(radii, x.shape), strict=True)
        if np.isfinite(a + b)
    ]
    return "".join([element("path", class_=style, d=line(x, y))] * joined + dots)


def _place(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return LEFT + SIDE * x, TOP + SIDE * (1 - y)


def confusion_matrix(confusion: Int[np.ndarray, "c c"], names: Sequence[str]) -> str:
    """Draw a confusion matrix, as shares of each true class (row)."""
    n = len(confusion)
    shown = [f"{m[: MAX_LETTERS - 1]}…" if len(m) > MAX_LETTERS else m for m in map(str, names)]
    shown = shown if n <= MAX_NAMES else []
    longest = max(map(len, shown), default=0)
    room = CHARACTER * longest + 34
    side = min(max(300.0 / n, MIN_CELL), MAX_CELL) if shown else max(640.0 / n, 2.0)
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    content = []
    for row, column in np.argwhere(confusion):
        of = f"{names[row]} taken for {names[column]}: {confusion[row, column]}"
        place = {"x": room + column * side, "y": room + row * side}
        opacity = f"{max(shares[row, column], 0.08):.2f}"
        size = {"width": side - 1, "height": side - 1}
        tip = element("title", text(of))
        content.append(element("rect", tip, class_="cell", fill_opacity=opacity, **place, **size))
    for i, name in enumerate(shown):
        at = room + (i + 0.5) * side + 4
        own, style = text(name), {"class_": "name"}
        across = {"text_anchor": "middle"}
        if longest > 2:
            across = {"transform": f"rotate(-90 {at} {room - 6})"}
        content += [
            element("text", own, x=room - 6, y=at, text_anchor="end", **style),
            element("text", own, x=at, y=room - 6, **across, **style),
        ]
    middle, end = room + n * side / 2, room + n * side
    content += [
        element("rect", class_="frame", x=room, y=room, width=n * side, height=n * side),
        element("text", "predicted class", x=middle, y=12, text_anchor="middle"),
        element(
            "text",
            "true class",
            x=12,
            y=middle,
            text_anchor="middle",
            transform=f"rotate(-90 12 {middle})",
        ),
    ]
    words = "confusion matrix: shares of each true class by predicted class"
    least = f"width: {end:.0f}px; min-width: {min(end, 560) * 0.6:.0f}px; height: auto"
    return element("div", drawing(end + 4, end + 4, words, *content, style=least), class_="wide")
