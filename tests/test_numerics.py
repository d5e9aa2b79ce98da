"""Answers do not depend on what the user has set of JAX and NumPy, or are refused."""

import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from sklearn.base import clone

from egem import EGEMClassifier

SETTINGS = {
    "double precision": ("jax_enable_x64", True),
    "strict promotion of types": ("jax_numpy_dtype_promotion", "strict"),
    "no promotion of ranks": ("jax_numpy_rank_promotion", "raise"),
    "errors of floats": ("numpy", "raise"),
}


@pytest.fixture(params=SETTINGS)
def setting(request):
    """Set it for the whole process, threads included."""
    name, value = SETTINGS[request.param]
    if name == "numpy":
        before = np.seterr(all=value)
        yield
        np.seterr(**before)
    else:
        before = jax.config.values[name]
        jax.config.update(name, value)
        yield
        jax.config.update(name, before)


def answers(model, X, path):
    model.save(path)
    loaded = EGEMClassifier.load(path)
    return [
        model.losses(X),
        model.predict_proba(X),
        model.predict_set(X),
        model.p_value(X),
        model.reconstruct(X[:3]),
        model.sample("up", 2, random_state=0),
        model.explain(X[:1]).path_scores,
        model.complete([x[:, :9] for x in X[:2]]).values,
        loaded.verdicts(X).probabilities,
    ]


@pytest.fixture(scope="module")
def expected(wave_model, waves, tmp_path_factory):
    return answers(wave_model, waves[2], tmp_path_factory.mktemp("models") / "m")


def test_answers_do_not_depend_on_settings(expected, setting, wave_model, waves, tmp_path):
    again = clone(wave_model).fit(*waves[:2])
    for found, before in zip(answers(again, waves[2], tmp_path / "m"), expected, strict=True):
        np.testing.assert_array_equal(found, before)


def test_devices_that_are_not_there_are_refused_with_a_remedy():
    if any(device.platform == "gpu" for device in jax.devices()):
        pytest.skip("there is one")
    code = """
from egem import EGEMClassifier
for views in (("features",), ("recurrent",)):
    try:
        EGEMClassifier(views=views, random_state=0).fit([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]], [0, 1])
    except RuntimeError as error:
        print(error)
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "JAX_PLATFORMS": "cuda"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.count("JAX_PLATFORMS is cuda); unset JAX_PLATFORMS, or set it to cpu") == 2
