"""Hulls against explicit least squares, probabilities, and choices by leaving cases out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from egem.calibration.folds import held_out
from egem.calibration.temperature import (
    SHARPNESSES,
    SHRINKAGES,
    choose_metric,
    held_out_losses,
    probabilities,
    scatter_of,
    surprise,
)
from egem.data.preparation import Batch
from egem.ensemble.linear import Candidate, hull, log_losses
from egem.ensemble.metric import class_scatter, whitened

STEPS, CHANNELS = 6, 2
P = STEPS * CHANNELS


def make_batch(classes, seed=0, missing=0.0, noise=None):
    """Class means far apart; members differ by ``noise`` a value."""
    rng = np.random.default_rng(seed)
    means = np.random.default_rng(99).normal(size=(classes.max() + 1, STEPS, CHANNELS))
    noise = 0.5 if noise is None else noise
    values = means[classes] + noise * rng.normal(size=(len(classes), STEPS, CHANNELS))
    mask = rng.random(values.shape) >= missing
    mask[:, 0] = True
    return Batch(np.where(mask, values, 0).astype(np.float32), mask)


CLASSES = np.repeat([0, 1, 2], 4)


@given(
    arrays(np.float64, (5, 3), elements=st.floats(0, 1e6)),
    st.floats(0.3, 100),
)
def test_probabilities_sum_to_one_and_follow_the_losses(losses, sharpness):
    p = probabilities(losses, sharpness)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-9)
    assert (p >= 0).all()
    for row, its in zip(losses, p, strict=True):
        ordered = its[np.argsort(row)]
        assert (np.diff(ordered) <= 1e-12).all()


@given(st.floats(1e-3, 1e3), st.floats(0.3, 30))
def test_probabilities_heed_only_ratios(scale, sharpness):
    losses = np.array([[1.0, 2.0, 5.0]])
    expected = losses**-sharpness / np.sum(losses**-sharpness)
    np.testing.assert_allclose(probabilities(scale * losses, sharpness), expected, rtol=1e-6)


def test_surprise_is_that_of_the_probabilities():
    losses, truth = np.array([[1.0, 2.0], [3.0, 1.0]]), np.array([0, 0])
    p = probabilities(losses, 2.0)
    np.testing.assert_allclose(surprise(2.0 * np.log(losses), truth), -np.log(p[:, 0]).mean())


def test_held_out_cases_are_measured_without_themselves():
    batch = make_batch(CLASSES)
    folds = held_out(CLASSES)
    losses, truth = held_out_losses(batch, CLASSES, folds, [Candidate(0.3, 1.0, 1.0)])
    held = np.concatenate([np.flatnonzero(fold) for fold in folds])
    np.testing.assert_array_equal(truth, CLASSES[held])
    rest = folds[0]
    scatter = class_scatter(batch[~rest], CLASSES[~rest])
    hulls = [(hull(batch[~rest][CLASSES[~rest] == c]),) for c in range(3)]
    expected = log_losses(scatter, hulls, batch[rest], [Candidate(0.3, 1.0, 1.0)])
    np.testing.assert_allclose(losses[:, : rest.sum()], expected)


def test_a_metric_gives_its_scatter_back():
    batch = make_batch(CLASSES)
    scatter = class_scatter(batch, CLASSES)
    metric = whitened(scatter, P, 0.3)
    again = whitened(scatter_of(metric), P, 0.3)
    np.testing.assert_allclose(
        again.basis @ again.basis.T, metric.basis @ metric.basis.T, atol=1e-5
    )
    np.testing.assert_allclose(again.floor, metric.floor, rtol=1e-6)


@given(st.lists(st.integers(1, 12), min_size=1, max_size=4))
def test_held_out_hold_out_every_case_once_but_never_a_class(sizes):
    classes = np.repeat(np.arange(len(sizes)), sizes)
    folds = held_out(classes)
    if max(sizes) < 2:
        assert folds == []
        return
    alone = np.isin(classes, np.flatnonzero(np.array(sizes) == 1))
    np.testing.assert_array_equal(np.sum(folds, axis=0), ~alone)
    for held in folds:
        assert held.any() and set(classes[~held]) == set(classes)
    assert len(folds) <= 5


def test_the_shrinkage_is_an_average_that_many_cases_draw_to_the_best_of_the_grid():
    for n in (3, 60):
        batch, classes = with_nuisance(np.repeat(np.arange(8), n))
        choice = choose_metric(batch, classes, "whitened")
        fixed = [choose_metric(batch, classes, "whitened", s) for s in SHRINKAGES]
        assert [f.metric.shrinkage for f in fixed] == list(SHRINKAGES)
        entropies = np.array([f.cross_entropy for f in fixed])
        assert min(SHRINKAGES) <= choice.metric.shrinkage < max(SHRINKAGES)
        # As good as the best, up to what so many held-out cases can tell.
        assert entropies.min() - 0.01 < choice.cross_entropy < entropies.min() + 1 / len(classes)
        assert choice.cross_entropy < entropies.max()


def with_nuisance(classes):
    """Members that differ a lot, but in half of the directions."""
    rng = np.random.default_rng(0)
    means = rng.normal(size=(classes.max() + 1, P))
    nuisance = rng.normal(size=(6, P))
    values = means[classes] + 3 * rng.normal(size=(len(classes), 6)) @ nuisance
    values += 0.3 * rng.normal(size=(len(classes), P))
    values = values.reshape(-1, STEPS, CHANNELS).astype(np.float32)
    return Batch(values, np.ones(values.shape, bool)), classes


def test_correlated_differences_are_worth_whitening():
    batch, classes = with_nuisance(np.repeat(np.arange(8), 3))
    chosen = choose_metric(batch, classes, "whitened")
    plain = choose_metric(batch, classes, "mse")
    assert chosen.metric.shrinkage <= 0.5
    assert chosen.cross_entropy < plain.cross_entropy


def test_neat_data_get_sharper_probabilities():
    noisy, neat = (
        choose_metric(make_batch(CLASSES, noise=noise), CLASSES, "mse").sharpness
        for noise in (3.0, 1.2)
    )
    assert noisy < neat


@pytest.mark.parametrize("metric", ["whitened", "mse"])
def test_codes_are_freer_where_a_class_explains_its_members(metric):
    """A class's cases on a line are explained by two of them; scattered ones are not."""
    rng = np.random.default_rng(0)
    classes = np.repeat([0, 1, 2], 8)
    means, along = rng.normal(size=(2, 3, P))
    places = rng.normal(size=len(classes))
    on_a_line = means[classes] + places[:, None] * along[classes]
    scattered = means[classes] + rng.normal(size=(len(classes), P))

    def noise(values):
        values = values.reshape(-1, STEPS, CHANNELS).astype(np.float32)
        batch = Batch(values, np.ones(values.shape, bool))
        unit = class_scatter(batch, classes).mean_variance if metric == "mse" else 1.0
        return choose_metric(batch, classes, metric).metric.noise / unit

    assert 0 < noise(on_a_line) < 0.5 * noise(scattered)
    assert noise(scattered) < 1.0


def test_a_given_metric_stays_as_it_is():
    batch = make_batch(CLASSES)
    given = whitened(class_scatter(batch, CLASSES), P, 0.37)
    choice = choose_metric(make_batch(CLASSES, 5), CLASSES, given)
    assert choice.metric is given and choice.sharpness in SHARPNESSES


@pytest.mark.parametrize("classes", [np.arange(3), np.zeros(4, int)])
def test_where_nothing_can_be_held_out_there_is_a_default(classes):
    for metric in ("whitened", "mse"):
        choice = choose_metric(make_batch(classes), classes, metric)
        assert np.isnan(choice.cross_entropy)
        assert choice.sharpness > 0 and choice.metric.floor > 0


def test_the_choice_survives_missing_values():
    batch = make_batch(CLASSES, missing=0.4)
    choice = choose_metric(batch, CLASSES, "whitened")
    assert np.isfinite(choice.cross_entropy)
    assert choice.cross_entropy < np.log(3)  # better than guessing
