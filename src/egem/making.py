"""How a model is put together anew: experts taught, all that depends on the cases measured."""

from dataclasses import replace
from typing import Any, Self

import numpy as np

from egem.calibration.fit import Material, fit_metric, measure
from egem.calibration.yardstick import as_experts_would
from egem.data.preparation import Batch, Preparation
from egem.data.validation import Case
from egem.ensemble.codes import Trained
from egem.ensemble.joint import JointMetric
from egem.ensemble.metric import Metric
from egem.ensemble.recipe import Recipe
from egem.ensemble.training import train
from egem.fitted import Fitted
from egem.io.checkpoint import Folder
from egem.kept import Kept
from egem.runtime.progress import Progress


class Making(Fitted):
    """What :class:`egem.EGEMClassifier` is fitted and changed with."""

    metric: Any
    shrinkage: float | None
    checkpoint: str | None

    def _taught(self, cases: list[list[Case]], labels: list) -> list[Trained]:
        """Train experts by this model's recipe, in its scaling."""
        batches = [self.preparation_.apply(of) for of in cases]
        return self._train(batches, labels, self.recipe_, self.preparation_, self.ensemble_.seed)

    def _train(
        self,
        batches: list[Batch],
        labels: list,
        recipe: Recipe,
        preparation: Preparation,
        seed: int,
    ) -> list[Trained]:
        title = f"training {len(labels)} expert{'s' * (len(labels) > 1)}"
        steps = preparation.steps_used
        shelf = None if self.checkpoint is None else Folder(self.checkpoint)
        with Progress(title, len(labels), self.verbose) as bar:
            return train(batches, labels, recipe, steps, seed, self.n_jobs, bar.advance, shelf)

    def _material(self, kept: Kept) -> Material:
        """Lay the kept cases out to be measured, in an order that does not depend on the user's."""
        if not kept.cases:
            raise ValueError(
                "this model was saved by an older egem, which kept no cases in it; fit it again to "
                "change its classes."
            )
        cases = self.preparation_.align(list(kept.cases))
        return Material.of(
            cases,
            self.preparation_.apply(cases),
            kept.classes,
            self.kind_,
            self.preparation_,
            self.ensemble_.seed,
            self.n_jobs,
        )

    def _settle(
        self,
        classes: np.ndarray,
        trained: list[Trained],
        kept: Kept,
        refit_metric: bool = False,
    ) -> Self:
        """Put the model together anew; everything that may fail comes first."""
        material = self._material(kept)
        if refit_metric:
            measured = fit_metric(self.metric, self.shrinkage, material)
            self.sharpness_ = measured.sharpness(kept.classes)
        else:
            handed_in = isinstance(self.metric, Metric | JointMetric)
            measured = measure(self.metric_, material, fitted_here=not handed_in)
        ensemble = replace(
            self.ensemble_, classes=classes, trained=tuple(trained), metric=measured.residual
        )
        self.held_out_ = as_experts_would(measured, ensemble, material)
        self.ensemble_, self.classes_, self.cases_ = ensemble, classes, kept
        self.metric_, self.hulls_ = measured.metric, measured.hulls
        return self
