"""A browser's way through the API of the real server."""

import json

import httpx
import numpy as np
import pytest
from websockets.sync.client import connect

from egem import EGEMClassifier, load_dataset
from egem.readers.sources import own_file
from pens import letters, stroke_of, symbols
from serving import PATIENCE, settled


def train(client, label, movements):
    body = {"label": label, "strokes": [stroke_of(m) for m in movements]}
    answer = client.post("/api/train", json=body)
    assert answer.status_code == 202, answer.text
    assert answer.json()["busy"]["label"] == label
    state = settled(client)
    assert state["failure"] is None, state["failure"]
    return state


@pytest.fixture(scope="module")
def trained(served):
    """A browser that has trained two symbols, one of them in two steps."""
    with httpx.Client(base_url=served, timeout=PATIENCE) as client:
        client.get("/api/state")
        train(client, "zigzag", symbols("zigzag", 4))
        train(client, "spiral", symbols("spiral", 2))
        train(client, "spiral", symbols("spiral", 2, skip=2))
        yield client


def labels(state):
    return [known["label"] for known in state["classes"]]


def test_a_browser_begins_with_nothing(client):
    state = client.get("/api/state").json()
    assert state["classes"] == [] and state["kind"] is None and not state["can_undo"]
    assert (
        client.post("/api/classify", json={"stroke": stroke_of(symbols("zigzag", 1)[0])}).json()[
            "ranking"
        ]
        == []
    )
    assert client.get("/api/confusions").json() == {"labels": [], "matrix": [], "pairs": []}
    assert client.get("/api/model").status_code == 404
    assert client.get("/api/classes/x/cases").status_code == 404


def test_what_was_trained_is_recognised(trained):
    state = trained.get("/api/state").json()
    assert labels(state) == ["spiral", "zigzag"] and state["kind"] == "strokes"
    assert [known["n_cases"] for known in state["classes"]] == [4, 4]
    assert state["last_change"] == "adding drawings to spiral" and state["version"] == 3
    right = [
        trained.post("/api/classify", json={"stroke": stroke_of(m)}).json()["ranking"][0]["label"]
        == name
        for name in ("spiral", "zigzag")
        for m in symbols(name, 14)[4:]
    ]
    assert sum(right) >= 16


def test_other_browsers_see_nothing_of_it(trained, client):
    assert client.get("/api/state").json()["classes"] == []
    assert len(trained.get("/api/state").json()["classes"]) == 2


def test_the_live_line_answers_while_the_stroke_grows(trained, served):
    cookie = f"egem={trained.cookies['egem']}"
    movement = symbols("zigzag", 5)[4]
    with connect(
        served.replace("http", "ws") + "/api/live", additional_headers={"Cookie": cookie}
    ) as line:
        for number, share in enumerate((0.05, 0.3, 0.6, 1.0)):
            line.send(
                json.dumps({"id": number, "stroke": stroke_of(movement, share), "done": share == 1})
            )
            answer = json.loads(line.recv())
            assert answer["id"] == number and answer["done"] is (share == 1)
        assert answer["ranking"][0]["label"] == "zigzag" and answer["heat"] and answer["neighbours"]
        # Of many questions at once the first and the last are answered, and of the others few;
        # unless they come slowly, on a machine that is busy.
        for _ in range(10):
            for number in range(100, 140):
                line.send(json.dumps({"id": number, "stroke": stroke_of(movement), "done": False}))
            answered = []
            while not answered or answered[-1] != 139:
                answered.append(json.loads(line.recv())["id"])
            assert answered == sorted(answered)
            if len(answered) < 40:
                break
        assert len(answered) < 40
        for words, number in (("[", None), ('{"id": 7}', 7), ("null", None), ('{"id": "x"}', None)):
            line.send(words)
            answer = json.loads(line.recv())
            assert answer["id"] == number and answer["error"]["remedy"]
        line.send(b"\x00\x01")
        assert "error" in json.loads(line.recv())
        line.send(json.dumps({"id": 1, "stroke": stroke_of(movement), "done": True}))
        assert json.loads(line.recv())["id"] == 1


def test_inside_a_class(trained):
    cases = trained.get("/api/classes/spiral/cases").json()["cases"]
    assert len(cases) == 4
    assert all(0 <= v <= 1 for case in cases for v in (*case["x"], *case["y"]))
    codes = trained.get("/api/classes/spiral/codes").json()
    assert [point["case"] for point in codes["points"]] == [0, 1, 2, 3]
    assert codes["centre"] == [0.0, 0.0]
    for axis, direction in enumerate(codes["directions"]):
        places = [point["at"][axis] for point in codes["points"]]
        assert direction["low"] < min(places) and max(places) < direction["high"]
    at = [point["at"] for point in codes["points"]]
    imagined = trained.post("/api/classes/spiral/imagine", json={"at": at}).json()["imagined"]
    for case, made in zip(cases, imagined, strict=True):
        ink, drawn = (np.array([each["x"], each["y"]]) for each in (case, made))
        nearest = np.hypot(*(drawn[:, :, None] - ink[:, None, :])).min(axis=1)
        assert nearest.mean() < 0.08  # two of three directions of four cases
    far = trained.post("/api/classes/spiral/imagine", json={"at": [[1e300, -1e300]]})
    assert far.status_code == 200 and np.isfinite(far.json()["imagined"][0]["x"]).all()


def test_confusions_count_every_training_case(trained):
    answer = trained.get("/api/confusions").json()
    assert answer["labels"] == ["spiral", "zigzag"]
    assert np.sum(answer["matrix"], axis=1).tolist() == [4, 4]
    wrong = np.sum(answer["matrix"]) - np.trace(answer["matrix"])
    assert len(answer["pairs"]) == wrong


def test_a_model_goes_out_and_comes_in_elsewhere(trained, client, tmp_path):
    content = trained.get("/api/model").content
    file = tmp_path / "model.safetensors"
    file.write_bytes(content)
    assert EGEMClassifier.load(file).classes_.tolist() == ["spiral", "zigzag"]
    state = client.post("/api/model", files={"file": ("mine.safetensors", content)}).json()
    assert labels(state) == ["spiral", "zigzag"] and state["kind"] == "strokes"
    assert state["last_change"] == "loading mine.safetensors"
    stroke = stroke_of(symbols("zigzag", 6)[5])
    ranked = [c.post("/api/classify", json={"stroke": stroke}).json() for c in (trained, client)]
    assert ranked[0] == ranked[1]
    assert len(client.get("/api/classes/spiral/cases").json()["cases"]) == 4
    # It can be changed further.
    assert client.post("/api/classes/spiral/rename", json={"to": "a/b ü?"}).status_code == 200
    renamed = client.get("/api/state").json()
    assert labels(renamed) == ["a/b ü?", "zigzag"]
    path = "/api/classes/a%2Fb%20%C3%BC%3F"
    assert client.get(f"{path}/cases").status_code == 200
    assert labels(client.delete(path).json()) == ["zigzag"]
    assert labels(client.delete("/api/classes/zigzag").json()) == []
    for before in (["zigzag"], ["a/b ü?", "zigzag"], ["spiral", "zigzag"], []):
        assert labels(client.post("/api/undo").json()) == before
    assert client.post("/api/undo").status_code == 409


def test_one_drawing_of_a_class_is_removed(trained, client):
    content = trained.get("/api/model").content
    client.post("/api/model", files={"file": ("mine.safetensors", content)}).raise_for_status()
    before = client.get("/api/classes/spiral/cases").json()["cases"]
    answer = client.post("/api/classes/spiral/remove-case", json={"case": 1})
    assert answer.status_code == 202 and answer.json()["busy"]["what"] == "remove-case"
    state = settled(client)
    assert [known["n_cases"] for known in state["classes"]] == [3, 4]
    assert state["last_change"] == "removing a drawing of spiral"
    after = client.get("/api/classes/spiral/cases").json()["cases"]
    assert after == [before[0], *before[2:]]
    assert client.post("/api/classes/spiral/remove-case", json={"case": 3}).status_code == 404
    client.post("/api/undo").raise_for_status()
    assert client.get("/api/classes/spiral/cases").json()["cases"] == before


def test_the_only_drawing_goes_with_its_class(client, monkeypatch):
    monkeypatch.setattr("egem.apps.web.models.training.N_UPDATES", 50)
    train(client, "zigzag", symbols("zigzag", 1))
    answer = client.post("/api/classes/zigzag/remove-case", json={"case": 0})
    assert answer.status_code == 409 and "Remove the class" in answer.json()["error"]["remedy"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"label": "", "strokes": [{"x": [0, 1], "y": [0, 1]}]}, "at least 1"),
        ({"label": " a", "strokes": [{"x": [0, 1], "y": [0, 1]}]}, "blanks"),
        ({"label": "..", "strokes": [{"x": [0, 1], "y": [0, 1]}]}, "not allowed"),
        ({"label": "a" * 41, "strokes": [{"x": [0, 1], "y": [0, 1]}]}, "at most 40"),
        ({"label": "a\n", "strokes": [{"x": [0, 1], "y": [0, 1]}]}, "printable"),
        ({"label": 3, "strokes": [{"x": [0, 1], "y": [0, 1]}]}, "string"),
        ({"label": "a", "strokes": []}, "at least 1"),
        ({"label": "a", "strokes": [{"x": [0, 1], "y": [0, 1]}] * 65}, "at most 64"),
        ({"label": "a", "strokes": [{"x": [0, 1], "y": [0]}]}, "differ in length"),
        ({"label": "a", "strokes": [{"x": [0, "1"], "y": [0, 1]}]}, "number"),
        ({"label": "a", "strokes": [{"x": [0, None], "y": [0, 1]}]}, "number"),
        ({"label": "a", "strokes": [{"x": [0, True], "y": [0, 1]}]}, "number"),
        ({"label": "a", "strokes": [{"x": [1, 1], "y": [2, 2]}]}, "dot"),
        ({"label": "a", "strokes": [{"x": [0, 1], "y": [0, 1e300]}]}, "1000000"),
        ({"label": "a", "strokes": [{"x": [0, 1], "y": [0, 1], "lifts": [2]}]}, "lifts"),
        ({"label": "a", "strokes": [{"x": [0, 1], "y": [0, 1], "lifts": [0]}]}, "lifts"),
        ({"label": "a", "strokes": [{"x": [0] * 10_001, "y": [0] * 10_001}]}, "10000"),
        ({"label": "a", "strokes": [{"x": [0, 1], "y": [0, 1]}], "more": 1}, "more"),
        ([], "dictionary"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_remedy(client, body, says):
    answer = client.post("/api/train", json=body)
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert says in error["problem"] + error["remedy"] and error["remedy"]
    assert client.get("/api/state").json()["busy"] is None


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_is_no_number_is_refused(client, number):
    words = f'{{"stroke": {{"x": [0, {number}], "y": [0, 1]}}}}'
    answer = client.post(
        "/api/classify", content=words, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 422 and "finite" in answer.json()["error"]["problem"]


@pytest.mark.parametrize("y", [[0, 1e300], [-1.7e308, 1.7e308], [5e-324, -2e6]])
def test_a_stroke_that_extends_too_far_is_refused(client, y):
    answer = client.post("/api/classify", json={"stroke": {"x": [0, 1], "y": y}})
    assert answer.status_code == 422
    assert "1000000" in answer.json()["error"]["problem"]


def test_a_class_that_is_not_there_is_named(trained):
    for answer in (
        trained.delete("/api/classes/circle"),
        trained.post("/api/classes/circle/rename", json={"to": "x"}),
        trained.get("/api/classes/circle/codes"),
        trained.post("/api/classes/circle/imagine", json={"at": [[0, 0]]}),
    ):
        assert answer.status_code == 404
        assert "'circle'" in answer.json()["error"]["problem"]
        assert "spiral, zigzag" in answer.json()["error"]["remedy"]
    taken = trained.post("/api/classes/spiral/rename", json={"to": "zigzag"})
    assert taken.status_code == 409


def test_starting_over_can_be_undone(trained):
    assert labels(trained.post("/api/start", json={"with": "nothing"}).json()) == []
    assert labels(trained.post("/api/undo").json()) == ["spiral", "zigzag"]


def test_letters_are_offered_where_they_are(client):
    offered = client.get("/api/state").json()["letters_available"]
    assert offered is (own_file("character_trajectories.npz") is not None)


def test_letters_that_are_not_at_hand_are_refused_with_a_remedy(client, monkeypatch):
    monkeypatch.delenv("EGEM_DATA_DIR", raising=False)
    answer = client.post("/api/start", json={"with": "letters"})
    assert answer.status_code == 409 and "EGEM_DATA_DIR" in answer.json()["error"]["remedy"]


@pytest.mark.skipif(own_file("character_trajectories.npz") is None, reason="needs EGEM_DATA_DIR")
def test_real_letters_are_trained_and_recognised(client):
    assert load_dataset("characters", raw=True)[1][0] == "a"
    for name in ("a", "z"):
        train(client, name, letters(name, 4))
    right = [
        client.post("/api/classify", json={"stroke": stroke_of(m)}).json()["ranking"][0]["label"]
        == name
        for name in ("a", "z")
        for m in letters(name, 14, skip=4)[:10]
    ]
    assert sum(right) >= 18
