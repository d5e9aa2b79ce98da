"""What a window is judged by: the experts of a model's examples in their normal form."""

from typing import NamedTuple

import numpy as np

from egem.data.normal_form import directions, normalise, path_length
from egem.ensemble.inversion import invert
from egem.ensemble.search import ALL

SHARE = 1 / 48  # of the shortest example: a step
WEIGHT = 0.75


class Verdict(NamedTuple):
    score: float
    probability: float
    p_value: float


class Recogniser:
    def __init__(self, cases, owners, classes, kind, bound, ceiling=.15):
        from egem.classifier import EGEMClassifier
        self.kind, self.along_path = kind, kind != "series"
        self.owners, self.classes = np.asarray(owners), classes
        forms = [normalise(x, kind) for x in cases]
        flat = np.concatenate(cases, axis=1)
        self.mean, self.scale = np.nanmean(flat, axis=1), np.nanstd(flat, axis=1)
        size = [path_length(x) if self.along_path else x.shape[1] - 1.0 for x in cases]
        self.quantum = min(size) * SHARE
        self.longest = max(size) / self.quantum
        if self.along_path:
            self.templates = np.array([directions(f).T for f in forms])
        else:
            self.templates = np.array([((f - self.mean[:, None]) / self.scale[:, None]).T for f in forms])
        self.clf = EGEMClassifier(views=("linear",), random_state=0, n_jobs=1).fit(forms, np.asarray(owners))
        self.bound, self.ceiling = bound, ceiling
        self.log = None

    def judge(self, window, m, cost):
        form = normalise(window, self.kind)
        found = invert(self.clf.model_, [form], ALL, 1, codes=False)
        own = int(self.owners[m])
        score = np.log(cost + 1e-9) + WEIGHT * float(found.log_scores[0, own])
        if self.log is not None: self.log.append((score, cost, own))
        if score > self.bound: return None
        return Verdict(score, float(found.probabilities()[0, own]), 1.0)
