"""Files of data and models that are uploaded: read, fitted to, or refused."""

import io
import pickle
import struct
import zipfile

import numpy as np
import pytest

from egem import write_long
from helpers import make_waves
from serving import settled


@pytest.fixture(scope="module")
def waves_csv(tmp_path_factory):
    file = tmp_path_factory.mktemp("data") / "waves.csv"
    X, y = make_waves(6)
    write_long(file, X, y)
    return file.read_bytes()


def npz(**arrays):
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def upload(client, name, content):
    return send(client, {name: content})


def send(client, files, **query):
    """Send files by their paths."""
    parts = [("files", (name, content)) for name, content in files.items()]
    return client.post("/api/data", files=parts, params=query)


def load(client, name, content):
    return client.post("/api/model", files={"file": (name, content)})


def fit(client, dataset_id):
    answer = client.post(f"/api/data/{dataset_id}/fit")
    assert answer.status_code == 202, answer.text
    assert answer.json()["busy"]["what"] == "fit"
    return settled(client)


def test_a_long_csv_is_shown_and_fitted_to(client, waves_csv):
    summary = upload(client, "C:\\\\mine\\\\waves.csv", waves_csv).json()
    assert (summary["name"], summary["n_cases"], summary["n_channels"]) == ("waves.csv", 18, 2)
    assert summary["classes"] == ["down", "still", "up"]
    assert 12 <= summary["lengths"][0] < summary["lengths"][1] <= 24
    assert [each["label"] for each in summary["recordings"]] == ["down"] * 6 + ["still"] * 6 + [
        "up"
    ] * 6
    assert client.get(f"/api/data/{summary['dataset_id']}").json() == summary
    assert client.get("/api/state").json()["data"] == {
        "dataset_id": summary["dataset_id"],
        "revision": 0,
    }

    state = fit(client, summary["dataset_id"])
    assert state["failure"] is None and state["kind"] == "series" and state["channels"] == 2
    found = state["fit"]
    assert (found["n_train"], found["n_test"], found["n_unlabelled"]) == (15, 3, 0)
    assert found["n_mistakes"] == len(found["mistakes"]) == round(3 * (1 - found["accuracy"]))
    assert [(c["label"], c["n_train"], c["n_test"]) for c in found["classes"]] == [
        ("down", 5, 1),
        ("still", 5, 1),
        ("up", 5, 1),
    ]
    assert 0 <= found["baseline"] <= 1 and found["dataset_id"] == summary["dataset_id"]

    # Its classes can be looked into, but not drawn.
    cases = client.get("/api/classes/up/cases").json()["cases"]
    assert len(cases) == 5 and len(cases[0]["channels"]) == 2
    made = client.post("/api/classes/up/imagine", json={"at": [[0, 0]]}).json()["imagined"][0]
    assert np.isfinite(made["channels"]).all()
    stroke = {"x": [0, 1], "y": [0, 1]}
    for path, body in (
        ("classify", {"stroke": stroke}),
        ("train", {"label": "x", "strokes": [stroke]}),
    ):
        refused = client.post(f"/api/{path}", json=body)
        assert refused.status_code == 409 and "series" in refused.json()["error"]["problem"]
    assert client.post("/api/undo").json()["fit"] is None


def test_gaps_and_other_lengths_are_shown_as_they_are(client):
    X = np.arange(24.0).reshape(2, 1, 12)
    X[0, 0, 3] = np.nan
    summary = upload(client, "x.npz", npz(X=X, lengths=np.array([12, 7]))).json()
    assert summary["classes"] == [] and summary["lengths"] == [7, 12]
    first, second = (each["channels"][0] for each in summary["recordings"])
    assert first[2:5] == [2.0, None, 4.0] and len(second) == 7
    answer = client.post(f"/api/data/{summary['dataset_id']}/fit")
    assert answer.status_code == 422 and "label" in answer.json()["error"]["problem"]


def test_the_archive_s_format_is_read(client):
    words = "@problemName x\n@timestamps false\n@univariate true\n@equalLength true\n"
    words += "@classLabel true a b\n@data\n1.0,2.0,3.0:a\n3.0,2.0,1.0:b\n"
    summary = upload(client, "x.ts", words.encode()).json()
    assert summary["classes"] == ["a", "b"] and summary["lengths"] == [3, 3]


def test_only_the_last_file_is_kept(client, waves_csv):
    first = upload(client, "a.csv", waves_csv).json()["dataset_id"]
    second = upload(client, "b.csv", waves_csv).json()["dataset_id"]
    assert client.get(f"/api/data/{second}").status_code == 200
    for answer in (
        client.get(f"/api/data/{first}"),
        client.post(f"/api/data/{first}/fit"),
    ):
        assert answer.status_code == 404 and "again" in answer.json()["error"]["remedy"]


class Payload:
    """Would leave a file behind if it was ever unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def bomb():
    """128 MB of zeros, packed to little more than 100 kB."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        header = io.BytesIO()
        shape = {"descr": "<f8", "fortran_order": False, "shape": (1, 2**24)}
        np.lib.format.write_array_header_1_0(header, shape)
        with archive.open("X.npy", "w") as out:
            out.write(header.getvalue())
            for _ in range(128):
                out.write(bytes(2**20))
    return content.getvalue()


def lying():
    """A header that claims a terabyte, and nothing behind it."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": "<f8", "fortran_order": False, "shape": (2**20, 2**17)}
        )
        archive.writestr("X.npy", header.getvalue())
    return content.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "status", "says"),
    [
        ("x.xlsx", b"PK", 422, ".csv"),
        ("x", b"1,2", 422, ".csv"),
        ("x.csv", b"", 422, ""),
        ("x.csv", b"a,b\n1,2\n3,4,5\n", 422, "line 3"),
        ("x.csv", b"case,time,x\n1,0,hello\n", 422, ""),
        ("x.csv", bytes(range(256)) * 40, 422, ""),
        ("x.npz", b"PK\x03\x04 not really", 422, "npz"),
        ("x.npz", npz(Y=np.zeros((2, 3))), 422, "X"),
        ("x.npz", npz(X=np.zeros((0, 3))), 422, ""),
        ("x.npz", npz(X=np.full((2, 1, 3), np.inf)), 422, ""),
        ("x.npz", npz(X=np.zeros((2, 101, 3))), 413, "100 channels"),
        ("x.npz", npz(X=np.zeros((3, 4)), y=np.array(["a", " b", "c"])), 422, "' b'"),
        ("x.npz", npz(X=np.zeros((300, 4)), y=np.arange(300)), 422, "300 classes"),
        ("x.npz", bomb(), 413, "unpacks"),
        ("x.npz", lying(), 422, "truncated"),
        ("x.ts", b"@data\n", 422, ""),
        ("x.ts", b"\xff\xfe nonsense", 422, ""),
    ],
)
def test_a_wrong_file_is_refused_with_a_remedy(client, name, content, status, says):
    answer = upload(client, name, content)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert says in error["problem"] + error["remedy"] and error["remedy"]
    assert "/tmp" not in error["problem"] + error["remedy"]


def test_pickles_stay_shut(client, tmp_path):
    trap = tmp_path / "sprung"
    content = npz(X=np.array([Payload(trap)], object))
    assert b"sprung" in content
    assert upload(client, "x.npz", content).status_code == 422
    assert upload(client, "x.npz", pickle.dumps(Payload(trap))).status_code == 422
    assert load(client, "m.safetensors", pickle.dumps(Payload(trap))).status_code == 422
    assert not trap.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 100,
        struct.pack("<Q", 2**62) + b"{}",
        struct.pack("<Q", 2) + b"{}",
        struct.pack("<Q", 40) + b'{"__metadata__": {"egem": "{}"}}        ',
    ],
)
def test_what_is_no_model_is_refused(client, content):
    answer = load(client, "m.safetensors", content)
    assert answer.status_code == 422 and answer.json()["error"]["remedy"]
    assert client.get("/api/state").json()["classes"] == []


def test_a_model_of_other_series_comes_in_as_such(client, wave_model, tmp_path):
    wave_model.save(tmp_path / "waves.safetensors")
    content = (tmp_path / "waves.safetensors").read_bytes()
    state = load(client, "waves.safetensors", content).json()
    assert state["kind"] == "series" and len(state["classes"]) == 3
    cut = load(client, "waves.safetensors", content[: len(content) // 2])
    assert cut.status_code == 422
    assert len(client.get("/api/state").json()["classes"]) == 3


def test_a_model_with_numbers_for_labels_accepts_numbers_only(client, digit_model, tmp_path):
    digit_model.save(tmp_path / "digits.safetensors")
    content = (tmp_path / "digits.safetensors").read_bytes()
    state = load(client, "digits.safetensors", content).json()
    assert [known["label"] for known in state["classes"]] == [str(n) for n in range(10)]
    refused = client.post("/api/classes/7/rename", json={"to": "seven"})
    assert refused.status_code == 422 and "whole number" in refused.json()["error"]["problem"]
    assert client.post("/api/classes/7/rename", json={"to": "77"}).status_code == 200
    assert client.get("/api/classes/77/codes").status_code == 200
