"""The classifier as an aeon estimator.

This module needs aeon, unlike the rest of the package: ``pip install 'egem[data]'``.
"""

import inspect
from collections.abc import Callable
from typing import Any, ClassVar, Concatenate, ParamSpec, Self, cast

import numpy as np
from jaxtyping import Float32, Shaped

from egem.classifier import EGEMClassifier
from egem.data.cases import Case

try:
    from aeon.classification.base import BaseClassifier
    from aeon.utils.validation import check_n_jobs
except ImportError as error:
    raise ImportError("egem.aeon needs aeon; run: pip install 'egem[data]'") from error

P = ParamSpec("P")


def _parameters_of(
    constructor: Callable[Concatenate[Any, P], None], **defaults: Any
) -> Callable[[Callable[..., None]], Callable[Concatenate[Any, P], None]]:
    """Give a constructor the signature of another, so that its parameters are listed once.

    Both scikit-learn's ``get_params`` and aeon's checks read names and defaults off the signature.
    """
    signature = inspect.signature(constructor)
    parameters = [
        p.replace(default=defaults.get(name, p.default)) for name, p in signature.parameters.items()
    ]

    def decorate(own: Callable[..., None]) -> Callable[Concatenate[Any, P], None]:
        cast(Any, own).__signature__ = signature.replace(parameters=parameters)
        return own

    return decorate


class AeonEGEMClassifier(BaseClassifier):
    """:class:`egem.EGEMClassifier` as an aeon classifier, for aeon's pipelines and benchmarks.

    Takes every kind of collection that aeon knows, of one or many channels, of equal or unequal
    length, with or without missing values.

    Parameters
    ----------
    n_jobs : int, default 1
        Threads, counted as aeon does: None is 1, -1 one for each core, -2 one less.
    **parameters
        All others of :class:`egem.EGEMClassifier`, by name and with the same defaults.

    Attributes
    ----------
    classes_ : array (n_classes,)
        Class labels, sorted.
    n_classes_ : int
        Number of classes, two or more.
    estimator_ : EGEMClassifier
        The fitted classifier, for ``losses``, ``reconstruct``, ``sample`` and ``save``.

    See Also
    --------
    egem.EGEMClassifier : The same classifier as a scikit-learn estimator.

    Examples
    --------
    >>> from aeon.datasets import load_unit_test
    >>> from egem import Training
    >>> from egem.aeon import AeonEGEMClassifier
    >>> X, y = load_unit_test("train")
    >>> clf = AeonEGEMClassifier(training=Training(n_updates=100), random_state=0).fit(X, y)
    >>> clf.score(*load_unit_test("test")) > 0.7
    True
    """

    _tags: ClassVar = {
        # Not numpy3D as well: after a fit to cases of equal length aeon would force others of
        # unequal length into one array, and fail.
        "X_inner_type": "np-list",
        "capability:multivariate": True,
        "capability:unequal_length": True,
        "capability:missing_values": True,
        "capability:multithreading": True,
    }

    @_parameters_of(EGEMClassifier.__init__, n_jobs=1)
    def __init__(self, *, n_jobs: int | None = 1, **parameters: Any):
        vars(self).update(EGEMClassifier(n_jobs=n_jobs, **parameters).get_params(deep=False))
        super().__init__()

    def _fit(  # pyright: ignore[reportIncompatibleMethodOverride] - aeon wants itself returned
        self, X: list[Case], y: Shaped[np.ndarray, " n_cases"]
    ) -> Self:
        parameters: dict[str, Any] = self.get_params(deep=False)
        parameters["n_jobs"] = self._n_jobs = check_n_jobs(parameters["n_jobs"])
        self.estimator_ = EGEMClassifier(**parameters).fit(X, y)
        return self

    def _predict(self, X: list[Case]) -> Shaped[np.ndarray, " n_cases"]:
        return self.estimator_.predict(X)

    def _predict_proba(self, X: list[Case]) -> Float32[np.ndarray, "n_cases n_classes"]:
        return self.estimator_.predict_proba(X)

    @classmethod
    def _get_test_params(cls, parameter_set="default") -> dict[str, Any]:
        return {"views": ("linear",), "augment": "none", "align": "start"}
