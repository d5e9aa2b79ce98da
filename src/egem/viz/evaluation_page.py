"""An evaluation as one page that needs no other file."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from egem.evaluate import Evaluation
from egem.viz.html import Block, Picture, Table, as_html, escaped
from egem.viz.style import EM, FAINT, INK, PALETTE, SMALL, as_png, bare, new_figure, open_frame

SIDE = 3.4  # inches of each panel with its labels
MAX_CONFUSIONS, MAX_NAMES = 12, 40
SHOWN_ALPHAS, REJECTION = (0.05, 0.1, 0.2), 0.05  # levels named in the table


def evaluation_page(found: Evaluation, name: str) -> str:
    """Write an evaluation as HTML.

    Parameters
    ----------
    found : Evaluation
        ``evaluate(clf, X, y)``.
    name : str
        Name of the data.

    Returns
    -------
    str
    """
    unknown = f", and {found.n_unknown:,} cases of other labels" if found.n_unknown else ""
    blocks: list[Block] = [
        "# Evaluation",
        f"**{escaped(name)}**: {found.n_known:,} cases of the model's {len(found.classes)} "
        f"classes{unknown}.",
        Table(("measure", "value"), facts(found)),
    ]
    if found.n_known:
        words = "Accuracy by probability, coverage of prediction sets, share rejected"
        picture = Picture("calibration.png", words, as_png(calibration_curves(found)))
        blocks += ["# Calibration", picture, "# Confusions", _confusions(found)]
        if len(found.classes) > 1:
            content = as_png(confusion_matrix(found))
            blocks.append(Picture("confusions.png", "Confusion matrix", content))
    return as_html(blocks)


def facts(found: Evaluation) -> list[tuple[str, str]]:
    """Name the main figures, with their values as text."""
    facts = []
    if found.n_known:
        facts += [
            ("accuracy", f"{found.accuracy:.4f}"),
            ("log loss, nats", f"{found.log_loss:.4f}"),
            ("expected calibration error", f"{found.calibration_error:.4f}"),
        ]
        for alpha, of, size in zip(found.alphas, found.coverage, found.set_size, strict=True):
            if alpha in SHOWN_ALPHAS:
                words = f"{of:.4f}, {size:.2f} classes a set"
                facts.append((f"coverage of sets, nominal {1 - alpha:.0%}", words))
        known = found.rejected[found.alphas == REJECTION][0]
        facts.append((f"known cases rejected at {REJECTION}", f"{known:.4f}"))
    if found.n_unknown:
        unknown = found.unknown_rejected[found.alphas == REJECTION][0]
        facts.append((f"unknown cases rejected at {REJECTION}", f"{unknown:.4f}"))
        if found.n_known:
            facts.append(("unknown cases, area under the ROC curve", f"{found.unknown_auc:.4f}"))
    return facts


def _confusions(found: Evaluation) -> Block:
    """List the most frequent confusions."""
    wrong = found.confusion * ~np.eye(len(found.classes), dtype=bool)
    order = np.argsort(-wrong, axis=None, kind="stable")[:MAX_CONFUSIONS]
    pairs = [divmod(int(at), len(wrong)) for at in order if wrong.flat[at]]
    if not pairs:
        return "None: every prediction is right."
    names, n_cases = [escaped(c) for c in found.classes], found.confusion.sum(axis=1)
    rows = [(names[t], names[p], f"{wrong[t, p]} of {n_cases[t]}") for t, p in pairs]
    return Table(("true class", "predicted class", "cases"), rows)


def calibration_curves(found: Evaluation) -> Figure:
    """Draw accuracy against probability, coverage of sets against its level, and rejection."""
    figure, body = new_figure(
        3 * SIDE,
        SIDE,
        "Calibration of probabilities, prediction sets and rejection",
        "Ideal: accuracy and coverage on the diagonal, the rejected share of known cases not above "
        "it. Size of a point: number of cases.",
    )
    reliability, coverage, rejection = body.subplots(1, 3)
    _prepare(reliability, "probability of the predicted class", "accuracy")
    full = found.n_in_bin > 0
    sizes = 12 + 160 * np.sqrt(found.n_in_bin[full] / found.n_in_bin.max())
    x, y = found.confidence[full], found.hit_rate[full]
    reliability.scatter(x, y, sizes, PALETTE[0], alpha=0.75, clip_on=False)
    _prepare(coverage, "nominal coverage", "sets that hold the true class")
    style = {"color": PALETTE[0], "marker": "o", "markersize": 4}
    coverage.plot(1 - found.alphas, found.coverage, **style)
    _prepare(rejection, "level of rejection", "share rejected")
    rejection.plot(found.alphas, found.rejected, label="known cases", **style)
    if found.n_unknown:
        style |= {"color": PALETTE[1], "marker": "s"}
        rejection.plot(found.alphas, found.unknown_rejected, label="unknown cases", **style)
    rejection.legend(fontsize=SMALL, frameon=False, loc="center right")
    return figure


def _prepare(axes: Axes, x: str, y: str) -> None:
    """Draw the diagonal of a unit square, and name its axes."""
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1.2)
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), box_aspect=1)
    axes.set_xlabel(x, size=SMALL + 1, color=INK)
    axes.set_ylabel(y, size=SMALL + 1, color=INK)
    open_frame(axes)


def confusion_matrix(found: Evaluation) -> Figure:
    """Draw the confusion matrix, as shares of each true class."""
    names = [str(c) for c in found.classes] if len(found.classes) <= MAX_NAMES else []
    longest = EM * SMALL / 72 * max(map(len, names), default=0)
    side = float(np.clip(0.32 * len(found.classes), 3.4, 8.0))
    figure, body = new_figure(
        side + longest + 0.4,
        side + longest + 0.4,
        "Confusion matrix",
        "Shares of each true class (row); the diagonal is right.",
    )
    axes = body.subplots()
    bare(axes)
    shares = found.confusion / np.maximum(found.confusion.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if names:
        places = range(len(names))
        axes.set_xticks(places, names, rotation=90 if max(map(len, names)) > 2 else 0)
        axes.set_yticks(places, names)
        axes.tick_params(labelsize=SMALL, labelcolor=INK, length=0)
    axes.set_xlabel("predicted class", size=SMALL + 1, color=INK)
    axes.set_ylabel("true class", size=SMALL + 1, color=INK)
    return figure
