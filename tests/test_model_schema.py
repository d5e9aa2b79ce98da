"""Model files with a right checksum: refused where they fit no model, or are too large."""

import numpy as np
import pytest

from egem import EGEMClassifier, LSTMDecoder, ModelFileError, Training
from helpers import make_waves, rewritten


@pytest.fixture(scope="module")
def model():
    """A small model of all views, with two local linear experts in each class."""
    settings = {"decoder": LSTMDecoder(4), "training": Training(n_updates=60), "random_state": 0}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("egem.views.linear.CASES_PER_EXPERT", 2)
        fitted = EGEMClassifier(**settings, align="start", augment="none")
        return fitted.fit(*make_waves(3, seed=0))


@pytest.fixture(scope="module")
def file(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    model.save(path)
    return path


def test_local_linear_experts_are_equal_after_loading(model, file):
    assert {len(local) for view in model.model_.linear_experts for local in view} == {2}
    X, y = make_waves(2, seed=1)
    again = EGEMClassifier.load(file)
    np.testing.assert_array_equal(again.invert(X).scores, model.invert(X).scores)
    assert again.predict(X).tolist() == y.tolist()


def test_a_rewritten_file_loads(file, tmp_path):
    path = rewritten(file, tmp_path, lambda header, arrays: None)
    assert EGEMClassifier.load(path).classes_.tolist() == ["down", "still", "up"]


def test_a_file_over_the_limit_is_refused_until_the_limit_is_raised(file, monkeypatch):
    for limit in ({"max_bytes": 1000}, {}):
        monkeypatch.setenv("EGEM_MAX_BYTES", "1000")
        with pytest.raises(ModelFileError, match=r"over the limit of 1,000.*raise max_bytes, or"):
            EGEMClassifier.load(file, **limit)
    assert EGEMClassifier.load(file, max_bytes=10 * file.stat().st_size).classes_.size == 3
    monkeypatch.setenv("EGEM_MAX_BYTES", "plenty")
    with pytest.raises(ValueError, match="EGEM_MAX_BYTES must be a positive whole number"):
        EGEMClassifier.load(file)


def test_a_small_file_of_a_model_that_fills_the_memory_is_refused(file, tmp_path):
    def lengthen(header, arrays):
        header["preparation"].update(n_timepoints=10**9, n_steps=10**9, block=1)
        header["metric"].update(name="mse", floor=1.0)
        arrays["metric/basis"] = np.zeros((2 * 10**9, 0), np.float32)

    with pytest.raises(ModelFileError, match=r"at work it takes .* bytes, over the limit"):
        EGEMClassifier.load(rewritten(file, tmp_path, lengthen))


@pytest.mark.parametrize("part", ["metric", "search"])
@pytest.mark.parametrize("value", [2, 2**31, 10**30])
def test_whole_numbers_of_a_file_are_read_as_reals(file, tmp_path, part, value):
    def change(header, _):
        if part == "metric":
            header["metric"].update(floor=value)
        else:
            header["settings"]["search"].update(prior_weight=value)

    X, _ = make_waves(2, seed=1)
    found = EGEMClassifier.load(rewritten(file, tmp_path, change)).invert(X)
    assert len(found.losses) == len(X)


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


def with_entries(section, **entries):
    def change(header, arrays):
        (header[section] if section else header).update(entries)

    return change


def widened(header, arrays):
    name = "view/0/0/0/basis"
    arrays[name] = np.repeat(arrays[name], 1000, axis=0)  # a minute of work for one case


def in_view(i, **entries):
    def change(header, arrays):
        header["views"]["linear"][i].update(entries)

    return change


def without(section, name):
    def change(header, arrays):
        (header[section] if section else header).pop(name)

    return change


def with_experts(change_experts):
    def change(header, arrays):
        change_experts(header["experts"])

    return change


@pytest.mark.parametrize(
    "change",
    [
        negative("view/1/bank/0/dilations"),  # would read before an array's beginning
        set_to("view/1/bank/0/dilations", 10**6),  # and beyond its end
        shortened("view/1/bank/0/channels"),
        shortened("view/1/bank/1/thresholds"),
        shortened("view/1/projection"),
        shortened("view/0/0/0/basis"),
        shortened("view/0/0/1/basis"),
        widened,
        in_view(0, n_experts=[1, 2, 10**12]),
        in_view(0, n_experts=[2, 2]),
        in_view(0, n_experts=[2, 2, 0]),
        in_view(0, name="fourier"),
        in_view(1, name="linear"),
        in_view(0, weight=float("nan")),
        in_view(0, metrics=[]),
        in_view(0, metrics=[[0.0, 1.0, 1.0]]),
        in_view(0, held_out_loss=[0.0, 0.0]),
        shortened("view/0/directions"),
        negative("view/0/variances"),
        set_to("view/1/layout/scale", 0.0),
        set_to("preparation/scale", np.inf),
        shortened("preparation/mean"),
        shortened("expert/0/params/4"),
        shortened("expert/1/params/2"),
        shortened("expert/2/codebook"),
        negative("expert/2/code_precision"),
        set_to("expert/0/params/0", np.nan),
        set_to("held_out/truth", 7),
        set_to("cases/classes", -1),
        set_to("cases/rows", 99),
        negative("cases/lengths"),
        with_entries("preparation", n_steps=0),
        with_entries("preparation", block=0),
        with_entries("preparation", n_steps=2.5),
        with_entries("views", linear=[]),
        with_entries("views", recurrent_weight=-1.0),
        with_entries("metric", floor=0.0),
        with_entries("metric", noise=float("nan")),
        with_entries("metric", name="pickle"),
        with_entries("settings", method="guess"),
        with_entries("settings", views=["recurrent", "fourier"]),
        with_entries("settings", metric="pickle"),
        with_entries("settings", augmentation="shell"),
        with_entries("settings", codes="morse"),
        with_entries("settings", keep_cases=0),
        with_entries("settings", search={"max_steps": 10**12, "prior_weight": 1, "bounds": None}),
        with_entries("settings", search={"max_steps": 9, "prior_weight": -1, "bounds": None}),
        with_entries("settings", search={"max_steps": 9, "prior_weight": 1, "bounds": [1, 0]}),
        with_entries("decoder", n_cells=10**9),
        with_entries("decoder", n_cells=0),
        with_entries("decoder", start="warm"),
        with_entries("classes", of=["up", "down", "still"]),
        with_entries("classes", of=["up", "up", "up"]),
        with_entries("classes", dtype="object"),
        with_entries("parameters", metric="pickle"),
        with_entries("parameters", verbose="loud", n_jobs="many"),
        with_entries("parameters", training={"learning_rate": -1.0}),
        with_entries("parameters", search={"method": "guess"}),
        with_entries("parameters", novelty=1),
        with_entries(None, inverse_temperature=float("inf")),
        with_entries("fitted", time_step_=-1),
        with_entries("fitted", n_features_in_="two"),
        with_entries("fitted", feature_names_in_=["a", 2]),
        with_entries(None, seed=-1),
        with_entries(None, experts=[{"loss": float("nan"), "n_warps": 0}] * 3),
        with_entries(None, experts=[{"loss": 0.1, "n_warps": 99}] * 3),
        with_entries(None, format="one"),
        with_experts(lambda experts: experts.pop()),
        with_experts(lambda experts: experts.append({"loss": 0.0, "n_warps": 0})),
        without(None, "metric"),
        without(None, "settings"),
        lambda header, arrays: arrays.pop("expert/0/params/2"),
    ],
)
def test_a_file_that_fits_no_model_is_refused(change, file, tmp_path):
    with pytest.raises(ModelFileError):
        EGEMClassifier.load(rewritten(file, tmp_path, change))
