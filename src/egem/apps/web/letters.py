"""A model of handwritten letters, fitted on the spot where the data are at hand.

The data are velocities of a pen tip, y up; summed up and turned over they are drawings. Each is
fitted into the pad as a person would draw it, alone and large.
"""

import numpy as np

from egem.apps.web.models import Drawing, Model, drawn
from egem.apps.web.strokes import fitted
from egem.apps.web.teaching import new_classifier
from egem.data.datasets import load_dataset
from egem.data.sources import own_file

CASES_OF_A_LETTER = 6
SEED = 0


def available() -> bool:
    """Whether the data are in the folder that ``EGEM_DATA_DIR`` names."""
    return own_file("character_trajectories.npz") is not None


def letters(before: Model) -> Model:
    """Fit a model of twenty letters, in place of the model before."""
    X, y = load_dataset("characters", raw=True)
    rng = np.random.default_rng(SEED)
    cases, labels, drawings = [], [], {}
    for label in np.unique(y):
        some = rng.choice(np.flatnonzero(y == label), CASES_OF_A_LETTER, replace=False)
        made = [_drawn(X[i]) for i in np.sort(some)]
        cases += [case for case, _ in made]
        labels += [str(label)] * len(made)
        drawings[str(label)] = tuple(drawing for _, drawing in made)
    clf = new_classifier().fit(np.stack(cases), labels)
    return Model(clf, drawings, "starting with letters", "letters")


def _drawn(velocities: np.ndarray) -> tuple[np.ndarray, Drawing]:
    x, y = fitted(np.cumsum(velocities, axis=1) * [[1.0], [-1.0]])
    return drawn(x.tolist(), y.tolist(), [])
