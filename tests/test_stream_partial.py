"""Streams: what is under way, other classes while it runs, and times in the files' unit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egem import EGEMClassifier, Spotter
from test_stream import REST, SHAPES, fitted, joined, pen, scene


def without(*labels):
    left = [label for label in SHAPES if label not in labels]
    clf = EGEMClassifier(views=("linear",), random_state=0)
    return clf.fit([SHAPES[label] for label in left], left)


@pytest.mark.parametrize("label", ["eight", "zigzag"])
def test_what_is_under_way_is_named_before_it_ends_and_goes_on_as_it_does(label):
    movement = 1.5 * SHAPES[label]
    stream, spotter = joined(REST, movement, REST), pen()
    spotter.reset()
    assert spotter.push(stream[:, :55]) == []  # seven tenths of it
    found = spotter.partial()
    assert found is not None and max(found.probabilities, key=found.probabilities.get) == label
    assert sum(found.probabilities.values()) == pytest.approx(1.0)
    assert set(found.probabilities) == set(SHAPES)
    assert abs(found.start - 20) <= 12 and 0.5 < found.share < 0.95
    np.testing.assert_allclose(found.rest[:, 0], stream[:, 54], atol=0.15)
    near = 0.3 * np.ptp(movement)
    np.testing.assert_allclose(found.rest[:, -1], stream[:, 69], atol=near)


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 175))
def test_looking_at_what_is_under_way_changes_no_event(every):
    stream, spotter = scene(), pen()
    whole = spotter.spot(stream)
    spotter.reset()
    found = []
    for i, frame in enumerate(stream.T):
        found += spotter.push(frame)
        if i % every == 0:
            spotter.partial()
    assert found + spotter.flush() == whole


def test_nothing_is_under_way_at_rest_in_noise_and_after_an_event():
    spotter = pen()
    spotter.reset()
    assert spotter.partial() is None
    spotter.push(np.zeros((2, 50)))
    assert spotter.partial() is None
    spotter.reset()
    assert len(spotter.push(scene())) == 2
    assert spotter.partial() is None
    spotter.reset()
    walk = np.cumsum(np.random.default_rng(0).normal(0, 0.3, (2, 200)), axis=1)
    spotter.push(walk)
    assert spotter.partial() is None


@pytest.mark.parametrize("cut", [76, 85])  # in the pause
def test_a_replaced_classifier_goes_on_from_the_same_frame(cut):
    stream, spotter = scene(), Spotter(fitted(), kind="pen")
    whole = spotter.spot(stream)
    spotter.reset()
    found = spotter.push(stream[:, :cut]) + spotter.replace(fitted())
    found += spotter.push(stream[:, cut:]) + spotter.flush()
    assert [e.label for e in found] == [e.label for e in whole]
    for event, other in zip(found, whole, strict=True):
        assert abs(event.start - other.start) <= 5 and abs(event.end - other.end) <= 5


def test_classes_come_and_go_while_the_stream_runs():
    stream, spotter = scene(), Spotter(without("zigzag"), kind="pen")
    first = spotter.push(stream)
    assert [e.label for e in first + spotter.replace(fitted())] == ["eight"]
    assert [e.label for e in spotter.push(stream)] == ["eight", "zigzag"]
    assert spotter.replace(without("eight")) == []
    later = spotter.push(stream)
    labels = [e.label for e in later]
    assert "zigzag" in labels and "eight" not in labels
    assert later[0].start >= 2 * stream.shape[1]  # frames are counted on


def test_a_replaced_classifier_keeps_the_distance_of_a_calibrated_bound():
    spotter = Spotter(fitted(), kind="pen")
    default = spotter.bound.score
    spotter.calibrate(np.tile(SHAPES["circle"], 20), false_alarms_per_hour=0, rate=50)
    moved = spotter.bound.score - default
    other = without("circle")
    spotter.replace(other)
    assert spotter.bound.score - Spotter(other, kind="pen").bound.score == pytest.approx(moved)


def test_a_replacement_with_other_channels_is_refused_and_changes_nothing():
    spotter = Spotter(fitted(), kind="pen")
    spotter.push(scene()[:, :50])
    before = spotter.state
    three = EGEMClassifier(views=("linear",)).fit(
        [np.eye(3).repeat(9, axis=1), np.ones((3, 9))], [0, 1]
    )
    with pytest.raises(ValueError, match="clf has 3 channels and the stream has 2"):
        spotter.replace(three)
    assert all(np.array_equal(before[n], v, equal_nan=True) for n, v in spotter.state.items())


def test_times_of_series_are_in_the_unit_of_the_models_time_step():
    rng = np.random.default_rng(0)
    t = np.linspace(0, 1, 60)
    bump = np.stack([np.sin(3 * np.pi * t), np.cos(5 * np.pi * t)])
    burst = np.stack([np.sin(9 * np.pi * t), np.sin(np.pi * t)])
    clf = EGEMClassifier(views=("linear",), random_state=0).fit([bump, burst], ["bump", "burst"])
    noise = rng.normal(0, 0.05, (2, 90))
    stream = np.concatenate([noise, bump, noise, burst, noise], axis=1)
    counted = Spotter(clf, kind="series").spot(stream)
    clf.time_step_ = 0.02
    seconds = 0.02 * np.arange(stream.shape[1])
    timed = Spotter(clf, kind="series").spot(stream, seconds)
    assert [e.label for e in counted] == [e.label for e in timed] == ["bump", "burst"]
    for a, b in zip(counted, timed, strict=True):
        np.testing.assert_allclose(0.02 * np.array(a[1:4]), b[1:4], atol=1e-6)
    assert Spotter(clf, kind="series").spot(stream) == counted  # frames, where none are given


@pytest.mark.slow
def test_memory_is_constant_over_a_million_frames():
    import resource

    spotter, stream = pen(), np.tile(scene(), 55)  # ten thousand frames
    spotter.reset()
    sizes, peaks = [], []
    for _ in range(1_000_000 // stream.shape[1] + 1):
        spotter.push(stream)
        sizes.append(sum(value.nbytes for value in spotter.state.values()))
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)  # KiB
    assert max(sizes) <= min(sizes) + 2000
    assert peaks[-1] - peaks[len(peaks) // 10] < 20_000
