"""``egem info``."""

import platform
from pathlib import Path
from typing import Annotated, Any

import typer

from egem import __version__
from egem.apps.cli.options import Json
from egem.apps.cli.terminal import print_json


def info(
    model: Annotated[
        Path | None, typer.Argument(metavar="[MODEL]", help="A model written by egem fit.")
    ] = None,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", hidden=True)] = False,
) -> None:
    """Describe a model; without one, the installation and the available data sets."""
    if model is None:
        facts = installation()
    else:
        from egem.classifier import EGEMClassifier

        clf = EGEMClassifier.load(model)
        facts = {"file": str(model), "bytes": model.stat().st_size} | describe(clf)
    if as_json:
        print_json(facts)
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        print(f"{name.replace('_', ' '):<{width}}  {shown}")


def describe(clf: Any) -> dict[str, Any]:
    """Describe a fitted classifier in plain JSON values."""
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
        "augmentation": clf.kind_,
        "metric": clf.metric_.name,
        "shrinkage": round(float(clf.metric_.shrinkage), 4),
        "time_step": clf.time_step_,
        "inverse_temperature": round(float(clf.sharpness_), 4),
        "mean_training_loss": round(float(clf.train_loss_.mean()), 5),
    }


def installation() -> dict[str, Any]:
    """Describe the installed versions, the decoder in use and the available data sets."""
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
        "compile_cache": str(keep_compiled() or "none"),
        "data_sets": available_datasets(),
    }
