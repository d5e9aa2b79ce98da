"""An evaluation as one page that needs no other file."""

import numpy as np

from egem.evaluate import Evaluation
from egem.viz.charts import STYLE, confusion_matrix, curve, unit_square
from egem.viz.html import Block, Drawing, Table, as_html, escaped
from egem.viz.svg import element

MAX_CONFUSIONS = 12
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
    blocks: list[Block | Drawing] = [
        "# Evaluation",
        f"**{escaped(name)}**: {found.n_known:,} cases of the model's {len(found.classes)} "
        f"classes{unknown}.",
        Table(("measure", "value"), facts(found)),
    ]
    if found.n_known:
        blocks += [
            "# Calibration",
            "Ideal: accuracy and coverage on the diagonal, the rejected share of known cases not "
            "above it. The larger a point, the more cases.",
            calibration_curves(found),
            "# Confusions",
            _confusions(found),
        ]
        if len(found.classes) > 1:
            matrix = confusion_matrix(found.confusion, [str(c) for c in found.classes])
            blocks += ["Shares of each true class; the diagonal is right.", Drawing(matrix, STYLE)]
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


def calibration_curves(found: Evaluation) -> Drawing:
    """Draw accuracy against probability, coverage of sets against its level, and rejection."""
    full = found.n_in_bin > 0
    radii = 2 + 7 * np.sqrt(found.n_in_bin[full] / found.n_in_bin.max())
    rejection = [curve(found.alphas, found.rejected)]
    title = "Rejection"
    if found.n_unknown:
        rejection.append(curve(found.alphas, found.unknown_rejected, style="second"))
        title = "Rejection; unknown cases dashed"
    figures = [
        unit_square(
            "Probabilities",
            "probability of the predicted class",
            "accuracy",
            curve(found.confidence[full], found.hit_rate[full], radii, joined=False),
        ),
        unit_square(
            "Prediction sets",
            "nominal coverage",
            "sets that hold the true class",
            curve(1 - found.alphas, found.coverage),
        ),
        unit_square(title, "level of rejection", "share rejected", *rejection),
    ]
    return Drawing(element("div", *figures, class_="charts"), STYLE)
