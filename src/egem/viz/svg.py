"""SVG and HTML as text: elements, axes, and the look that all pages share."""

import html

import numpy as np

N_TICKS = 6  # at most about, of an axis

# Colours are those of the web page; two experts also differ by dashes.
STYLE = """
:root { color-scheme: light dark; --paper: #faf9f6; --surface: #ffffff; --ink: #1b1a18;
  --soft: #5c5952; --line: #e4e0d7; --expert-0: #0b5cc0; --expert-1: #dd6a3c; --bad: #a3271c; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #131417; --surface: #1c1e22; --ink: #eeece7; --soft: #a7a8ad; --line: #303339;
    --expert-0: #73beec; --expert-1: #ff9a78; --bad: #ff9d8f; }
}
svg { display: block; max-width: 100%; overflow: visible; }
svg text { font: 11px system-ui, sans-serif; fill: var(--soft); }
svg path { fill: none; vector-effect: non-scaling-stroke; stroke-linejoin: round;
  stroke-linecap: round; stroke-width: 1.5; }
.tick { stroke: var(--line); stroke-width: 1; }
.case { stroke: var(--ink); }
.first { stroke: var(--expert-0); stroke-width: 2; }
.second { stroke: var(--expert-1); stroke-width: 2; stroke-dasharray: 5 4; }
.for-first { fill: var(--expert-0); stroke: var(--expert-0); }
.for-second { fill: var(--expert-1); stroke: var(--expert-1); }
rect.for-first, rect.for-second { stroke: none; }
"""


def element(name: str, *content: str, **attributes: object) -> str:
    """Write an element; ``_`` at the end of an attribute's name is dropped, ``_`` within is ``-``.

    Content is markup; attributes are escaped.

    >>> element("text", text("a < b"), class_="tick", font_size=3)
    '<text class="tick" font-size="3">a &lt; b</text>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{written}>{''.join(content)}</{name}>"


def text(words: object) -> str:
    """Escape text."""
    return html.escape(str(words))


def drawing(width: float, height: float, words: str, *content: str, **attributes: object) -> str:
    """Write an SVG of a size in its own units; ``words`` are its accessible name."""
    return element(
        "svg",
        *content,
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_label=words,
        **attributes,
    )


def short(value: float) -> str:
    """Write three digits, without an exponent where that is readable.

    >>> short(-0.12345), short(1234567.0)
    ('−0.123', '1.2e+06')
    """
    rounded = float(f"{value:.3g}")
    large = abs(rounded) >= 1e5 or 0 < abs(rounded) < 1e-3
    return (f"{rounded:.1e}" if large else f"{rounded:.10g}").replace("-", "−")


def limits(low: float, high: float) -> str:
    """Write a range, as exactly as its extent asks.

    >>> limits(-8.25, 29.14), limits(0.0131, 0.0192)
    ('−8 … 29', '0.0131 … 0.0192')
    """
    if max(-low, high) >= 1e4 or high - low < 1e-2:
        return f"{short(low)} … {short(high)}"
    digits = int(np.clip(1 - np.floor(np.log10(high - low)), 0, 3))
    return f"{low:.{digits}f} … {high:.{digits}f}".replace("-", "−")


def ticks(end: float) -> list[float]:
    """Return round values from 0 to ``end``.

    >>> ticks(1.3)
    [0.0, 0.5, 1.0]
    """
    power = 10.0 ** np.floor(np.log10(end / N_TICKS))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= end / N_TICKS * (1 - 1e-9))
    return [float(f"{i * step:.10g}") for i in range(int(end / step * (1 + 1e-9)) + 1)]


def line(x: np.ndarray, y: np.ndarray) -> str:
    """Return the data of a path, which is interrupted where a value is missing."""
    seen = np.isfinite(x) & np.isfinite(y)
    marks = []
    for i in np.flatnonzero(seen):
        goes_on = i > 0 and seen[i - 1]
        marks.append(f"{'L' if goes_on else 'M'}{x[i]:.1f} {y[i]:.1f}")
        if not goes_on and not (i + 1 < len(seen) and seen[i + 1]):
            marks.append("h0")  # a point alone
    return "".join(marks)
