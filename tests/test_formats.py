"""Files of earlier formats load, and what fits no model is refused whatever its checksum."""

import json
from pathlib import Path

import numpy as np
import pytest

from egem import EGEMClassifier, ModelFileError
from egem.io import model_file as persistence
from helpers import make_waves, rewritten

FIXTURES = Path(__file__).parent / "fixtures"
NEWEST = FIXTURES / f"format-{persistence.FORMAT}.safetensors"
FORMATS = range(1, persistence.FORMAT + 1)


@pytest.mark.parametrize("version", FORMATS)
def test_files_of_every_format_load_and_answer_as_they_did(version, tmp_path):
    X, y = make_waves(2, seed=1)
    model = EGEMClassifier.load(FIXTURES / f"format-{version}.safetensors")
    before = json.loads((FIXTURES / "losses.json").read_text())[str(version)]
    np.testing.assert_allclose(model.losses(X), before, rtol=1e-4)
    assert model.predict(X).tolist() == y.tolist()
    model.save(tmp_path / "anew")  # in today's format
    again = EGEMClassifier.load(tmp_path / "anew")
    np.testing.assert_array_equal(again.losses(X), model.losses(X))


def test_a_file_over_the_limit_is_refused_until_the_limit_is_raised(tmp_path, monkeypatch):
    path, size = NEWEST, NEWEST.stat().st_size
    for limit in ({"max_bytes": 1000}, {}):
        monkeypatch.setenv("EGEM_MAX_BYTES", "1000")
        with pytest.raises(ModelFileError, match=r"over the limit of 1,000.*raise max_bytes, or"):
            EGEMClassifier.load(path, **limit)
    assert EGEMClassifier.load(path, max_bytes=10 * size).classes_.size == 3
    monkeypatch.setenv("EGEM_MAX_BYTES", "plenty")
    with pytest.raises(ValueError, match="EGEM_MAX_BYTES must be a positive whole number"):
        EGEMClassifier.load(path)


def test_a_small_file_of_a_model_that_fills_the_memory_is_refused(tmp_path):
    def lengthen(header, arrays):
        header["preparation"].update(n_timepoints=10**9, n_steps=10**9, block=1)
        header["metric"].update(name="mse", floor=1.0)
        arrays["metric/basis"] = np.zeros((2 * 10**9, 0), np.float32)

    with pytest.raises(ModelFileError, match=r"at work it takes .* bytes, over the limit"):
        EGEMClassifier.load(rewritten(NEWEST, tmp_path, lengthen))


def negative(name):
    def change(header, arrays):
        arrays[name] = -1 - np.abs(arrays[name])

    return change


def shortened(name):
    def change(header, arrays):
        arrays[name] = np.ascontiguousarray(arrays[name][..., :-1])

    return change


def set_to(name, value):
    def change(header, arrays):
        arrays[name] = np.full_like(arrays[name], value)

    return change


def told(section, **entries):
    def change(header, arrays):
        (header[section] if section else header).update(entries)

    return change


def widened(header, arrays):
    name = "space/0/hull/0/basis"
    arrays[name] = np.repeat(arrays[name], 1000, axis=0)  # a minute of work for one case


def in_pieces(n_pieces):
    def change(header, arrays):
        header["joint"]["spaces"][0].update(n_pieces=n_pieces)

    return change


@pytest.mark.parametrize(
    "change",
    [
        negative("space/1/bank/0/dilations"),  # would read before an array's beginning
        set_to("space/1/bank/0/dilations", 10**6),  # and beyond its end
        shortened("space/1/bank/0/channels"),
        shortened("space/1/bank/1/thresholds"),
        shortened("space/1/projection"),
        shortened("space/0/hull/0/basis"),
        shortened("space/0/hull/0/1/basis"),
        widened,
        in_pieces([1, 2, 10**12]),
        in_pieces([2, 2]),
        in_pieces([2, 2, 0]),
        shortened("space/0/directions"),
        set_to("space/1/layout/scale", 0.0),
        set_to("preparation/scale", np.inf),
        shortened("preparation/mean"),
        shortened("0/w_out"),
        shortened("1/w_rec"),
        shortened("2/book"),
        set_to("0/w_code", np.nan),
        set_to("held_out/truth", 7),
        set_to("cases/classes", -1),
        set_to("cases/rows", 99),
        negative("cases/lengths"),
        told("preparation", n_steps=0),
        told("preparation", block=0),
        told("preparation", n_steps=2.5),
        told("joint", spaces=[]),
        told("metric", floor=0.0),
        told("metric", noise=float("nan")),
        told("metric", name="pickle"),
        told("search", n_iterations=10**12),
        told("search", method="guess"),
        told("recipe", n_cells=10**9),
        told("recipe", kind="shell"),
        told("classes", of=["up", "down", "still"]),
        told("classes", of=["up", "up", "up"]),
        told("parameters", learning_rate=-1.0),
        told("parameters", verbose="loud", n_jobs="many"),
        told(None, sharpness=float("inf")),
        told(None, time_step=-1),
        told(None, n_features_in="two"),
        told(None, feature_names_in=["a", 2]),
        told(None, kind="none of them"),
        told(None, seed=-1),
        told(None, experts=[{"loss": float("nan"), "n_bends": 0}] * 3),
        told(None, experts=[{"loss": 0.1, "n_bends": 99}] * 3),
    ],
)
def test_what_does_not_fit_is_refused_whatever_its_checksum(change, tmp_path):
    with pytest.raises(ModelFileError, match="not a whole egem model"):
        EGEMClassifier.load(rewritten(NEWEST, tmp_path, change))


def test_the_same_file_with_nothing_changed_loads(tmp_path):
    assert (
        EGEMClassifier.load(rewritten(NEWEST, tmp_path, lambda header, arrays: None)).classes_.size
        == 3
    )
