"""Convolution features against plain loops, and their tolerance of shifts, gaps and lengths."""

import numpy as np
import pytest

from egem.runtime import native
from egem.views.features import KERNELS, N_THRESHOLDS, fit_convolutions, proportions_above


def bumps(n, length=60, n_channels=2, seed=0):
    """Smooth random sequences."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(n, n_channels, length)).cumsum(axis=2)
    return [case.astype(float) for case in steps]


@pytest.fixture(scope="module")
def fitted():
    return fit_convolutions(bumps(12), "time", False, np.random.default_rng(0), 1)


@pytest.mark.parametrize("jax", [False, True])
def test_shares_are_those_of_a_plain_loop(fitted, monkeypatch, jax):
    values, lengths = fitted.layout.apply(
        [case[:, : 60 - 7 * i] for i, case in enumerate(bumps(3, seed=1))]
    )
    bank = fitted.banks[0]
    if jax:
        monkeypatch.setattr(native, "KERNEL", None)
    found = proportions_above(values, lengths, bank)
    rng = np.random.default_rng(2)
    for _ in range(200):
        i, d, k, b = (int(rng.integers(n)) for n in found.shape)
        dilation, length = bank.dilations[d], lengths[i]
        summed = (bank.channels[d, k][:, None] * values[i]).sum(axis=0)

        def response(t, summed=summed, k=k, dilation=dilation):
            taps = [t + dilation * (j - 4) for j in range(9)]
            return sum(
                w * summed[at] for w, at in zip(KERNELS[k], taps, strict=True) if 0 <= at < 60
            )

        times = range(length)
        inner = [t for t in times if 4 * dilation <= t < length - 4 * dilation]
        used = inner if k % 2 and inner else times
        above = np.mean([response(t) > bank.thresholds[d, k, b] for t in used])
        np.testing.assert_allclose(found[i, d, k, b], above, atol=1.5 / len(used))


def test_a_case_is_represented_alike_among_any_others(fitted):
    cases = bumps(70, seed=3)
    whole = fitted.transform(cases, 1)
    np.testing.assert_allclose(fitted.transform(cases[40:41], 1), whole[40:41], atol=1e-4)
    np.testing.assert_allclose(fitted.transform(cases[::-1], 2), whole[::-1], atol=1e-4)


def test_no_length_is_lost_by_the_projection(fitted):
    """A case's distance from the span is what the directions do not hold; that of training is 0."""
    seen, unseen = (fitted.transform(cases, 1) for cases in (bumps(12), bumps(5, seed=9)))
    np.testing.assert_array_equal(seen[:, -1], 0.0)
    assert (unseen[:, -1] > 0.1 * np.linalg.norm(unseen, axis=1)).all()
    every = fit_convolutions(bumps(12) + bumps(5, seed=9), "time", False, np.random.default_rng(0))
    assert (every.transform(bumps(5, seed=9), 1)[:, -1] == 0).all()


def test_a_shift_changes_features_less_than_values():
    """A pulse that comes later is another sequence, but hardly other features."""
    time = np.arange(200)
    pulses = [
        np.exp(-0.5 * ((time - at) / width) ** 2)[None] for at in (60, 90) for width in (3, 6)
    ]
    features = fit_convolutions(pulses, "time", False, np.random.default_rng(0), 1).transform(
        pulses
    )
    values = np.concatenate(pulses)

    def apart(x, i, j):
        return np.linalg.norm(x[i] - x[j])

    early, early_wide, late = 0, 1, 2
    assert apart(values, early, late) > apart(values, early, early_wide)
    assert apart(features, early, late) < 0.5 * apart(features, early, early_wide)


def test_gaps_are_filled_and_lengths_may_differ(fitted):
    case = bumps(1, seed=4)[0]
    holes = case.copy()
    holes[:, 20:22] = np.nan
    with_holes, short, empty = fitted.transform([holes, case[:, :5], case * np.nan], 1)
    whole = fitted.transform([case], 1)[0]
    assert np.isfinite([with_holes, short, empty]).all()
    assert np.linalg.norm(with_holes - whole) < 0.3 * np.linalg.norm(whole)


def test_the_same_seed_gives_the_same_features():
    cases = bumps(12)
    first, second = (
        fit_convolutions(cases, "time", False, np.random.default_rng(5), 1) for _ in "ab"
    )
    np.testing.assert_array_equal(first.transform(cases), second.transform(cases))
    assert first.banks[0].thresholds.shape[1:] == (len(KERNELS), N_THRESHOLDS)


def test_images_are_represented_along_their_columns():
    rng = np.random.default_rng(0)
    pictures = [rng.random((8, 10)) for _ in range(6)]
    turned = [picture.T for picture in pictures]
    across = fit_convolutions(pictures, "channels", True, np.random.default_rng(1), 1)
    along = fit_convolutions(turned, "time", True, np.random.default_rng(1), 1)
    np.testing.assert_allclose(across.transform(pictures), along.transform(turned), atol=1e-4)
