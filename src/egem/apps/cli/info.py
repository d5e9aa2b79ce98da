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
        print(f"{name.replace('_', ' '):<{width}}  {_shown(value)}")


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {entry}" for key, entry in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def describe(clf: Any) -> dict[str, Any]:
    """Describe a fitted classifier in plain JSON values."""
    model = clf.model_
    preparation = model.preparation
    facts = {
        "classes": clf.classes_.tolist(),
        "n_channels": preparation.n_channels,
        "n_timepoints": int(preparation.n_timepoints),
        "n_steps": int(preparation.steps_used),
        "views": {name: round(float(w), 4) for name, w in clf.view_weights_.items()},
        "augmentation": clf.augmentation_,
        "time_step": clf.time_step_,
        "channels": clf.channel_names_,
        "inverse_temperature": round(float(clf.inverse_temperature_), 4),
    }
    if not model.experts:  # no recurrent view
        return facts
    expert = model.experts[0]
    return facts | {
        "cases_per_class": [len(each.codes) for each in model.experts],
        "n_cells": getattr(model.decoder, "n_cells", None),
        "parameters_per_expert": expert.n_parameters,
        "code_size": expert.code_size,
        "metric": clf.metric_.name,
        "shrinkage": round(float(clf.metric_.shrinkage), 4),
        "mean_training_loss": round(float(clf.train_loss_.mean()), 5),
    }


def installation() -> dict[str, Any]:
    """Describe the installed versions, the decoder in use and the available data sets."""
    import jax

    from egem.readers.datasets import available_datasets
    from egem.runtime import native
    from egem.runtime.compile_cache import enable_compile_cache

    return {
        "egem": __version__,
        "python": platform.python_version(),
        "jax": jax.__version__,
        "devices": [str(device) for device in jax.devices()],
        "decoder": f"native, {native.KERNEL.name}" if native.KERNEL else "JAX's scan",
        "compile_cache": str(enable_compile_cache() or "none"),
        "data_sets": available_datasets(),
    }
