"""From losses to probabilities, log odds and p-values."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import log_softmax

from egem.core.classify import cross_entropy, log_odds, p_values, probabilities

finite = st.floats(-50, 50)


@given(
    arrays(np.float64, (5, 3), elements=st.floats(0, 1e6)),
    st.floats(0.3, 100),
)
def test_probabilities_sum_to_one_and_follow_the_losses(losses, inverse_temperature):
    p = probabilities(losses, inverse_temperature)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-9)
    assert (p >= 0).all()
    for row, its in zip(losses, p, strict=True):
        ordered = its[np.argsort(row)]
        assert (np.diff(ordered) <= 1e-12).all()


@given(st.floats(1e-3, 1e3), st.floats(0.3, 30))
def test_probabilities_depend_on_ratios_only(scale, inverse_temperature):
    losses = np.array([[1.0, 2.0, 5.0]])
    expected = losses**-inverse_temperature / np.sum(losses**-inverse_temperature)
    np.testing.assert_allclose(
        probabilities(scale * losses, inverse_temperature), expected, rtol=1e-6
    )


def test_cross_entropy_is_that_of_the_probabilities():
    losses, truth = np.array([[1.0, 2.0], [3.0, 1.0]]), np.array([0, 0])
    p = probabilities(losses, 2.0)
    np.testing.assert_allclose(cross_entropy(2.0 * np.log(losses), truth), -np.log(p[:, 0]).mean())


def test_log_odds_distinguish_certain_cases():
    """Where probabilities are rounded to 1, and equal to their logarithms' difference elsewhere."""
    odds = log_odds(np.array([[0.0, 50.0, 80.0], [0.0, 60.0, 80.0]]))[:, 0]
    np.testing.assert_allclose(odds, [50.0, 60.0])
    energies = np.random.default_rng(0).normal(size=(20, 4))
    p = np.exp(log_softmax(-energies, axis=1))
    np.testing.assert_allclose(log_odds(energies), np.log(p) - np.log1p(-p), rtol=1e-9)


@given(st.lists(finite, min_size=1, max_size=40), st.lists(finite, min_size=1, max_size=40))
def test_p_values_fall_with_nonconformity_and_stay_in_range(held, new):
    p = p_values(np.sort(new), np.array(held), np.ones(len(held)))
    assert ((p > 0) & (p <= 1)).all()
    assert (np.diff(p) <= 0).all()


def test_p_values_reject_no_more_of_the_known_than_asked():
    rejected = []
    for seed in range(300):
        nonconformity = np.random.default_rng(seed).normal(size=100)
        rejected.append(
            p_values(nonconformity[:60], nonconformity[60:], np.ones(len(nonconformity) - 60))
            <= 0.1
        )
    assert 0.07 < np.mean(rejected) <= 0.105


def test_no_case_is_novel_where_none_was_held_out():
    assert (p_values(np.array([0.0, 1e6]), np.zeros(0), np.zeros(0)) == 1).all()
