"""What windows are judged by: a model's examples, and experts of them, in a normal form."""

import numpy as np
from jaxtyping import Float

from egem.classifier import EGEMClassifier
from egem.data.cases import Case
from egem.data.normal_form import Kind, directions, normalise, path_length
from egem.stream.steps import Steps

STEPS = 48  # of the shortest example
SHAPE, SIZE = 0.75, 0.5  # weights of log distance and log ratio of sizes, beside the log cost
TINY = 1e-6


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
    time_step : float
        Time between two points of the examples, where the classifier knows it; else 1.
    """

    def __init__(self, clf: EGEMClassifier, kind: Kind):
        kept = clf.exemplars_
        self.kind: Kind = kind
        self.along_path = kind != "series"
        self.time_step = 1.0 if self.along_path else clf.time_step_ or 1.0
        self.classes, self.owners = clf.classes_, kept.classes
        self.cases = [np.asarray(x, float) for x in kept.cases]
        forms = [normalise(x, kind) for x in self.cases]
        together = np.concatenate(self.cases, axis=1)
        self.mean = np.nanmean(together, axis=1)
        self.scale = np.maximum(np.nanstd(together, axis=1), TINY)
        sizes = np.array([self._size(x) for x in self.cases])
        self.quantum = float(min(sizes)) / STEPS
        self.longest = int(np.ceil(max(sizes) / self.quantum))
        self.sizes = np.array(
            [np.median(sizes[self.owners == e]) for e in range(len(self.classes))]
        )
        self.templates = np.stack([self._template(form) for form in forms])
        self.forms = np.stack(forms)
        self.spread = 1.0 if self.along_path else self.scale[:, None]
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

    def score(self, window: Case, template: int, cost: float) -> float:
        """Return how badly a window fits the class of a template that it fits at that mean cost.

        The score is a weighted sum of the logs of that cost, of the squared distance to the nearest
        example in the normal form, and of the ratio of sizes.
        """
        own = self.owners == self.owners[template]
        apart = (self.forms[own] - normalise(window, self.kind)) / self.spread
        distance = (apart**2).sum(axis=(1, 2)).min()
        size = path_length(window) if self.along_path else (window.shape[1] - 1) * self.quantum
        ratio = size / self.sizes[self.owners[template]]
        logs = np.log(cost + TINY), np.log(distance + TINY), abs(np.log(ratio))
        return float(logs[0] + SHAPE * logs[1] + SIZE * logs[2])

    def probability(self, window: Case, owner: int) -> float:
        """Return the probability that a window's experts give a class."""
        form = normalise(window, self.kind)
        return float(self.experts.predict_proba([form])[0, owner])
