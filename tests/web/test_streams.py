"""Streams over the API: a recording in a file, and live ones over a WebSocket."""

import json
from contextlib import contextmanager

import numpy as np
import pytest
from test_recordings import STEP, recording, waves
from websockets.sync.client import connect

from egem import EGEMClassifier
from helpers import QUICK, make_waves
from pens import symbols

TIMES = ("start", "end", "emitted")


@pytest.fixture
def drawer(client, two_symbols):
    """A browser whose model is one of a zigzag and a spiral."""
    client.post("/api/model", files={"file": ("m.safetensors", two_symbols)}).raise_for_status()
    return client


@pytest.fixture
def ask(served, drawer):
    """A connection of that browser, as a function from message to answer."""
    with stream_of(served, drawer) as ask:
        yield ask


@contextmanager
def stream_of(served, client):
    cookie = {"Cookie": f"egem={client.cookies['egem']}"}
    with connect(served.replace("http", "ws") + "/api/stream", additional_headers=cookie) as line:

        def ask(**message):
            line.send(json.dumps(message))
            return json.loads(line.recv())

        yield ask


def scene():
    """A zigzag, a movement to the right, and a spiral, drawn without lifting."""
    first, last = (
        0.4 * symbols(name, 5)[4] + [[x], [0.2]] for name, x in (("zigzag", 0), ("spiral", 0.6))
    )
    return np.concatenate([first, np.linspace(first[:, -1], last[:, 0], 12).T, last], axis=1)


def push(ask, x, times=None, size=1000, number=0):
    """Send a stream in blocks; returns its events."""
    found = []
    for at in range(0, x.shape[1], size):
        part = slice(at, at + size)
        message = {"id": number + at, "channels": x[:, part].tolist()}
        answer = ask(**message, times=None if times is None else times[part].tolist())
        assert answer["id"] == number + at and "error" not in answer, answer
        found += answer["events"]
    return found + ask(id=-1, end=True)["events"]


def test_both_symbols_are_found_whatever_the_blocks(ask):
    x = scene()
    times = 0.02 * np.arange(x.shape[1])
    whole = push(ask, x)
    assert [each["label"] for each in whole] == ["zigzag", "spiral"]
    for each, (start, end) in zip(whole, [(0, 27), (40, 67)], strict=True):
        assert abs(each["start"] - start) <= 6 and abs(each["end"] - end) <= 6
        assert 0 < each["probability"] <= 1 and 0 < each["p_value"] <= 1
    for size in (1, 7, 30):
        assert push(ask, x, size=size) == whole
    timed = push(ask, x, times, size=11)
    assert [[each[t] for t in TIMES] for each in timed] == [
        pytest.approx([0.02 * each[t] for t in TIMES], abs=1e-6) for each in whole
    ]


def test_what_is_under_way_goes_on_from_the_pen(ask):
    x = scene()
    assert ask(id=1, channels=x[:, :3].tolist())["under_way"] is None
    found = ask(id=2, channels=x[:, 3:22].tolist())["under_way"]
    assert found["label"] == "zigzag" and 0.5 < found["probability"] <= 1
    line = np.array(found["channels"])
    assert np.abs(line[:, 0] - x[:, 21]).max() < 0.05
    assert np.abs(line[:, -1] - x[:, 27]).max() < 0.2  # where the zigzag ends
    assert ask(id=3, channels=x[:, 22:].tolist(), end=True)["under_way"] is None


def test_a_bad_frame_gets_an_error_and_changes_nothing(ask):
    x = scene()
    whole = push(ask, x)
    found = ask(id=1, channels=x[:, :30].tolist())["events"]
    for message, says in (
        ({"id": 2, "channels": [[1.0]]}, "1 channels"),
        ({"id": 2, "channels": [[1.0], [1.0, 2.0]]}, "differ in length"),
        ({"id": 2, "channels": [[0.0], [0.0]], "times": [-1.0]}, "increase"),
        ({"id": 2, "channels": [[0.0, 1e9], [0.0, 1e9]]}, "steps"),
        ({"id": 2, "channels": [[0.0] * 501] * 2}, "500"),
        ({"id": 2, "channels": [["a"], [0.0]]}, "channels"),
        ({"id": 2, "frames": []}, "frames"),
    ):
        answer = ask(**message)
        assert answer["id"] == 2 and answer["error"]["remedy"]
        assert says in answer["error"]["problem"], answer
    found += ask(id=3, channels=x[:, 30:].tolist())["events"]
    assert found + ask(id=4, end=True)["events"] == whole


def test_streams_are_apart_and_need_a_model(served, drawer, client):
    x = scene()
    with stream_of(served, drawer) as one, stream_of(served, drawer) as other:
        one(id=1, channels=x[:, :60].tolist())
        assert other(id=1, end=True)["events"] == []
        drawer.post("/api/start", json={"with": "nothing"}).raise_for_status()
        found = one(id=2, channels=x[:, 60:].tolist(), end=True)["events"]
        assert [each["label"] for each in found] == ["spiral"]  # by the model it began with
        assert "no classes" in other(id=2, channels=x.tolist())["error"]["problem"]


@pytest.fixture
def sensor(client, tmp_path):
    """A browser whose model is one of recordings with named channels, 0.02 s apart."""
    X, y = make_waves(2)
    clf = EGEMClassifier(**QUICK).fit(X, y)
    clf.channel_names_, clf.time_step_ = ["up", "cosine"], STEP
    clf.save(tmp_path / "m.safetensors")
    content = (tmp_path / "m.safetensors").read_bytes()
    client.post("/api/model", files={"file": ("m.safetensors", content)}).raise_for_status()
    return client


def test_a_recording_is_spotted_in_its_own_units(sensor):
    X, _ = make_waves(2)
    gap = np.full((2, 15), 4.0)
    stream = np.concatenate([part for x in X[::2] for part in (gap, x)] + [gap], axis=1)
    answer = send_stream(sensor, {"noon.csv": recording(stream)}, kind="series")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["name"], found["kind"]) == ("noon", "series")
    assert found["channels"] == ["up", "cosine"] and found["step"] == pytest.approx(STEP)
    n = stream.shape[1]
    assert found["series"]["n_timepoints"] == n == len(found["series"]["channels"][0])
    assert [each["label"] for each in found["events"]] == ["down", "still", "up"]
    start = 0.0
    for each, x in zip(found["events"], X[::2], strict=True):
        start += 15 * STEP
        assert abs(each["start"] - start) <= 4 * STEP
        start += x.shape[1] * STEP
        assert abs(each["end"] - start) <= 4 * STEP and each["end"] <= each["emitted"]
    assert sensor.get("/api/state").json()["data"] is None  # it is not stored

    several = send_stream(sensor, waves(2))
    assert several.status_code == 422 and "6 recordings" in several.text
    other = send_stream(sensor, {"x.csv": b"time,a\n" + b"\n".join(b"%d,1" % i for i in range(9))})
    assert other.status_code == 422 and "channels" in other.text


def send_stream(client, files, **query):
    parts = [("files", file) for file in files.items()]
    return client.post("/api/stream", files=parts, params=query)


def test_a_recording_needs_a_model_of_recordings(client, drawer):
    answer = send_stream(drawer, {"x.csv": b"time,x,y\n0,1,2\n1,2,3\n2,3,4"})
    assert answer.status_code == 409 and "drawings" in answer.json()["error"]["problem"]
    drawer.post("/api/start", json={"with": "nothing"}).raise_for_status()
    answer = send_stream(drawer, {"x.csv": b"time,x,y\n0,1,2\n1,2,3\n2,3,4"})
    assert answer.status_code == 409 and answer.json()["error"]["remedy"]
