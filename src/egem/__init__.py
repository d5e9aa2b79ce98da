"""EGEM: classify a sequence by letting one generative expert per class imagine it.

>>> from egem import EGEMClassifier, few_shot_split, load_dataset
>>> X, y = load_dataset("digits")
>>> X.shape
(1797, 8, 8)
"""

import importlib
import logging
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# What there is to tell goes to the standard library's logging, and nowhere unless asked for.
logging.getLogger(__name__).addHandler(logging.NullHandler())

# Names load on first use, so that `import egem` costs next to nothing beyond JAX.
_HOME = {
    "EGEMClassifier": "classifier",
    "Inversion": "inversion",
    "TrainingDiverged": "training",
    "ModelFileError": "persistence",
    "DatasetUnavailable": "sources",
    "available_datasets": "datasets",
    "few_shot_split": "splits",
    "load_dataset": "datasets",
    "on_grid": "grid",
    "read_data": "readers",
    "time_step": "longformat",
    "write_long": "longformat",
    "select": "selection",
}
__all__ = ["__version__", *sorted(_HOME)]  # pyright: ignore[reportUnsupportedDunderAll]

if TYPE_CHECKING:
    from .classifier import EGEMClassifier as EGEMClassifier
    from .datasets import available_datasets as available_datasets
    from .datasets import load_dataset as load_dataset
    from .grid import on_grid as on_grid
    from .inversion import Inversion as Inversion
    from .longformat import time_step as time_step
    from .longformat import write_long as write_long
    from .persistence import ModelFileError as ModelFileError
    from .readers import read_data as read_data
    from .selection import select as select
    from .sources import DatasetUnavailable as DatasetUnavailable
    from .splits import few_shot_split as few_shot_split
    from .training import TrainingDiverged as TrainingDiverged


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'egem' has no attribute {name!r}")
    return getattr(importlib.import_module(f"egem.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
