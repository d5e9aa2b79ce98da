"""The choice of the metric by leaving cases out."""

import numpy as np
import pytest

from egem.calibration.folds import held_out
from egem.calibration.held_out import held_out_losses
from egem.calibration.metric_choice import SHRINKAGES, choose_metric
from egem.calibration.scatter import class_scatter
from egem.data.preparation import Batch
from egem.views.linear import fit_linear_expert
from egem.views.linear_losses import LinearMetric, log_losses
from labelled import CHANNELS, CLASSES, STEPS, P, make_batch


def test_held_out_cases_are_scored_by_experts_of_the_rest():
    batch = make_batch(CLASSES)
    folds = held_out(CLASSES)
    losses, truth = held_out_losses(batch, CLASSES, folds, [LinearMetric(0.3, 1.0, 1.0)])
    held = np.concatenate([np.flatnonzero(fold) for fold in folds])
    np.testing.assert_array_equal(truth, CLASSES[held])
    rest = folds[0]
    scatter = class_scatter(batch[~rest], CLASSES[~rest])
    experts = [(fit_linear_expert(batch[~rest][CLASSES[~rest] == c]),) for c in range(3)]
    expected = log_losses(scatter, experts, batch[rest], [LinearMetric(0.3, 1.0, 1.0)])
    np.testing.assert_allclose(losses[:, : rest.sum()], expected)


def test_the_shrinkage_is_an_average_that_many_cases_draw_to_the_best_of_the_grid():
    for n in (3, 60):
        batch, classes = with_nuisance(np.repeat(np.arange(8), n))
        choice = choose_metric(batch, classes, "whitened")
        fixed = [choose_metric(batch, classes, "whitened", s) for s in SHRINKAGES]
        assert [f.metric.shrinkage for f in fixed] == list(SHRINKAGES)
        entropies = np.array([f.cross_entropy for f in fixed])
        assert min(SHRINKAGES) <= choice.metric.shrinkage < max(SHRINKAGES)
        # As good as the best, up to what so many held-out cases can show.
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


def test_well_separated_classes_get_a_higher_inverse_temperature():
    noisy, separated = (
        choose_metric(make_batch(CLASSES, noise=noise), CLASSES, "mse").inverse_temperature
        for noise in (3.0, 1.2)
    )
    assert noisy < separated


@pytest.mark.parametrize("metric", ["whitened", "mse"])
def test_the_noise_is_small_where_a_class_explains_its_members(metric):
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


@pytest.mark.parametrize("classes", [np.arange(3), np.zeros(4, int)])
def test_where_nothing_can_be_held_out_there_is_a_default(classes):
    for metric in ("whitened", "mse"):
        choice = choose_metric(make_batch(classes), classes, metric)
        assert np.isnan(choice.cross_entropy)
        assert choice.inverse_temperature > 0 and choice.metric.floor > 0


def test_the_choice_survives_missing_values():
    batch = make_batch(CLASSES, missing=0.4)
    choice = choose_metric(batch, CLASSES, "whitened")
    assert np.isfinite(choice.cross_entropy)
    assert choice.cross_entropy < np.log(3)  # better than guessing
