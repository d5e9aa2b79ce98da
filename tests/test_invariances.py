"""Invariances: batch, order, padding, threads, types; `make invariances` tries many more examples.

Among the cases are prefixes and cases with gaps.
"""

from copy import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egem import EGEMClassifier, LSTMDecoder, Training
from helpers import make_waves

N = 20
ALIKE = {"rtol": 1e-5, "atol": 1e-5}  # sums of float32, in another order
some = st.lists(st.integers(0, N - 1), min_size=1, max_size=40)


@pytest.fixture(scope="module")
def model():
    settings = {"decoder": LSTMDecoder(4), "training": Training(n_updates=60), "random_state": 0}
    clf = EGEMClassifier(**settings, align="start", augment="none")
    return clf.fit(*make_waves(3, seed=0))


@pytest.fixture(scope="module")
def cases():
    """Cases in single precision: whole ones, prefixes, and ones with gaps."""
    X, _ = make_waves(7, seed=5)
    rng = np.random.default_rng(6)
    made = []
    for i, x in enumerate(X[:N]):
        x = x[:, : x.shape[1] if i % 3 else 8].astype(np.float32)
        if i % 4 == 0:
            x[rng.random(x.shape) < 0.2] = np.nan
            x[:, [0, -1]] = 1.0
        made.append(x)
    return made


@pytest.fixture(scope="module")
def losses(model, cases):
    return model.losses(cases)


@given(index=some)
def test_losses_do_not_depend_on_the_batch_and_its_order(model, cases, losses, index):
    np.testing.assert_allclose(model.losses([cases[i] for i in index]), losses[index], **ALIKE)


@given(index=some)
def test_predictions_do_not_depend_on_the_batch(model, cases, index):
    alone = [model.predict([cases[i]])[0] for i in index[:3]]
    assert model.predict([cases[i] for i in index])[:3].tolist() == alone


@given(index=some, more=st.integers(0, 30))
def test_padding_with_nan_changes_nothing(model, cases, losses, index, more):
    longest = max(cases[i].shape[1] for i in index) + more
    padded = np.full((len(index), 2, longest), np.nan)
    for row, i in zip(padded, index, strict=True):
        row[:, : cases[i].shape[1]] = cases[i]
    np.testing.assert_allclose(model.losses(padded), losses[index], **ALIKE)


@given(index=some, n_jobs=st.sampled_from([1, 2, 3, 4, -1, None]))
def test_the_number_of_threads_changes_nothing(model, cases, losses, index, n_jobs):
    before = model.n_jobs
    try:
        model.set_params(n_jobs=n_jobs)
        np.testing.assert_allclose(model.losses([cases[i] for i in index]), losses[index], **ALIKE)
    finally:
        model.set_params(n_jobs=before)


@given(index=some, order=st.permutations(["down", "still", "up"]))
def test_the_names_of_classes_and_their_order_change_nothing(model, cases, losses, index, order):
    other = copy(model)
    names = dict(zip(model.classes_.tolist(), order, strict=True))
    for name in model.classes_.tolist():
        other.rename_class(name, f"new {names[name]}")
    mine = [model.classes_.tolist().index(old) for old, _ in sorted(names.items(), key=_name)]
    assert other.classes_.tolist() == sorted(f"new {name}" for name in order)
    found = other.losses([cases[i] for i in index])
    np.testing.assert_allclose(found, losses[index][:, mine], **ALIKE)


def _name(pair):
    return pair[1]


@given(
    index=some,
    dtype=st.sampled_from([np.float64, np.float32, np.float16, np.int64, np.int32, np.int8, list]),
)
def test_the_type_of_the_values_changes_nothing(model, cases, index, dtype):
    whole = [np.nan_to_num(np.round(cases[i])) for i in index]
    whole = [np.clip(x, -100, 100) for x in whole]  # what all of the types can hold
    expected = model.losses([x.astype(np.float64) for x in whole])
    other = [x.tolist() if dtype is list else x.astype(dtype) for x in whole]
    if dtype is list and len({len(x[0]) for x in other}) > 1:
        other = [np.array(x) for x in other]
    np.testing.assert_allclose(model.losses(other), expected, **ALIKE)


@given(order=st.permutations(range(6)), names=st.permutations(["a", "b", "c"]))
def test_the_order_of_training_cases_and_classes_changes_nothing(order, names):
    X, y = make_waves(2, seed=8, labels=names)
    few = {
        "views": ("recurrent",),
        "decoder": LSTMDecoder(4),
        "training": Training(n_updates=2),
        "random_state": 0,
        "align": "start",
    }
    one = EGEMClassifier(**few).fit(X, y)
    other = EGEMClassifier(**few).fit([X[i] for i in order], y[order])
    np.testing.assert_allclose(other.losses(X), one.losses(X), **ALIKE)
