"""Streams: events are found live, and however the stream is pushed."""

from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egem import EGEMClassifier, Spotter, normalise

T = np.linspace(0, 2 * np.pi, 50)
SHAPES = {
    "eight": np.stack([np.sin(T), np.sin(2 * T)]),
    "circle": np.stack([np.cos(T), np.sin(T)]),
    "zigzag": np.stack([np.linspace(0, 3, 50), np.abs((np.linspace(0, 4, 50) % 2) - 1)]),
}


@cache
def fitted():
    X = [*SHAPES.values()]
    return EGEMClassifier(views=("linear",), random_state=0).fit(X, list(SHAPES))


@cache
def pen():
    return Spotter(fitted(), kind="pen")


def joined(*movements):
    """Lay movements one after the other, each from where the one before ended."""
    parts, at = [], np.zeros((2, 1))
    for x in movements:
        parts.append(x - x[:, :1] + at)
        at = parts[-1][:, -1:]
    return np.concatenate(parts, axis=1)


REST = np.zeros((2, 20))


def scene(seed=0):
    """An eight, then a zigzag, larger, slower and a little trembling, with pauses."""
    rng = np.random.default_rng(seed)
    slow = np.stack([np.interp(np.arange(0, 49, 0.7), np.arange(50), c) for c in SHAPES["zigzag"]])
    x = joined(REST, SHAPES["eight"], REST, 1.6 * slow, REST)
    return x + rng.normal(0, 0.004, x.shape)


def test_events_are_found_with_their_spans_soon_after_their_end():
    found = pen().spot(scene())
    assert [e.label for e in found] == ["eight", "zigzag"]
    for event, (start, end) in zip(found, [(20, 69), (90, 159)], strict=True):
        assert abs(event.start - start) <= 12 and abs(event.end - end) <= 12
        assert end - 12 <= event.emitted <= end + 15
        assert 0 < event.p_value <= 1 and event.probability > 0.4


@settings(deadline=None, max_examples=10)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=6))
def test_the_sizes_of_blocks_change_nothing(sizes):
    stream, spotter, found, at = scene(), pen(), [], 0
    whole = spotter.spot(stream)
    spotter.reset()
    for size in sizes:
        found += spotter.push(stream[:, at : at + size])
        at += size
    for frame in stream[:, at:].T:
        found += spotter.push(frame)
    assert found + spotter.flush() == whole


@settings(deadline=None, max_examples=5)
@given(st.integers(1, 178))
def test_a_restart_from_a_saved_state_changes_nothing(cut):
    stream = scene()
    spotter = pen()
    whole = spotter.spot(stream)
    spotter.reset()
    found = spotter.push(stream[:, :cut])
    file = BytesIO()
    arrays: dict[str, Any] = dict(spotter.state)
    np.savez(file, **arrays)
    file.seek(0)
    with np.load(file, allow_pickle=False) as state:
        other = Spotter.from_state(fitted(), dict(state), kind="pen")
    assert found + other.push(stream[:, cut:]) + other.flush() == whole


def test_a_state_of_another_classifier_is_refused():
    two = EGEMClassifier(views=("linear",)).fit(list(SHAPES.values())[:2], ["a", "b"])
    with pytest.raises(ValueError, match="give the classifier and kind it was saved with"):
        Spotter.from_state(two, pen().state, kind="pen")


def test_a_shift_in_time_shifts_events():
    early = pen().spot(scene())
    late = pen().spot(scene(), times=np.arange(scene().shape[1]) + 1000.0)
    assert [e.label for e in late] == [e.label for e in early]
    assert [(e.start, e.end, e.emitted) for e in late] == [
        (e.start + 1000, e.end + 1000, e.emitted + 1000) for e in early
    ]


def test_dropped_frames_and_nan_do_not_hide_events():
    stream = scene()
    gappy = np.array(stream)
    gappy[0, ::7] = np.nan
    times = np.delete(np.arange(stream.shape[1]), np.s_[3::9])
    expected = ["eight", "zigzag"]
    assert [e.label for e in pen().spot(gappy)] == expected
    assert [e.label for e in pen().spot(stream[:, times], times)] == expected


@pytest.mark.parametrize("pace", [0.5, 2.0])
def test_other_frame_rates_find_the_same(pace):
    stream = scene()
    at = np.arange(0, stream.shape[1] - 1, 1 / pace)
    other = np.stack([np.interp(at, np.arange(stream.shape[1]), row) for row in stream])
    assert [e.label for e in pen().spot(other)] == ["eight", "zigzag"]


def test_nothing_happens_in_silence():
    spotter = pen()
    assert spotter.spot(np.zeros((2, 200))) == []
    assert spotter.spot(np.full((2, 50), np.nan)) == []
    assert spotter.spot(np.random.default_rng(0).normal(0, 0.01, (2, 500))) == []


def test_unknown_movement_is_no_event():
    rng = np.random.default_rng(1)
    wander = np.cumsum(np.cumsum(rng.normal(0, 0.01, (2, 1500)), axis=1) * 0.1, axis=1)
    assert pen().spot(wander) == []


def test_the_state_does_not_grow():
    spotter, sizes = pen(), []
    spotter.reset()
    for _ in range(4):
        for _ in range(4):
            spotter.push(scene())
        sizes.append(sum(value.nbytes for value in spotter.state.values()))
    assert max(sizes) <= sizes[0] + 200


def test_series_are_found_in_noise_and_drift():
    rng = np.random.default_rng(0)
    t = np.linspace(0, 1, 60)
    bump = np.stack([np.sin(3 * np.pi * t), np.cos(5 * np.pi * t), t - t**2])
    burst = np.stack([np.sin(9 * np.pi * t), np.sin(np.pi * t), np.cos(7 * np.pi * t)])
    X = [x + rng.normal(0, 0.05, x.shape) for x in (bump, bump, burst, burst)]
    clf = EGEMClassifier(views=("linear",), random_state=0).fit(
        X, ["bump", "bump", "burst", "burst"]
    )
    noise = [rng.normal(0, 0.05, (3, 90)) for _ in range(3)]
    stream = np.concatenate([noise[0], X[0], noise[1], X[2], noise[2]], axis=1)
    stream += np.linspace(0, 0.1, stream.shape[1])
    found = Spotter(clf, kind="series").spot(stream + rng.normal(0, 0.02, stream.shape))
    assert [e.label for e in found] == ["bump", "burst"]
    assert abs(found[0].start - 90) < 12 and abs(found[1].end - 299) < 12


def test_background_sets_the_bound():
    spotter = Spotter(fitted(), kind="pen")
    loops = np.tile(SHAPES["circle"], 20)
    before = len(spotter.spot(loops))
    spotter.calibrate(loops, false_alarms_per_hour=0, rate=50)
    assert before > 0 and spotter.spot(loops) == []
    with pytest.raises(ValueError, match="give either times or rate"):
        spotter.calibrate(loops)


@pytest.mark.parametrize(
    ("frames", "times", "message"),
    [
        (np.zeros((3, 4)), None, "have 2 channels"),
        (np.array([0.0, np.inf]), None, "infinite value"),
        (np.zeros((2, 2)), [1.0, 1.0], "numbers that increase"),
    ],
)
def test_bad_frames_are_refused(frames, times, message):
    spotter = pen()
    spotter.reset()
    with pytest.raises(ValueError, match=message):
        spotter.push(frames, times)


def test_the_normal_form_leaves_out_place_size_and_pace():
    x = SHAPES["eight"]
    slow = np.stack([np.interp(np.linspace(0, 1, 120) ** 1.5 * 49, np.arange(50), c) for c in x])
    np.testing.assert_allclose(normalise(3 * slow + 7, "pen"), normalise(x, "pen"), atol=4e-3)
    np.testing.assert_allclose(normalise(x + 7, "motion"), normalise(x, "motion"), atol=1e-9)
    with pytest.raises(ValueError, match="does not move"):
        normalise(np.zeros((2, 5)), "pen")
    with pytest.raises(ValueError, match="kind must be one of"):
        normalise(x, "pencil")  # type: ignore[arg-type]


def test_commands_spot_recorded_and_live_streams(tmp_path):
    import json

    from typer.testing import CliRunner

    from egem.apps.cli import app

    model, stream = tmp_path / "model.safetensors", tmp_path / "stream.npz"
    fitted().save(model)
    np.savez(stream, X=scene()[None])
    run = CliRunner().invoke(app, ["spot", str(model), str(stream), "--kind", "pen"])
    assert run.exit_code == 0, run.output
    head, *rows = run.stdout.splitlines()
    assert head.startswith("case,label,start,end")
    assert [row.split(",")[1] for row in rows] == ["eight", "zigzag"]
    lines = "\n".join(f"{x:.6f},{y:.6f}" for x, y in scene().T)
    run = CliRunner().invoke(app, ["live", str(model), "--kind", "pen"], input=lines)
    assert [json.loads(line)["label"] for line in run.stdout.splitlines()] == ["eight", "zigzag"]
    run = CliRunner().invoke(app, ["live", str(model), "--kind", "pen"], input="1,2,3\n")
    assert run.exit_code == 1 and "line 1 has 3 fields; give 2" in run.stderr
