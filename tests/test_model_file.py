"""Models as files: the same after a round trip, and nothing but a whole model is loaded."""

import json
import os
import pickle
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from egem import EGEMClassifier, ModelFileError
from egem.io import model_file as persistence
from egem.io.model_file import load, save
from helpers import QUICK, make_waves, rewritten


@pytest.fixture(scope="session")
def learned_model(wave_model):
    """Ten cases a class, so codes are learned; metric and scaling handed in."""
    X, y = make_waves(10, seed=4)
    given = {"metric": wave_model.metric_, "scaling": wave_model.preparation_}
    return EGEMClassifier(**QUICK, **given).fit(X, y)


def test_unequal_text_labelled_waves_come_back_the_same(wave_model, waves, tmp_path):
    check_round_trip(wave_model, waves[2], tmp_path)


def test_the_published_setting_comes_back_the_same(paper_model, digits, tmp_path):
    check_round_trip(paper_model, digits[2][:20], tmp_path)


def test_learned_codes_and_a_given_metric_come_back_the_same(learned_model, waves, tmp_path):
    assert learned_model.ensemble_.trained[0].codes.shape[0] == 10
    again = check_round_trip(learned_model, waves[2], tmp_path)
    residual = learned_model.metric_.residual
    np.testing.assert_array_equal(again.metric.residual.basis, residual.basis)
    np.testing.assert_array_equal(again.scaling.mean, learned_model.scaling.mean)


@pytest.mark.parametrize("metric", ["auto", "features"])
def test_a_joint_metric_comes_back_the_same(metric, waves, tmp_path):
    X, _ = make_waves(3, seed=4)
    model = EGEMClassifier(**QUICK, metric=metric).fit(*make_waves(4, seed=4))
    again = check_round_trip(model, fitting(model, X), tmp_path)
    assert again.metric == metric
    given = EGEMClassifier(**QUICK, metric=model.metric_).fit(*make_waves(4, seed=5))
    check_round_trip(given, fitting(given, X), tmp_path)


def fitting(model, X):
    """Cut cases to the fitted length."""
    return [x[:, : model.preparation_.n_timepoints] for x in X]


def check_round_trip(model, X, folder):
    path = folder / "model.safetensors"
    model.save(path)
    again = EGEMClassifier.load(path)
    assert os.listdir(folder) == ["model.safetensors"]  # one file, no drafts left
    before, after = model.invert(X), again.invert(X)
    for name in ("losses", "priors", "codes", "n_steps", "converged", "scores"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    assert (again.classes_ == model.classes_).all() and again.classes_.dtype == model.classes_.dtype
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    np.testing.assert_array_equal(again.reconstruct(X), model.reconstruct(X))
    label = model.classes_[0]
    np.testing.assert_array_equal(
        again.sample(label, n=3, random_state=1), model.sample(label, n=3, random_state=1)
    )
    np.testing.assert_array_equal(again.train_loss_, model.train_loss_)
    assert again.n_features_in_ == model.n_features_in_ and again.kind_ == model.kind_
    mine, its = model.get_params(), again.get_params()
    for name in mine.keys() - {"metric", "scaling"}:
        assert its[name] == mine[name], name
    again.save(path)
    assert (EGEMClassifier.load(path).losses(X) == before.losses).all()
    return again


@pytest.mark.parametrize(
    "classes",
    [np.array([0, 1, 2]), np.array([False, True]), np.array(["ä", "b c"]), np.array([-5, 2**40])],
)
def test_labels_of_every_type_come_back(classes):
    header = json.loads(json.dumps(persistence._labels_to_json(classes)))
    again = persistence._labels_from_json(header)
    assert again.dtype == classes.dtype and (again == classes).all()


def test_a_refitted_copy_of_a_loaded_model_is_the_same(wave_model, waves, tmp_path):
    wave_model.save(tmp_path / "m")
    again = EGEMClassifier.load(tmp_path / "m").fit(*waves[:2])
    np.testing.assert_array_equal(again.losses(waves[2]), wave_model.losses(waves[2]))


@pytest.fixture(scope="module")
def content(wave_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "model.safetensors"
    wave_model.save(path)
    return path.read_bytes()


def refuses(path, says=None):
    with pytest.raises(ModelFileError, match=says) as caught:
        EGEMClassifier.load(path)
    assert str(path) in str(caught.value)


# Loading is quick and leaves nothing behind, so every example may use the same folder.
many = settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


@many
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_refused(content, tmp_path, share):
    path = tmp_path / "cut"
    path.write_bytes(content[: int(share * len(content))])
    refuses(path, "not a whole egem model|not an egem model")


@many
@given(share=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_anywhere_is_noticed(content, tmp_path, share, bit):
    path = tmp_path / "flipped"
    at = int(share * len(content))
    path.write_bytes(content[:at] + bytes([content[at] ^ (1 << bit)]) + content[at + 1 :])
    refuses(path)


@many
@given(at=st.integers(0, 400), byte=st.integers(0, 255))
def test_a_changed_byte_of_the_header_is_noticed(content, tmp_path, at, byte):
    if content[at] == byte:
        return
    path = tmp_path / "changed"
    path.write_bytes(content[:at] + bytes([byte]) + content[at + 1 :])
    refuses(path)


def test_bytes_added_at_the_end_are_noticed(content, tmp_path):
    path = tmp_path / "longer"
    path.write_bytes(content + b"\0" * 8)
    refuses(path)


def test_a_pickle_answers_the_same_and_holds_no_more_after_a_search(wave_model, waves):
    again = pickle.loads(pickle.dumps(wave_model))
    before = len(pickle.dumps(again))
    np.testing.assert_array_equal(again.losses(waves[2]), wave_model.losses(waves[2]))
    assert len(pickle.dumps(again)) == before


class Trap:
    """Unpickled, it leaves a mark."""

    def __reduce__(self):
        return os.mkdir, (Trap.mark,)


def test_a_pickle_is_refused_and_never_run(tmp_path):
    Trap.mark = str(tmp_path / "sprung")
    path = tmp_path / "model.pickle"
    path.write_bytes(pickle.dumps(Trap()))
    refuses(path, "not a whole egem model")
    assert os.listdir(tmp_path) == ["model.pickle"]
    pickle.loads(path.read_bytes())
    assert os.path.isdir(Trap.mark)  # the trap does work


def test_foreign_files_are_refused(tmp_path):
    path = tmp_path / "foreign.safetensors"
    save_file({"weights": np.zeros(3, np.float32)}, path)
    refuses(path, "a safetensors file, but not an egem model")
    path.write_bytes(b"")
    refuses(path, "not a whole egem model")
    path.write_text("case,time,value\n")
    refuses(path, "not a whole egem model")
    path.write_bytes(struct.pack("<Q", 2**62) + b"{}")
    refuses(path, "not a whole egem model")


def rewrite(content, folder, change):
    """A file whose header was changed and whose checksum is right again."""
    source = folder / "source"
    source.write_bytes(content)
    return rewritten(source, folder, change)


def test_a_rewritten_file_loads(content, tmp_path):
    path = rewrite(content, tmp_path, lambda header, arrays: None)
    assert EGEMClassifier.load(path).classes_.tolist() == ["down", "still", "up"]


def test_a_later_format_asks_for_an_update(content, tmp_path):
    path = rewrite(content, tmp_path, lambda header, _: header.update(format=99, version="7.0"))
    refuses(path, "written by egem 7.0 in format 99.*Update egem")


@pytest.mark.parametrize(
    "change",
    [
        lambda header, arrays: header.pop("metric"),
        lambda header, arrays: header["parameters"].update(surprise=1),
        lambda header, arrays: header["experts"].pop(),
        lambda header, arrays: header["experts"].append({"loss": 0.0, "n_bends": 0}),
        lambda header, arrays: arrays.pop("0/w_rec"),
        lambda header, arrays: header["classes"].update(dtype="object"),
        lambda header, arrays: header.update(format="one"),
    ],
)
def test_what_a_model_needs_must_be_there(content, tmp_path, change):
    refuses(rewrite(content, tmp_path, change))


@pytest.mark.parametrize(("part", "name"), [("metric", "floor"), ("search", "prior_strength")])
@pytest.mark.parametrize("value", [2, 2**31, 10**30])
def test_whole_numbers_of_a_file_are_read_as_reals(content, tmp_path, waves, part, name, value):
    path = rewrite(content, tmp_path, lambda header, _: header[part].update({name: value}))
    assert len(EGEMClassifier.load(path).invert(waves[2]).losses) == len(waves[2])


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(FileNotFoundError, match="there is no such model file; check"):
            load(EGEMClassifier, path)


def test_an_unwritable_path_says_what_to_do(wave_model, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for path in (tmp_path / "absent" / "m", tmp_path / "file" / "m", tmp_path):
        with pytest.raises(OSError, match="give a path in an existing folder") as caught:
            wave_model.save(path)
        assert caught.value.filename == str(path)
    assert os.listdir(tmp_path) == ["file"]


def test_a_failed_write_leaves_the_old_model_alone(wave_model, content, tmp_path):
    resource = pytest.importorskip("resource")
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal = pytest.importorskip("signal")
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(content) // 2, limits[1]))  # a full disk
        with pytest.raises(OSError, match="the model cannot be written"):
            save(wave_model, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == content
    assert os.listdir(tmp_path) == [path.name]
