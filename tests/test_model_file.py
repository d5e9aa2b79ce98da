"""Models as files: equal after a round trip; damaged and foreign files are refused."""

import os
import pickle
import struct
from copy import copy

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from egem import EGEMClassifier, LSTMDecoder, ModelFileError, Search, Training
from helpers import QUICK, make_waves, rewritten


@pytest.fixture(scope="session")
def learned_model(wave_model):
    """Ten cases a class, so that codes are learned; the scaling is given."""
    X, y = make_waves(10, seed=4)
    return EGEMClassifier(**QUICK, scaling=wave_model.preparation_).fit(X, y)


def test_a_model_of_unequal_lengths_and_text_labels_is_equal_after_loading(
    wave_model, waves, tmp_path
):
    check_round_trip(wave_model, waves[2], tmp_path)


def test_a_published_model_is_equal_after_loading(paper_model, digits, tmp_path):
    check_round_trip(paper_model, digits[2][:20], tmp_path)


def test_learned_codes_and_a_given_scaling_are_equal_after_loading(learned_model, waves, tmp_path):
    assert learned_model.model_.experts[0].codes.shape[0] == 10
    again = check_round_trip(learned_model, waves[2], tmp_path)
    np.testing.assert_array_equal(again.metric_.basis, learned_model.metric_.basis)
    np.testing.assert_array_equal(again.scaling.mean, learned_model.scaling.mean)


def test_settings_of_training_and_search_are_equal_after_loading(waves, tmp_path):
    model = EGEMClassifier(
        views=("recurrent",),
        decoder=LSTMDecoder(4),
        training=Training(n_updates=5, clip=None, checkpoint=str(tmp_path / "checkpoints")),
        search=Search(max_steps=4, bounds=(-0.1, np.inf)),
        codes=3,
        random_state=np.random.RandomState(0),
    ).fit(*waves[:2])
    model.save(tmp_path / "model")
    again = EGEMClassifier.load(tmp_path / "model")
    np.testing.assert_array_equal(again.losses(waves[2]), model.losses(waves[2]))
    assert again.training.checkpoint is None  # a folder of the machine that fitted it
    assert again.training.get_params() == model.training.get_params() | {"checkpoint": None}
    assert again.search.config() == model.search.config() == again.model_.search
    assert isinstance(again.random_state, int)


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
    np.testing.assert_array_equal(again.p_value(X), model.p_value(X))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    np.testing.assert_array_equal(again.reconstruct(X), model.reconstruct(X))
    label = model.classes_[0]
    np.testing.assert_array_equal(
        again.sample(label, n=3, random_state=1), model.sample(label, n=3, random_state=1)
    )
    np.testing.assert_array_equal(again.train_loss_, model.train_loss_)
    assert again.n_features_in_ == model.n_features_in_
    assert again.augmentation_ == model.augmentation_
    assert again.view_weights_ == model.view_weights_
    assert again.inverse_temperature_ == model.inverse_temperature_
    mine, its = model.get_params(), again.get_params()
    assert its.keys() == mine.keys()
    for name in mine.keys() - {"scaling", "training", "search"}:  # nested ones by their own names
        assert its[name] == mine[name], name
    again.save(path)
    assert (EGEMClassifier.load(path).losses(X) == before.losses).all()
    return again


@pytest.mark.parametrize(
    "labels",
    [
        np.array([0, 1, 2]),
        np.array([False, True]),
        np.array(["ä", "b c"]),
        np.array([-5, 2**40]),
        np.array([3, 7], np.uint8),
    ],
)
def test_labels_of_every_type_are_equal_after_loading(labels, tmp_path):
    X, y = make_waves(3, seed=2, labels=range(len(labels)))
    model = EGEMClassifier(views=("linear",), random_state=0).fit(X, labels[y])
    model.save(tmp_path / "model")
    again = EGEMClassifier.load(tmp_path / "model")
    assert again.classes_.dtype == model.classes_.dtype
    assert again.classes_.tolist() == sorted(labels.tolist())
    assert again.predict(X).dtype == model.predict(X).dtype


def test_a_loaded_model_can_be_fitted_again(wave_model, waves, tmp_path):
    wave_model.save(tmp_path / "m")
    again = EGEMClassifier.load(tmp_path / "m").fit(*waves[:2])
    np.testing.assert_array_equal(again.losses(waves[2]), wave_model.losses(waves[2]))


@pytest.fixture(scope="module")
def content(wave_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "model.safetensors"
    wave_model.save(path)
    return path.read_bytes()


def refuses(path, message=None):
    with pytest.raises(ModelFileError, match=message) as caught:
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
def test_a_flipped_bit_anywhere_is_refused(content, tmp_path, share, bit):
    path = tmp_path / "flipped"
    at = int(share * len(content))
    path.write_bytes(content[:at] + bytes([content[at] ^ (1 << bit)]) + content[at + 1 :])
    refuses(path)


@many
@given(at=st.integers(0, 400), byte=st.integers(0, 255))
def test_a_changed_byte_of_the_header_is_refused(content, tmp_path, at, byte):
    if content[at] == byte:
        return
    path = tmp_path / "changed"
    path.write_bytes(content[:at] + bytes([byte]) + content[at + 1 :])
    refuses(path)


def test_bytes_added_at_the_end_are_refused(content, tmp_path):
    path = tmp_path / "longer"
    path.write_bytes(content + b"\0" * 8)
    refuses(path)


def test_a_pickled_estimator_is_equal_and_does_not_grow_with_use(wave_model, waves):
    again = pickle.loads(pickle.dumps(wave_model))
    before = len(pickle.dumps(again))
    np.testing.assert_array_equal(again.losses(waves[2]), wave_model.losses(waves[2]))
    assert len(pickle.dumps(again)) == before


class Trap:
    """An object that makes a folder when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, (Trap.folder,)


def test_a_pickle_is_refused_and_never_run(tmp_path):
    Trap.folder = str(tmp_path / "made")
    path = tmp_path / "model.pickle"
    path.write_bytes(pickle.dumps(Trap()))
    refuses(path, "not a whole egem model")
    assert os.listdir(tmp_path) == ["model.pickle"]
    pickle.loads(path.read_bytes())
    assert os.path.isdir(Trap.folder)  # the trap does work


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


def test_another_format_is_refused_with_a_remedy(content, tmp_path):
    path = rewrite(content, tmp_path, lambda header, _: header.update(format=99, version="7.0"))
    refuses(path, "written by egem 7.0 in format 99.*Update egem")


def test_a_missing_file_is_named(tmp_path):
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(FileNotFoundError, match="there is no such model file; check"):
            EGEMClassifier.load(path)


def test_an_unwritable_path_is_refused_with_a_remedy(wave_model, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for path in (tmp_path / "absent" / "m", tmp_path / "file" / "m", tmp_path):
        with pytest.raises(OSError, match="give a path in an existing folder") as caught:
            wave_model.save(path)
        assert caught.value.filename == str(path)
    assert os.listdir(tmp_path) == ["file"]


def test_a_failed_write_leaves_the_old_file(wave_model, content, tmp_path):
    resource = pytest.importorskip("resource")
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal = pytest.importorskip("signal")
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(content) // 2, limits[1]))  # a full disk
        with pytest.raises(OSError, match="the model cannot be written"):
            wave_model.save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == content
    assert os.listdir(tmp_path) == [path.name]


def test_parameters_may_be_numbers_of_numpy(tmp_path):
    training = Training(n_updates=np.int64(5), learning_rate=np.float32(0.01), mixup=np.bool_(True))
    search = Search(max_steps=np.uint8(5), bounds=(np.float32(-2), np.int64(2)))
    model = EGEMClassifier(
        views=("recurrent",),
        decoder=LSTMDecoder(np.int64(4)),
        shrinkage=np.float32(0.5),
        max_steps=np.int16(8),
        metric=np.str_("whitened"),
        random_state=np.uint8(3),
        training=training,
        search=search,
    ).fit([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]], [0, 1])
    model.save(tmp_path / "m")
    loaded = EGEMClassifier.load(tmp_path / "m")
    assert loaded.shrinkage == 0.5 and loaded.training.n_updates == 5


@pytest.mark.parametrize(
    ("name", "value"),
    [("metric", "euclid"), ("shrinkage", 2), ("views", ("sound",)), ("training", 3)],
)
def test_a_parameter_set_wrong_after_fit_is_refused_at_save(wave_model, tmp_path, name, value):
    model = copy(wave_model).set_params(**{name: value})
    with pytest.raises(ValueError, match=name):
        model.save(tmp_path / "m")
    assert not (tmp_path / "m").exists()
