"""An evaluation as one page that needs no other file."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from egem.evaluate import Evaluation
from egem.viz.html import Block, Picture, Table, as_html
from egem.viz.style import FAINT, INK, PALETTE, QUIET, SMALL, Sheet, as_png, bare, sheet

SIDE, AIR = 3.0, 1.0  # inches
MOST_MIXED_UP = 12


def evaluation_page(found: Evaluation, name: str) -> str:
    """Write an evaluation as HTML.

    Parameters
    ----------
    found : Evaluation
        What was found.
    name : str
        What the data are called.

    Returns
    -------
    str
    """
    unknown = f", and {found.n_unknown:,} of other labels" if found.n_unknown else ""
    blocks: list[Block] = [
        "# How well the model does",
        f"On `{name}`: {found.n_known:,} cases of its {len(found.classes)} classes{unknown}.",
        Table(("", ""), facts(found)),
    ]
    if found.n_known:
        blocks += ["# Are its probabilities honest?", _picture("honesty", honesty(found))]
        blocks += ["# Which classes are mixed up?", *_mixed_up(found)]
        if len(found.classes) > 1:
            blocks.append(_picture("confusion", confusion(found)))
    return as_html(blocks)


def facts(found: Evaluation) -> list[tuple[str, str]]:
    """Name the figures that matter, in words."""
    facts = []
    if found.n_known:
        facts += [
            ("accuracy", f"{found.accuracy:.4f}"),
            ("log loss, nats", f"{found.log_loss:.4f}"),
            ("expected calibration error", f"{found.calibration_error:.4f}"),
        ]
        for alpha, of, size in zip(found.alphas, found.coverage, found.set_size, strict=True):
            if alpha in (0.05, 0.1, 0.2):
                words = f"{of:.4f}, {size:.2f} classes a set"
                facts.append((f"sets that hold the class, {1 - alpha:.0%} wanted", words))
        known = found.rejected[found.alphas == 0.05][0]
        facts.append(("known cases rejected at 0.05", f"{known:.4f}"))
    if found.n_unknown:
        unknown = found.unknown_rejected[found.alphas == 0.05][0]
        facts.append(("unknown cases rejected at 0.05", f"{unknown:.4f}"))
        if found.n_known:
            facts.append(("novelty, area under the ROC curve", f"{found.novelty_auc:.4f}"))
    return facts


def _mixed_up(found: Evaluation) -> list[Block]:
    wrong = found.confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_MIXED_UP]
    pairs = [divmod(int(at), len(wrong)) for at in order if wrong.flat[at]]
    if not pairs:
        return ["None: every case was recognised."]
    rows = [
        (
            str(found.classes[t]),
            str(found.classes[p]),
            f"{wrong[t, p]} of {found.confusion[t].sum()}",
        )
        for t, p in pairs
    ]
    return [Table(("true class", "taken for", "cases"), rows)]


def honesty(found: Evaluation) -> Figure:
    """Draw how often the model is right against how sure it was, coverage, and rejection."""
    page = sheet(
        3 * SIDE + 2 * AIR + 0.4,
        SIDE + 0.6,
        "What the model says of its own certainty, and what came of it",
        "Honest probabilities and sets lie on the diagonal; known cases should not lie above it on "
        "the right.",
    )
    axes = _square(page, 0, "probability of the winner", "share that is right")
    full = found.n_in_bin > 0
    sizes = 12 + 160 * np.sqrt(found.n_in_bin[full] / found.n_in_bin.max())
    axes.scatter(
        found.confidence[full], found.hit_rate[full], sizes, PALETTE[0], alpha=0.75, clip_on=False
    )
    axes = _square(page, 1, "coverage wanted", "sets that hold the class")
    axes.plot(1 - found.alphas, found.coverage, color=PALETTE[0], marker="o", markersize=4)
    axes = _square(page, 2, "rejection at a novelty of at most", "share rejected")
    axes.plot(found.alphas, found.rejected, color=PALETTE[0], marker="o", markersize=4)
    _name_line(axes, "known", found.alphas[-1], found.rejected[-1], PALETTE[0])
    if found.n_unknown:
        axes.plot(found.alphas, found.unknown_rejected, color=PALETTE[1], marker="s", markersize=4)
        _name_line(axes, "unknown", found.alphas[-1], found.unknown_rejected[-1], PALETTE[1])
    return page.figure


def _name_line(axes: Axes, name: str, x: float, y: float, colour: str) -> None:
    style = {"textcoords": "offset points", "color": colour, "size": SMALL, "va": "center"}
    axes.annotate(name, (x, y), (8, 0), **style)


def _square(page: Sheet, i: int, x: str, y: str):
    axes = page.axes(0.4 + i * (SIDE + AIR), 0, SIDE, SIDE)
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1.2)
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel(x, size=SMALL + 1, color=INK)
    axes.set_ylabel(y, size=SMALL + 1, color=INK)
    axes.tick_params(labelsize=SMALL, labelcolor=QUIET, length=2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return axes


def confusion(found: Evaluation) -> Figure:
    """Draw the confusion matrix, each true class's cases summing to 1."""
    n = len(found.classes)
    side = float(np.clip(0.32 * n, 2.4, 8.0))
    page = sheet(
        side + 1.6,
        side + 0.5,
        "True classes (rows) and what they were taken for",
        "Share of each row, dark where many; the diagonal is right.",
    )
    axes = page.axes(1.0, 0, side, side)
    bare(axes)
    rows = found.confusion / np.maximum(found.confusion.sum(axis=1, keepdims=True), 1)
    axes.imshow(rows, cmap="Blues", vmin=0, vmax=1)
    if n <= 40:
        names = [str(c) for c in found.classes]
        axes.set_xticks(range(n), names, rotation=90 if max(map(len, names)) > 2 else 0)
        axes.set_yticks(range(n), names)
        axes.tick_params(labelsize=SMALL, labelcolor=INK, length=0)
    return page.figure


def _picture(name: str, figure: Figure) -> Picture:
    words = {
        "honesty": "Accuracy against probability, coverage of sets, share rejected",
        "confusion": "Confusion matrix",
    }
    return Picture(f"{name}.png", words[name], as_png(figure))
