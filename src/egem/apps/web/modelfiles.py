"""Models as files that come and go over the network."""

import hashlib
from pathlib import Path

from egem.apps.web.models import MOST_CLASSES, Model, check_label
from egem.apps.web.store import draft
from egem.apps.web.trouble import Trouble, sentence
from egem.classifier import EGEMClassifier
from egem.errors import ModelFileError

MOST_STEPS, MOST_TIMEPOINTS, MOST_CHANNELS = 512, 100_000, 100
MOST_CELLS, MOST_ITERATIONS = 256, 100


def written(model: Model) -> bytes:
    """Return the classifier as a file.

    Raises
    ------
    Trouble
        Where there is none.
    """
    if model.classifier is None:
        raise Trouble(404, "There is no model yet.", "Teach a class first.")
    with draft(".safetensors") as path:
        model.classifier.save(path)
        return path.read_bytes()


def fingerprint(file: Path) -> str:
    """Name a model file by its content."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]


def read(before: Model | None, file: Path, name: str) -> Model:
    """Read a classifier that somebody sent: nothing in it is run, and its sizes are bounded.

    Raises
    ------
    Trouble
        Where it is no whole model of egem, or too large to be served.
    """
    try:
        clf = EGEMClassifier.load(file)
    except ModelFileError as error:
        what = str(error).replace(f"{file}: ", "").partition(";")[0]
        raise Trouble(422, sentence(what), "Give a file that egem saved.") from error
    grid, search = clf.preparation_, clf.ensemble_.search
    sizes = {
        "classes": (len(clf.classes_), MOST_CLASSES),
        "steps": (grid.n_steps, MOST_STEPS),
        "time points": (grid.n_timepoints, MOST_TIMEPOINTS),
        "channels": (grid.n_channels, MOST_CHANNELS),
        "cells": (max(t.expert.w_rec.shape[-2] for t in clf.ensemble_.trained), MOST_CELLS),
        "iterations": (search.n_iterations, MOST_ITERATIONS),
    }
    for of, (n, most) in sizes.items():
        if not 0 < n <= most:
            raise Trouble(
                422,
                f"The model has {n:,} {of}, and this server takes up to {most:,}.",
                "Use it with egem predict.",
            )
    for label in clf.classes_:
        check_label(str(label))
    clf.set_params(n_jobs=None, verbose=False)
    return Model(clf, {}, f"loading {name}", name)
