"""Loading data sets by name, and splitting them."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egem import DatasetUnavailable, available_datasets, few_shot_split, load_dataset

DATA = Path(os.environ.get("EGEM_DATA_DIR", "no folder given"))


def needs(file):
    return pytest.mark.skipif(not (DATA / file).is_file(), reason=f"no {file} in EGEM_DATA_DIR")


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    """A folder of data files, empty so far; whatever else this machine has is out of sight."""
    monkeypatch.setenv("EGEM_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("AEON_DATA", str(tmp_path / "aeon"))
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "sklearn"))
    return tmp_path


@pytest.fixture
def real_folder(monkeypatch):
    monkeypatch.setenv("EGEM_DATA_DIR", str(DATA))


@pytest.mark.parametrize(
    ("name", "shape"), [("digits", (1797, 8, 8)), ("mnist-5k", (5000, 28, 28))]
)
def test_images_run_down_their_rows(name, shape):
    X, y = load_dataset(name)
    assert X.shape == shape and X.dtype == np.float32
    assert X.min() == 0 and X.max() == 1
    assert y.dtype.kind == "i" and set(y) == set(range(10))
    # a one is a vertical stroke: its ink spreads over time (rows), not over channels (columns)
    one = X[y == 1].mean(axis=0)
    assert one.sum(axis=1).std() > 2 * one.sum(axis=0).std()


@pytest.mark.parametrize(
    ("name", "n_cases", "n_channels", "n_timepoints", "n_classes"),
    [
        ("BasicMotions", 80, 6, 100, 4),
        ("GunPoint", 200, 1, 150, 2),
        ("ItalyPowerDemand", 1096, 1, 24, 2),
        ("JapaneseVowels", 640, 12, None, 9),
        ("PickupGestureWiimoteZ", 100, 1, None, 10),
        ("UnitTest", 42, 1, 24, 2),
    ],
)
def test_archive_sets_come_with_aeon(name, n_cases, n_channels, n_timepoints, n_classes):
    X, y = load_dataset(name)
    assert len(X) == len(y) == n_cases and len(set(y)) == n_classes
    assert {len(x) for x in X} == {n_channels} and {x.dtype for x in X} == {np.dtype(np.float32)}
    if n_timepoints:
        assert X.shape[2] == n_timepoints
    else:
        assert isinstance(X, list) and len({x.shape[1] for x in X}) > 1


def test_archive_labels_keep_their_capitals():
    assert set(load_dataset("BasicMotions")[1]) == {"Standing", "Running", "Walking", "Badminton"}


def test_the_whole_is_the_training_part_then_the_test_part():
    whole, parts = (
        load_dataset("GunPoint"),
        [load_dataset("GunPoint", split=s) for s in ("train", "test")],
    )
    for everything, *pieces in zip(whole, *parts, strict=True):
        np.testing.assert_array_equal(everything, np.concatenate(pieces))


def test_names_listed_can_be_loaded_without_network(own_folder):
    names = available_datasets()
    assert names[:5] == ["characters", "digits", "mnist", "mnist-5k", "pendigits"]
    for name in names[5:]:
        assert len(load_dataset(name, split="train")[0]) > 1
    assert "CharacterTrajectories" in available_datasets(archive=True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"name": "digit"}, "did you mean.* 'digits'"),
        ({"name": "gunpoint"}, "'GunPoint'"),
        ({"name": "../digits"}, "not a data set"),
        ({"name": "mnist", "split": "validation"}, "split must be 'train', 'test' or None"),
        ({"name": "digits", "split": "test"}, "few_shot_split"),
        ({"name": "GunPoint", "raw": True}, "characters and pendigits only"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments, says):
    with pytest.raises(ValueError, match=says):
        load_dataset(**arguments)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("mnist", "mnist.npz"),
        ("characters", "character_trajectories.npz"),
        ("Adiac", "Adiac_TRAIN.ts"),
        ("pendigits", "pendigits.npz"),
    ],
)
def test_out_of_reach_says_what_to_do(own_folder, monkeypatch, name, file):
    def no_network(*_, **__):
        raise socket.gaierror("no network")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    with pytest.raises(DatasetUnavailable) as caught:
        load_dataset(name)
    said = str(caught.value)
    assert repr(name) in said and file in said and "EGEM_DATA_DIR" in said
    assert name == "pendigits" or "no network" in said
    assert socket.getdefaulttimeout() is None


def test_mnist_from_a_file(own_folder):
    images = np.arange(5 * 784, dtype=np.uint8).reshape(5, 28, 28)
    y = np.array([3, 1, 4, 1, 5], np.uint8)
    np.savez(
        own_folder / "mnist.npz", x_train=images[:3], y_train=y[:3], x_test=images[3:], y_test=y[3:]
    )
    X, labels = load_dataset("mnist")
    np.testing.assert_allclose(X, images.transpose(0, 2, 1) / 255)
    assert labels.tolist() == y.tolist() and labels.dtype.kind == "i"
    assert load_dataset("mnist", split="test")[1].tolist() == [1, 5]


def make_characters(folder):
    rng = np.random.default_rng(0)
    lengths = np.array([60, 205, 120])
    X = rng.normal(size=(3, 205, 3)).astype(np.float32)
    for x, n in zip(X, lengths, strict=True):
        x[n:] = np.nan
    np.savez(
        folder / "character_trajectories.npz", X=X, lengths=lengths, y=np.array(["a", "b", "a"])
    )
    return X, lengths


def test_characters_become_standardised_positions(own_folder):
    velocities, lengths = make_characters(own_folder)
    X, y = load_dataset("characters")
    assert X.shape == (3, 2, 205) and X.dtype == np.float32 and y.tolist() == ["a", "b", "a"]
    np.testing.assert_allclose(X.mean(axis=(0, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(X.std(axis=(0, 2)), 1, rtol=1e-5)
    for x, v, n in zip(X, velocities, lengths, strict=True):
        assert (x[:, n - 1 :] == x[:, -1:]).all()
        steps, moved = np.diff(x[:, :n]), v[1:n, :2].T
        scale = (steps / moved)[:, :1]
        np.testing.assert_allclose(steps, moved * scale, rtol=1e-2, atol=1e-4)


def test_raw_characters_are_unpadded_velocities(own_folder):
    velocities, lengths = make_characters(own_folder)
    X, _ = load_dataset("characters", raw=True)
    assert [x.shape for x in X] == [(2, n) for n in lengths]
    np.testing.assert_array_equal(X[2], velocities[2, :120, :2].T)


def test_characters_from_the_archive_get_their_letters(own_folder):
    folder = own_folder / "CharacterTrajectories"
    folder.mkdir()
    header = (
        "@problemName C\n@univariate false\n@equalLength false\n@classLabel true 1 5 20\n@data\n"
    )
    (folder / "CharacterTrajectories_TRAIN.ts").write_text(
        header + "1,2:3,4:0,1:1\n1,2,1:0,1,1:2,2,2:20\n"
    )
    (folder / "CharacterTrajectories_TEST.ts").write_text(header + "0,-1:1,1:5,5:5\n")
    X, y = load_dataset("characters", raw=True)
    assert y.tolist() == ["a", "z", "e"]
    assert [x.tolist() for x in X] == [[[1, 2], [3, 4]], [[1, 2, 1], [0, 1, 1]], [[0, -1], [1, 1]]]


def test_pendigits_from_a_file(own_folder):
    X = np.arange(4 * 6 * 3, dtype=np.float32).reshape(4, 6, 3)
    split = np.array(["TEST", "TRAIN", "TRAIN", "TEST"])
    np.savez(
        own_folder / "pendigits.npz",
        X=X,
        lengths=[2, 3, 4, 5],
        y=np.array(list("0123")),
        split=split,
    )
    cases, y = load_dataset("pendigits")
    assert [x.shape for x in cases] == [(2, 3), (2, 4), (2, 2), (2, 5)] and y.tolist() == list(
        "1203"
    )
    assert [x.shape for x in load_dataset("pendigits", split="test", raw=True)[0]] == [
        (3, 2),
        (3, 5),
    ]


def test_a_damaged_file_is_named(own_folder):
    (own_folder / "mnist.npz").write_bytes(b"not a zip file")
    with pytest.raises(ValueError, match=r"mnist\.npz: cannot be read"):
        load_dataset("mnist")
    np.savez(own_folder / "mnist.npz", x_train=np.zeros(3))
    with pytest.raises(ValueError, match=r"mnist\.npz: lacks the array 'y_train'"):
        load_dataset("mnist")


@needs("character_trajectories.npz")
def test_real_characters(real_folder):
    X, y = load_dataset("characters")
    assert X.shape == (2858, 2, 205) and len(set(y)) == 20
    assert (X[:, :, -1] == X[:, :, -10]).all(axis=1).mean() > 0.5
    train, test = few_shot_split(y, k=4, seed=0)
    assert (len(train), len(test)) == (80, 565)


@needs("mnist.npz")
def test_real_mnist(real_folder):
    X, y = load_dataset("mnist", split="test")
    assert X.shape == (10000, 28, 28) and y[:5].tolist() == [7, 2, 1, 0, 4]


@needs("pendigits.npz")
def test_real_pendigits(real_folder):
    assert [len(load_dataset("pendigits", split=s)[0]) for s in ("train", "test")] == [7494, 3498]


label_lists = st.dictionaries(st.sampled_from("abcdef"), st.integers(5, 30), min_size=1).flatmap(
    lambda sizes: st.permutations([label for label, n in sizes.items() for _ in range(n)])
)


@given(label_lists, st.integers(1, 4), st.integers(0, 2**32))
def test_split_takes_a_fifth_and_k_of_each_class(y, k, seed):
    y = np.array(y)
    train, test = few_shot_split(y, k, seed)
    assert not set(train) & set(test)
    assert (np.diff(train) > 0).all() and (np.diff(test) > 0).all()
    for label in set(y):
        assert (y[train] == label).sum() == k
        assert (y[test] == label).sum() == (y == label).sum() // 5
    everything = few_shot_split(y, None, seed)
    np.testing.assert_array_equal(everything.test, test)
    assert sorted([*everything.train, *everything.test]) == list(range(len(y)))
    assert set(train) <= set(everything.train)


@given(label_lists, st.integers(1, 4), st.integers(0, 2**32))
def test_a_class_is_split_alike_in_any_company(y, k, seed):
    y = np.array(y)
    whole = few_shot_split(y, k, seed)
    for label in set(y):
        own = np.flatnonzero(y == label)
        alone = few_shot_split(y[own], k, seed)
        for part, rest in zip(whole, alone, strict=True):
            np.testing.assert_array_equal(part[y[part] == label], own[rest])


def test_splits_follow_the_seed():
    y = np.repeat(["a", "b"], 40)
    first, again, other = (few_shot_split(y, 4, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.train, again.train)
    assert set(first.train) != set(other.train) and set(first.test) != set(other.test)


@pytest.mark.parametrize(
    ("y", "k", "says"),
    [
        (["a"] * 10 + ["q"] * 3, 1, "class 'q' has 3 cases.*leave the class out"),
        ([7] * 10, 9, "class '7' has 10 cases.*lower k"),
        (["a"] * 10, 0, "k must be at least 1"),
        ([], 1, "one label per case"),
        ([["a"] * 10], 1, "one label per case"),
    ],
)
def test_too_few_cases_are_named(y, k, says):
    with pytest.raises(ValueError, match=says):
        few_shot_split(y, k, 0)


def test_importing_costs_no_heavy_packages():
    heavy = "{'aeon', 'mlxtend', 'pandas', 'sklearn', 'scipy', 'numba'}"
    program = (
        f"import sys, egem.readers.datasets, egem.readers.files; print({heavy} & set(sys.modules))"
    )
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "set()"
