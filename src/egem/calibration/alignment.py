"""How cases of unequal length are compared: from their start, or stretched to one length."""

import numpy as np
from jaxtyping import Int

from egem.calibration.metric_choice import choose_metric
from egem.data.cases import Case
from egem.data.preparation import Preparation, canonical_order, fit_preparation
from egem.runtime.batching import evenly

MAX_CASES = 1000  # used for the choice


def fit_aligned(
    cases: list[Case],
    classes: Int[np.ndarray, " n"],
    align: str,
    shared_scale: bool,
    standardise: bool,
    max_steps: int | None,
) -> Preparation:
    """Fit scaling and grid to the training cases.

    With ``align="auto"``, cases of unequal length are compared from their start or stretched,
    whichever gives the lower cross-entropy of held-out training cases; with one case a class they
    are stretched.
    """

    def fit(stretch: bool) -> Preparation:
        return fit_preparation(cases, shared_scale, standardise, max_steps, stretch)

    if align != "auto":
        return fit(align == "stretch")
    from_start = fit(False)
    if len({x.shape[1] for x in cases}) == 1:
        return from_start
    # Sums must not depend on the order of the cases.
    order = canonical_order(from_start.apply(cases))
    some = order[evenly(len(cases), MAX_CASES)]

    def cross_entropy(preparation: Preparation) -> float:
        batch = preparation.apply([cases[i] for i in some])
        return choose_metric(batch, classes[some], "whitened").cross_entropy

    stretched = fit(True)
    return from_start if cross_entropy(from_start) < cross_entropy(stretched) else stretched
