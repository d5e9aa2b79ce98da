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
    "Inversion": "ensemble.result",
    "LSTMDecoder": "core.lstm",
    "Search": "settings",
    "Spotter": "stream.spotter",
    "Training": "settings",
    "TrainingDiverged": "errors",
    "ModelFileError": "errors",
    "DatasetUnavailable": "errors",
    "available_datasets": "readers.datasets",
    "few_shot_split": "data.splits",
    "load_dataset": "readers.datasets",
    "normalise": "data.normal_form",
    "on_grid": "data.grid",
    "read_data": "readers.files",
    "time_step": "readers.files",
    "write_long": "readers.long_format",
    "select": "data.selection",
}
__all__ = ["__version__", *sorted(_HOME)]  # pyright: ignore[reportUnsupportedDunderAll]

if TYPE_CHECKING:
    from egem.classifier import EGEMClassifier as EGEMClassifier
    from egem.core.lstm import LSTMDecoder as LSTMDecoder
    from egem.data.grid import on_grid as on_grid
    from egem.data.normal_form import normalise as normalise
    from egem.data.selection import select as select
    from egem.data.splits import few_shot_split as few_shot_split
    from egem.ensemble.result import Inversion as Inversion
    from egem.errors import DatasetUnavailable as DatasetUnavailable
    from egem.errors import ModelFileError as ModelFileError
    from egem.errors import TrainingDiverged as TrainingDiverged
    from egem.readers.datasets import available_datasets as available_datasets
    from egem.readers.datasets import load_dataset as load_dataset
    from egem.readers.files import read_data as read_data
    from egem.readers.files import time_step as time_step
    from egem.readers.long_format import write_long as write_long
    from egem.settings import Search as Search
    from egem.settings import Training as Training
    from egem.stream.spotter import Spotter as Spotter


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'egem' has no attribute {name!r}")
    return getattr(importlib.import_module(f"egem.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
