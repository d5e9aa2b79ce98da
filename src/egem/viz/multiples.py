"""Small multiples: a row for each channel of a sequence, with its name, range and a time axis."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from egem.data.cases import Case
from egem.viz.svg import drawing, element, limits, line, short, text, ticks

MAX_CHANNELS = 12  # that are drawn
MARGIN = 6.0  # percent of a row's height
N_SHADES, DARKEST = 4, 0.36  # of bands
POINT_UNIT = "points"

STYLE = """
.multiples { --names: 5.5rem; display: grid; gap: 1px; margin: 0; }
.channel { display: grid; grid-template-columns: var(--names) minmax(0, 1fr); column-gap: 0.6rem;
  align-items: center; line-height: 1.25; }
.channel svg { grid-column: 2; grid-row: 1 / span 2; width: 100%; height: 3.6rem;
  border-bottom: 1px solid var(--line); }
.some .channel svg { height: 2.6rem; }
.many .channel svg { height: 1.9rem; }
.channel.evidence svg { height: 1.8rem; border: 0; }
.channel-name { font-size: 0.82rem; font-weight: 600; align-self: end; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; }
.channel-range { grid-column: 1; align-self: start; font-size: 0.7rem; color: var(--soft);
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
.axis { position: relative; height: 1.3rem; margin-left: calc(var(--names) + 0.6rem);
  font-size: 0.74rem; color: var(--soft); font-variant-numeric: tabular-nums; }
.axis span { position: absolute; transform: translateX(-50%); white-space: nowrap; }
.axis .start { transform: none; }
.axis .end { transform: translateX(-100%); }
.note { margin: 0.2rem 0 0; font-size: 0.82rem; color: var(--soft); }
@media (max-width: 30rem) { .channel-range { font-size: 0.62rem; } }
"""


class Layer(NamedTuple):
    """A sequence, and the style in which it is drawn."""

    case: Case
    style: str


def multiples(
    layers: Sequence[Layer],
    names: Sequence[str],
    step: float | None,
    words: str,
    evidence: Float[np.ndarray, " t"],
) -> str:
    """Draw sequences of equal length over each other, channel by channel, as HTML.

    Parameters
    ----------
    layers : sequence of Layer
        What is drawn, the last on top.
    names : sequence of str
        Of the channels.
    step : float or None
        Time between two points; steps below 1 are taken for seconds. None counts points.
    words : str
        What is shown, for the accessible names.
    evidence : array (t,)
        For each time point, how much more loss the last layer has than the one before; shaded in
        every row, and drawn below them.

    Returns
    -------
    str
    """
    n = layers[0].case.shape[1]
    marks = _time_marks(n, step)
    shown = _most_different(layers)
    bands = _bands(evidence)
    rows = []
    for c in shown:
        low, high = _range([each.case[c] for each in layers])
        rows.append(
            element(
                "div",
                element("span", text(names[c]), class_="channel-name", title=names[c]),
                element("span", limits(low, high), class_="channel-range"),
                _row(layers, c, (low, high), marks, bands, f"{names[c]}: {words}"),
                class_="channel",
            )
        )
    rows.append(_evidence(evidence, marks))
    rest = len(names) - len(shown)
    size = "many" if len(shown) > 6 else "some" if len(shown) > 3 else "few"
    note = f"and {rest} more channels, in which the two differ less" if rest else ""
    return element("div", *rows, _axis(marks), class_=f"multiples {size}") + (
        element("p", note, class_="note") if note else ""
    )


def shades(evidence: Float[np.ndarray, " t"]) -> list[tuple[int, int, str, float]]:
    """Divide time into runs of about equal evidence: first and last point, style, opacity."""
    most = float(np.abs(evidence).max(initial=0.0))
    if most == 0:
        return []
    levels = np.round(N_SHADES * evidence / most).astype(int)
    edges = np.flatnonzero(np.diff(levels)) + 1
    runs = zip([0, *edges], [*edges, len(levels)], strict=True)
    return [
        (int(a), int(b) - 1, style_of(levels[a]), DARKEST * abs(int(levels[a])) / N_SHADES)
        for a, b in runs
        if levels[a]
    ]


def style_of(evidence: float) -> str:
    """Return the style of evidence for the first or the second class."""
    return "for-first" if evidence > 0 else "for-second"


def _most_different(layers: Sequence[Layer]) -> list[int]:
    """Choose channels, in their order; of many, those in which the last two layers differ most."""
    first, second = layers[-2].case, layers[-1].case
    spans = [high - low for low, high in (_range([row]) for row in layers[0].case)]
    apart = np.nanmean(np.abs(first - second), axis=1) / spans
    return sorted(np.argsort(-apart, kind="stable")[:MAX_CHANNELS].tolist())


def _range(rows: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return the lowest and highest value."""
    seen = np.concatenate([row[np.isfinite(row)] for row in rows])
    if not len(seen):
        return -1.0, 1.0
    low, high = float(seen.min()), float(seen.max())
    return (low, high) if high > low else (low - 1.0, high + 1.0)


def _places(n: int) -> Float[np.ndarray, " n"]:
    """Return the places of time points, in percent."""
    return np.linspace(0.0, 100.0, n) if n > 1 else np.array([50.0])


def _time_marks(n: int, step: float | None) -> list[tuple[float, str]]:
    """Return round times: places in percent, and labels; the last one has the unit."""
    scale = step or 1.0
    unit = POINT_UNIT if step is None else "s" if step < 1 else ""
    if n < 2:
        return [(50.0, f"0 {unit}".strip())]
    end = (n - 1) * scale
    marks = [(100.0 * at / end, short(at)) for at in ticks(end)]
    return [*marks[:-1], (marks[-1][0], f"{marks[-1][1]} {unit}".strip())]


def _axis(marks: list[tuple[float, str]]) -> str:
    def side(at: float) -> str:
        return "end" if at > 90 else "start" if at < 10 else "middle"

    spans = [element("span", text(t), class_=side(at), style=f"left:{at:.1f}%") for at, t in marks]
    return element("div", *spans, class_="axis")


def _grid(marks: list[tuple[float, str]]) -> str:
    return element("path", class_="tick", d="".join(f"M{at:.1f} 0V100" for at, _ in marks))


def _bands(evidence: Float[np.ndarray, " t"]) -> str:
    """Shade the times at which one class fits better than the other."""
    width = 100.0 / max(len(evidence) - 1, 1)
    rects = []
    for first, last, style, opacity in shades(evidence):
        start, end = max((first - 0.5) * width, 0.0), min((last + 0.5) * width, 100.0)
        place = {"x": f"{start:.1f}", "y": 0, "width": f"{end - start:.1f}", "height": 100}
        rects.append(element("rect", class_=style, fill_opacity=f"{opacity:.2f}", **place))
    return "".join(rects)


def _row(
    layers: Sequence[Layer],
    c: int,
    limits: tuple[float, float],
    marks: list[tuple[float, str]],
    bands: str,
    words: str,
) -> str:
    low, high = limits
    paths = []
    for case, style in layers:
        y = 100 - MARGIN - (case[c] - low) / (high - low) * (100 - 2 * MARGIN)
        paths.append(element("path", class_=style, d=line(_places(len(y)), y)))
    return drawing(100, 100, words, bands, _grid(marks), *paths, preserveAspectRatio="none")


def _evidence(evidence: Float[np.ndarray, " t"], marks: list[tuple[float, str]]) -> str:
    """Draw bars: up where the first class fits better, down where the second does."""
    most = float(np.abs(evidence).max(initial=0.0)) or 1.0
    width = 100.0 / len(evidence)
    bars = []
    for sign in (1, -1):
        d = "".join(
            f"M{i * width:.2f} 50V{50 - 48 * e / most:.1f}h{width:.2f}V50Z"
            for i, e in enumerate(evidence)
            if sign * e / most > 0.01
        )
        fill = f"fill: var(--expert-{(1 - sign) // 2}); stroke: none"
        bars.append(element("path", d=d, style=fill))
    zero = element("path", class_="tick", d="M0 50H100")
    words = "difference of the losses along time"
    name = element("span", "loss", class_="channel-name", title=words)
    unit = element("span", "difference", class_="channel-range")
    plot = drawing(100, 100, words, _grid(marks), zero, *bars, preserveAspectRatio="none")
    return element("div", name, unit, plot, class_="channel evidence")
