"""Recordings sent as files, folders and archives: labelled, cut, learned, recognised, corrected."""

import csv
import io
import zipfile

import numpy as np
import pytest
from test_data import fit, npz, send, upload

from egem import EGEMClassifier
from helpers import make_waves
from serving import settled

STEP = 0.02  # seconds


def recording(X, label=None):
    """A csv file of one recording."""
    named = "" if label is None else ",label"
    lines = [f"case,time,up,cosine{named}"]
    for i, (a, b) in enumerate(X.T):
        lines.append(f"a,{i * STEP:.2f},{a:.4f},{b:.4f}" + ("" if label is None else f",{label}"))
    return "\n".join(lines).encode()


def waves(n, seed=0, folder="mine", labels=("down", "still", "up")):
    """Files of waves in a folder for each label, by their paths."""
    X, y = make_waves(n, seed, labels)
    return {f"{folder}/{y[i]}/take {i}.csv": recording(X[i]) for i in range(len(X))}


@pytest.fixture
def learned(client):
    """Recordings of three classes, two of each, that a model was fitted to."""
    summary = send(client, waves(2)).json()
    state = fit(client, summary["dataset_id"])
    assert state["failure"] is None
    return client, summary["dataset_id"], state


def test_a_folder_a_label_is_read_with_names_units_and_times(client):
    files = waves(2) | {
        "mine/notes.txt": b"hello",
        "mine/.DS_Store": b"\0",
        "mine/up/Thumbs.db": b"",
    }
    summary = send(client, files).json()
    assert summary["name"] == "mine" and summary["classes"] == ["down", "still", "up"]
    assert summary["channels"] == ["up", "cosine"] and summary["step"] == pytest.approx(STEP)
    assert summary["notes"] == ["1 other file left out."]
    first = summary["recordings"][0]
    assert (first["name"], first["label"], first["start"]) == ("down/take 0", "down", 0)
    assert len(first["channels"][1]) == first["end"] == first["n_timepoints"]


def test_an_archive_of_a_folder_is_the_folder(client):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in waves(1).items():
            archive.writestr(name, text)
        archive.writestr("__MACOSX/mine/._take.csv", b"\0")
    summary = upload(client, "mine.zip", content.getvalue()).json()
    assert summary["name"] == "mine.zip" and summary["classes"] == ["down", "still", "up"]
    assert summary["notes"] == []


def test_files_of_other_rates_are_laid_on_one_grid(client):
    rows = {rate: "\n".join(f"1,{i / rate},{i / rate}" for i in range(rate)) for rate in (20, 40)}
    files = {f"{rate}.csv": f"case,time,x\n{text}".encode() for rate, text in rows.items()}
    summary = send(client, {"20.csv": files["20.csv"]}).json()
    assert summary["step"] == pytest.approx(0.05) and summary["notes"] == []
    both = send(client, {"40.csv": files["40.csv"]}, add_to=summary["dataset_id"]).json()
    assert both["notes"] == ["Times are 0.025 apart, and were laid on a grid of 0.05."]
    one, other = both["recordings"]
    assert (one["n_timepoints"], other["n_timepoints"]) == (20, 21)
    assert other["channels"][0][-1] == pytest.approx(1, abs=0.05)


def zipped(name, content=b"1"):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("files", "status", "says"),
    [
        ({"../x.csv": b"1"}, 422, "not allowed"),
        ({"a/../../x.csv": b"1"}, 422, "not allowed"),
        ({"/".join("abcdefghij") + ".csv": b"1"}, 422, "not allowed"),
        ({".hidden.csv": b"1"}, 422, "no file"),
        ({"x.zip": zipped("../../x.csv")}, 422, "not allowed"),
        ({"x.zip": zipped("x.csv", bytes(2**27))}, 413, "unpacks"),
        ({"x.zip": b"PK\x03\x04 not really"}, 422, "x.zip cannot be unpacked"),
        (
            {"a.csv": b"case,time,x\n1,0,1\n1,1,2", "b.csv": b"case,time,y\n1,0,1\n1,1,2"},
            422,
            "b.csv",
        ),
        ({"a.csv": b"case,time,x\n1,0,1\n", "b.csv": b"case,time,x\n1,0,hello\n"}, 422, "b.csv"),
    ],
)
def test_wrong_files_are_refused_with_a_remedy(client, files, status, says):
    answer = send(client, files)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert says in error["problem"] + error["remedy"] and error["remedy"]
    assert "/tmp" not in error["problem"] + error["remedy"]
    assert client.get("/api/state").json()["data"] is None


def test_recordings_are_labelled_and_cut(client):
    flat = {name.rpartition("/")[2]: content for name, content in waves(2).items()}
    summary = send(client, flat).json()
    assert summary["classes"] == [] and summary["name"] == "6 files"
    path = f"/api/data/{summary['dataset_id']}"
    client.patch(path, json={"recordings": [0, 1], "label": "down"})
    edited = client.patch(path, json={"recordings": [1], "start": 2, "end": 9}).json()
    assert [each["label"] for each in edited["recordings"]] == ["down", "down"] + [None] * 4
    assert [edited["recordings"][1][name] for name in ("start", "end")] == [2, 9]
    assert client.get("/api/state").json()["data"]["revision"] == 2
    for body, status in (
        ({"recordings": [0], "start": 5, "end": 6}, 422),
        ({"recordings": [0], "end": 1000}, 422),
        ({"recordings": [6], "label": "x"}, 404),
        ({"recordings": [0], "label": " x"}, 422),
    ):
        assert client.patch(path, json=body).status_code == status
    unlabelled = client.patch(path, json={"recordings": [0], "label": None}).json()
    assert unlabelled["recordings"][0]["label"] is None

    state = fit(client, summary["dataset_id"])
    assert (state["fit"]["n_train"], state["fit"]["n_unlabelled"]) == (1, 5)
    assert len(client.get("/api/classes/down/cases").json()["cases"][0]["channels"][0]) == 7


@pytest.mark.parametrize(
    ("n", "learned", "tested", "n_left_out"),
    [((1, 1, 1), [1, 1, 1], [0, 0, 0], 0), ((6, 2, 5), [5, 2, 4], [1, 0, 1], 11)],
)
def test_nothing_is_left_unused(client, n, learned, tested, n_left_out):
    files = {}
    for many, label in zip(n, ("down", "still", "up"), strict=True):
        files |= {name: text for name, text in waves(many).items() if f"/{label}/" in name}
    summary = send(client, files).json()
    found = fit(client, summary["dataset_id"])["fit"]
    assert [c["n_train"] for c in found["classes"]] == learned
    assert [c["n_test"] for c in found["classes"]] == tested
    assert found["n_train"] + found["n_test"] == len(summary["recordings"]) == sum(n)
    assert found["cross_validation"]["n"] == n_left_out
    assert (found["accuracy"] is None) == (sum(tested) == 0)


def test_further_recordings_are_recognised_corrected_and_listed(learned):
    client, before, _ = learned
    more = {name.replace("take", "new"): text for name, text in waves(1, seed=5).items()}
    summary = send(client, more, add_to=before, recognise=True).json()
    path, new = f"/api/data/{summary['dataset_id']}", [6, 7, 8]
    assert [summary["recordings"][i]["told"] for i in new] == ["down", "still", "up"]
    assert all(summary["recordings"][i]["label"] is None for i in new)

    answer = client.post(f"{path}/classify", json={"recordings": new}).json()
    assert answer["channels"] == ["up", "cosine"]
    assert [v["recording"] for v in answer["verdicts"]] == new
    for verdict in answer["verdicts"]:
        assert 0 < verdict["p_value"] <= 1 and verdict["unknown"] in (True, False)
        ranking = verdict["ranking"]
        assert sum(each["probability"] for each in ranking) == pytest.approx(1)
        assert ranking[0]["probability"] == max(each["probability"] for each in ranking)
        length = len(verdict["series"]["channels"][0])
        assert [np.shape(each["channels"]) for each in verdict["imagined"]] == [(2, length)] * 2
    found = [v["ranking"][0]["label"] for v in answer["verdicts"]]
    assert sum(a == b for a, b in zip(found, ["down", "still", "up"], strict=True)) >= 2

    # Two corrections: one to a class of the model, one to a new class.
    for number, label in ((7, "still"), (8, "left")):
        body = {"recording": number, "label": label}
        assert client.post(f"{path}/teach", json=body).json()["busy"]["what"] == "teach"
        state = settled(client)
        assert state["failure"] is None, state["failure"]
        assert client.post(f"{path}/teach", json=body).status_code == 409
    assert {c["label"]: c["n_cases"] for c in state["classes"]} == {
        "down": 2,
        "left": 1,
        "still": 3,
        "up": 2,
    }
    assert state["fit"]["n_taught"] == 2

    listed = client.get(f"{path}/verdicts")
    assert listed.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(listed.text)))
    assert [row["recording"] for row in rows] == ["down/new 0", "still/new 1", "up/new 2"]
    assert [row["label"] for row in rows] == ["", "still", "left"]
    assert rows[2]["predicted"] == "left"
    assert sum(float(rows[0][f"p({c})"]) for c in ("down", "left", "still", "up")) == pytest.approx(
        1, abs=1e-3
    )
    assert client.delete(path).json()["data"] is None
    assert client.get(path).status_code == 404


def test_a_model_keeps_channels_and_matches_them_by_name(learned, tmp_path):
    client, *_ = learned
    file = tmp_path / "model.safetensors"
    file.write_bytes(client.get("/api/model").content)
    clf = EGEMClassifier.load(file)
    assert clf.channel_names_ == ["up", "cosine"] and clf.time_step_ == pytest.approx(STEP)
    text = waves(1)["mine/up/take 2.csv"].decode().replace("up,cosine", "cosine,up")
    swapped = ["case,time,up,cosine", *text.splitlines()[1:]]
    columns = [line.split(",") for line in swapped]
    right = "\n".join(",".join((a, t, x, y)) for a, t, x, y in columns)
    wrong_order = "\n".join(",".join((a, t, y, x)) for a, t, x, y in columns)
    found = []
    for content in (right, wrong_order):
        summary = upload(client, "x.csv", content.encode()).json()
        answer = client.post(
            f"/api/data/{summary['dataset_id']}/classify", json={"recordings": [0]}
        ).json()
        found.append(answer["verdicts"][0])
    assert found[0] == found[1]
    other = upload(client, "x.csv", b"case,time,a,b\n1,0,1,2\n1,1,2,4").json()["dataset_id"]
    refused = client.post(f"/api/data/{other}/classify", json={"recordings": [0]})
    assert refused.status_code == 422 and "channels" in refused.json()["error"]["problem"]


def test_there_is_nothing_to_say_without_a_model(client):
    dataset = upload(client, "x.npz", npz(X=np.eye(6))).json()["dataset_id"]
    for answer in (
        client.post(f"/api/data/{dataset}/classify", json={"recordings": [0]}),
        client.post(f"/api/data/{dataset}/teach", json={"recording": 0, "label": "a"}),
        client.get(f"/api/data/{dataset}/verdicts"),
    ):
        assert answer.status_code == 409 and "Label" in answer.json()["error"]["remedy"]
