"""Teach what nobody will see, so that the first lesson does not wait for compilations."""

import logging
import time

import numpy as np

from egem.apps.web.models import Model
from egem.apps.web.schema import Stroke
from egem.apps.web.teaching import taught
from egem.apps.web.verdicts import warm_up

log = logging.getLogger(__name__)

N_CLASSES = 3  # the first is fitted, others are added, and two do not tell all shapes


def prepare() -> None:
    """Teach waves of a few kinds, four of each."""
    began = time.perf_counter()
    model = Model()
    for n in range(1, N_CLASSES + 1):
        model = taught(model, f"wave {n}", [_wave(n, bend) for bend in (0.1, 0.2, 0.3, 0.4)])
        warm_up(model)
    log.info("ready for lessons after %.1f s", time.perf_counter() - began)


def _wave(n: int, bend: float) -> Stroke:
    x = np.linspace(0.0, 1.0, 60)
    return Stroke(x=x.tolist(), y=(bend * np.sin(n * np.pi * x)).tolist())
