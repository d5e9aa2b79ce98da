"""What there is to tell of a model and of this installation, as plain JSON values."""

import platform
from typing import Any

from egem import __version__


def describe(clf: Any) -> dict[str, Any]:
    """Tell what a fitted classifier is made of."""
    from egem.ensemble.codes import count_parameters

    trained = clf.ensemble_.trained
    preparation = clf.preparation_
    return {
        "classes": clf.classes_.tolist(),
        "cases_per_class": [len(t.codes) for t in trained],
        "n_channels": preparation.n_channels,
        "n_timepoints": int(preparation.n_timepoints),
        "n_steps": int(preparation.steps_used),
        "n_cells": int(trained[0].expert.w_rec.shape[-2]),
        "parameters_per_expert": count_parameters(trained[0]),
        "code_size": int(trained[0].codes.shape[1]),
        "deformation": clf.kind_,
        "metric": clf.metric_.name,
        "shrinkage": round(float(clf.metric_.shrinkage), 4),
        "time_step": clf.time_step_,
        "sharpness": round(float(clf.sharpness_), 4),
        "mean_training_loss": round(float(clf.train_loss_.mean()), 5),
    }


def installation() -> dict[str, Any]:
    """Tell which versions are here, what decodes, and which data sets are at hand."""
    import jax

    from egem.data.datasets import available_datasets
    from egem.runtime import native
    from egem.runtime.compile_cache import keep_compiled

    return {
        "egem": __version__,
        "python": platform.python_version(),
        "jax": jax.__version__,
        "devices": [str(device) for device in jax.devices()],
        "decoder": f"native, {native.KERNEL.name}" if native.KERNEL else "JAX's scan",
        "compiled": str(keep_compiled() or "not kept"),
        "data_sets": available_datasets(),
    }
