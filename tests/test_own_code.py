"""Decoders and metrics of the user's own: what does not fit is refused, and the remedy named."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from typer.testing import CliRunner

from egem import EGEMClassifier, LSTMDecoder, ModelFileError, Training
from egem.apps.cli import app
from egem.core.decoder import Decoder
from egem.core.metric import METRICS, mse

FAST = {"views": ("recurrent",), "training": Training(n_updates=100), "random_state": 0}


class CosineParams(NamedTuple):
    weights: Any
    bias: Any


@dataclass(frozen=True)
class CosineDecoder(Decoder):
    """A sum of cosines, whose weights are linear in the code."""

    n_waves: int = 4

    def init(self, key, code_size, n_channels):
        size = self.n_waves * n_channels
        return CosineParams(0.1 * jax.random.normal(key, (code_size, size)), jnp.zeros(size))

    def decode(self, params, z, n_steps):
        t = jnp.linspace(0.0, jnp.pi, n_steps)[:, None] * jnp.arange(self.n_waves)
        return jnp.cos(t) @ (z @ params.weights + params.bias).reshape(self.n_waves, -1)


@pytest.fixture(scope="module")
def own(waves):
    """Fit a model with a decoder of the user's own."""
    return EGEMClassifier(**FAST, decoder=CosineDecoder()).fit(*waves[:2])


@pytest.fixture(scope="module")
def file(own, tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "model.safetensors"
    own.save(path)
    return path


def test_a_model_is_loaded_with_the_decoder_it_was_fitted_with(own, file, waves):
    _, _, X_test, y_test = waves
    assert own.score(X_test, y_test) > 0.6
    again = EGEMClassifier.load(file, decoder=CosineDecoder())
    np.testing.assert_array_equal(again.losses(X_test), own.losses(X_test))


@pytest.mark.parametrize("decoder", [None, LSTMDecoder(4)])
def test_another_decoder_is_refused(file, decoder):
    with pytest.raises(ModelFileError, match=r"its decoder is a CosineDecoder.*decoder=Cosine"):
        EGEMClassifier.load(file, decoder=decoder)


def test_a_decoder_of_another_size_is_refused(file):
    with pytest.raises(ModelFileError) as caught:
        EGEMClassifier.load(file, decoder=CosineDecoder(5))
    says = str(caught.value)
    assert says.startswith(f"{file}: decoder is CosineDecoder(n_waves=5), but the model was fitted")
    assert "its array 'weights' has shape (11, 10) instead of (11, 8) as in the file" in says
    assert says.endswith("the decoder of the fit, of the same size: decoder=CosineDecoder(...).")
    assert "Save the model anew" not in says


class FewerParams(NamedTuple):
    weights: Any


class MoreParams(NamedTuple):
    weights: Any
    bias: Any
    pace: Any


def test_a_decoder_of_more_or_fewer_arrays_is_refused(file):
    def renamed(params):
        class Other(CosineDecoder):
            def init(self, key, code_size, n_channels):
                drawn = super().init(key, code_size, n_channels)
                return params(*(*drawn, jnp.zeros(3))[: len(params._fields)])

        Other.__qualname__ = "CosineDecoder"
        return Other()

    for params, says in (
        (MoreParams, "its array 'pace' is not in the file"),
        (FewerParams, "it has 1 arrays, and the file more"),
    ):
        with pytest.raises(ModelFileError, match=says):
            EGEMClassifier.load(file, decoder=renamed(params))


@dataclass(frozen=True)
class WrongDecoder(CosineDecoder):
    """Decodes something else than (n_steps, n_channels)."""

    fault: str = ""

    def decode(self, params, z, n_steps):
        y = super().decode(params, z, n_steps)
        faults = {
            "transposed": lambda: y.T,
            "one channel": lambda: y[:, :1],
            "flat": lambda: y.ravel(),
            "one step less": lambda: y[1:],
            "pair": lambda: (y, y),
            "whole numbers": lambda: y.astype(int),
        }
        return faults[self.fault]()


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("transposed", r"float32 of shape \(2, 10\)"),
        ("one channel", r"\(10, 1\)"),  # which would be broadcast
        ("flat", r"\(20,\)"),
        ("one step less", r"\(9, 2\)"),
        ("pair", "a tuple"),
        ("whole numbers", r"int32 of shape \(10, 2\)"),
    ],
)
def test_a_decoder_whose_output_has_the_wrong_shape_is_refused_at_fit(waves, fault, found):
    decoder = WrongDecoder(fault=fault)
    says = rf"decoder: decode of WrongDecoder returns .*{found}; it must return floats .*\(10, 2\)"
    with pytest.raises(ValueError, match=says):
        EGEMClassifier(**FAST, decoder=decoder, max_steps=16).fit(*waves[:2])


class WrongBatch(CosineDecoder):
    def decode_batch(self, params, codes, n_steps):
        return super().decode_batch(params, codes, n_steps).swapaxes(0, 1)


def test_a_batch_of_the_wrong_shape_is_refused_at_fit(waves):
    with pytest.raises(ValueError, match=r"decoder: decode_batch of WrongBatch returns"):
        EGEMClassifier(**FAST, decoder=WrongBatch()).fit(*waves[:2])


def test_a_decoder_that_no_view_uses_is_not_tried(waves):
    settings = FAST | {"views": ("linear",), "decoder": WrongDecoder(fault="flat")}
    EGEMClassifier(**settings).fit(*waves[:2])


def info(*arguments):
    return CliRunner().invoke(app, ["info", *map(str, arguments)])


def test_info_tells_how_a_model_of_an_own_decoder_is_loaded(file):
    done = info(file)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"error: {file}: its decoder is a CosineDecoder")
    assert "load the model in Python" in done.stderr and "Traceback" not in done.stderr


def test_info_tells_how_a_model_of_an_own_metric_is_loaded(waves, tmp_path, monkeypatch):
    def own_metric(scatter, n_values, shrinkage):
        return replace(mse(scatter, n_values), name="own")

    path = tmp_path / "model.safetensors"
    with monkeypatch.context() as entered:
        entered.setitem(METRICS, "own", own_metric)
        EGEMClassifier(**FAST, metric="own", decoder=LSTMDecoder(4)).fit(*waves[:2]).save(path)
        done = info(path)
        assert done.exit_code == 0 and "own" in done.stdout
    done = info(path)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"error: {path}: its metric is 'own'")
    assert "load the model in Python" in done.stderr


def test_the_help_of_fit_lists_all_metrics():
    text = CliRunner().invoke(app, ["fit", "--help"], env={"COLUMNS": "200"}).stdout
    line = next(line for line in text.splitlines() if "--metric" in line)
    assert all(name in line for name in METRICS)
