"""What windows are judged by: linear experts of a model's examples in their normal form."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from egem.classifier import EGEMClassifier
from egem.data.cases import Case
from egem.data.normal_form import Kind, directions, normalise, path_length
from egem.ensemble.inversion import invert
from egem.ensemble.search import ALL
from egem.stream.steps import Steps

STEPS = 48  # of the shortest example
WEIGHT = 0.75  # of the experts' log loss beside the log cost of the alignment
SIZE = 0.5  # weight of the log ratio of sizes
TINY = 1e-6


class Verdict(NamedTuple):
    """How well a window fits the class that proposed it; low scores fit."""

    score: float
    probability: float


class Recogniser:
    """Templates of every example, and experts of every class, in one normal form.

    Attributes
    ----------
    templates : array (n_examples, n_points - 1, n_channels)
        What streams are aligned with: directions along the path, or standardised values.
    owners : array of int (n_examples,)
        Classes of the examples, positions in ``classes``.
    quantum : float
        Length of a step of the stream, along its path or in frames.
    longest : int
        Steps of the longest example.
    """

    def __init__(self, clf: EGEMClassifier, kind: Kind):
        kept = clf.exemplars_
        self.kind, self.along_path = kind, kind != "series"
        self.classes, self.owners = clf.classes_, kept.classes
        self.cases = [np.asarray(x, float) for x in kept.cases]
        forms = [normalise(x, kind) for x in self.cases]
        together = np.concatenate(self.cases, axis=1)
        self.mean = np.nanmean(together, axis=1)
        self.scale = np.maximum(np.nanstd(together, axis=1), TINY)
        sizes = np.array([self._size(x) for x in self.cases])
        self.quantum = float(min(sizes)) / STEPS
        self.longest = int(np.ceil(max(sizes) / self.quantum))
        self.sizes = np.array([np.median(sizes[self.owners == e]) for e in range(len(self.classes))])
        self.templates = np.stack([self._template(form) for form in forms])
        self.experts = EGEMClassifier(
            views=("linear",), augment="none", n_jobs=1, random_state=0
        ).fit(forms, self.owners)

    def _size(self, x: Case) -> float:
        return path_length(x) if self.along_path else x.shape[1] - 1.0

    def _template(self, form: Case) -> Float[np.ndarray, "n c"]:
        if self.along_path:
            return directions(form).T
        return ((form - self.mean[:, None]) / self.scale[:, None]).T

    def steps(self) -> Steps:
        """Return what turns frames into steps, at its beginning."""
        return Steps(self.quantum, self.along_path, self.mean, self.scale)

    def judge(self, window: Case, template: int, cost: float) -> Verdict:
        """Judge a window that a template fits at that mean cost.

        The score is the sum of the log cost, the experts' log loss and the log ratio of the
        window's size to the examples', weighted.
        """
        owner, form = int(self.owners[template]), normalise(window, self.kind)
        found = invert(self.experts.model_, [form], ALL, 1, codes=False)
        size = path_length(window) if self.along_path else (window.shape[1] - 1) * self.quantum
        score = np.log(cost + TINY) + WEIGHT * found.log_scores[0, owner]
        score += SIZE * abs(np.log(size / self.sizes[owner]))
        return Verdict(float(score), float(found.probabilities()[0, owner]))
