"""Workspaces on disk: what survives restarts, crashes and damage."""

import json
import os

import numpy as np
import pytest

from egem.apps.web import store
from egem.apps.web.errors import ApiError
from egem.apps.web.models.recordings import Recording, Recordings
from egem.apps.web.models.snapshot import Drawing, Snapshot
from egem.apps.web.store import INITIAL, History, Store, is_id, new_id
from egem.apps.web.stored_recordings import StoredRecordings


@pytest.fixture
def workspaces(tmp_path):
    return Store(tmp_path / "workspaces")


@pytest.fixture
def folder(workspaces):
    return workspaces.folder(new_id())


@pytest.fixture(scope="module")
def model(wave_model):
    drawing = Drawing([0.1, 0.25], [0.5, 0.75], [1], 0.3)
    return Snapshot(wave_model, {"up": (drawing,)}, "training up", "waves", {"accuracy": 0.5})


def test_nothing_is_there_at_the_beginning_and_nothing_is_made(folder):
    assert folder.history() == History(0, (INITIAL,))
    assert not folder.path.exists()


def test_a_model_comes_back_as_it_was(workspaces, folder, model, waves):
    history = folder.write(model, folder.history())
    assert history == History(1, (INITIAL, 1))
    again = workspaces.folder(folder.path.name)
    assert again.history() == history
    read = again.read(1)
    assert read.drawings == model.drawings
    assert (read.change, read.title, read.fit) == (model.change, model.title, model.fit)
    assert np.array_equal(read.classifier.losses(waves[2]), model.classifier.losses(waves[2]))


def test_a_model_without_a_class_is_kept_as_well(folder):
    folder.write(Snapshot(change="starting over"), folder.history())
    assert folder.read(1).classifier is None and folder.read(1).change == "starting over"


def test_dropping_the_newest_deletes_it_and_numbers_never_return(folder):
    history = folder.write(Snapshot(change="a"), folder.history())
    history = folder.write(Snapshot(change="b"), history)
    history = folder.drop_newest(history)
    assert history == folder.history() == History(3, (INITIAL, 1))
    assert not (folder.path / "2.json").exists()
    history = folder.write(Snapshot(change="c"), history)
    assert history == History(4, (INITIAL, 1, 4))
    assert folder.read(4).change == "c"


def test_old_models_make_room(folder, monkeypatch):
    monkeypatch.setattr(store, "MAX_UNDO", 3)
    history = folder.history()
    for n in range(6):
        history = folder.write(Snapshot(change=str(n)), history)
    assert history.numbers == (3, 4, 5, 6) and folder.history() == history
    assert sorted(f.name for f in folder.path.glob("[0-9]*")) == [f"{n}.json" for n in (3, 4, 5, 6)]


def test_large_models_make_room_but_the_newest_stays(folder, model, monkeypatch):
    monkeypatch.setattr(store, "MAX_BYTES", 1000)
    history = folder.write(model, folder.history())
    assert history.numbers == (1,)
    assert folder.write(model, history).numbers == (2,)
    assert folder.read(2).classifier is not None


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_crash_while_writing_leaves_what_was_there(workspaces, folder, model, monkeypatch, nth):
    """Crash where the nth file is flushed: the classifier, the details, the history."""
    history = folder.write(Snapshot(change="before"), folder.history())

    class Crash(BaseException):
        pass

    flushed = []

    def flush(number):
        flushed.append(number)
        if len(flushed) == nth:
            raise Crash

    monkeypatch.setattr(os, "fsync", flush)
    with pytest.raises(Crash):
        folder.write(model, history)
    monkeypatch.undo()
    again = workspaces.folder(folder.path.name)
    assert again.history() == history and again.read(1).change == "before"
    assert not list(folder.path.glob(".*.part"))
    # What is left of the model that was not to be is no part of the next.
    assert again.write(Snapshot(change="after"), history).numbers == (INITIAL, 1, 2)
    assert again.read(2).classifier is None


def test_a_full_disk_is_reported_with_a_remedy(folder, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "write_details", full)
    with pytest.raises(ApiError) as refusal:
        folder.write(Snapshot(), folder.history())
    assert refusal.value.status_code == 507
    assert "No space left" in refusal.value.problem and "Free space" in refusal.value.remedy


def test_no_more_workspaces_than_allowed(workspaces, monkeypatch):
    monkeypatch.setattr(store, "MAX_WORKSPACES", 2)
    folders = [workspaces.folder(new_id()) for _ in range(3)]
    for each in folders[:2]:
        each.write(Snapshot(), each.history())
    with pytest.raises(ApiError, match="2 workspaces"):
        folders[2].write(Snapshot(), folders[2].history())
    folders[0].write(Snapshot(), folders[0].history())  # those that are there go on


def recordings(name, n=1):
    one = Recording("one", np.arange(8.0).reshape(2, 4), 1, 3, "up")
    two = Recording("two", np.zeros((2, 5)), 0, 5, None, told="down", new=True)
    return Recordings(name, f"{name}.csv", ["x", "y"], 0.5, ("a note",), (one, two) * n)


def test_recordings_replace_those_before(folder):
    for name in ("first", "second"):
        folder.recordings.write(recordings(name))
    kept = folder.recordings.read("second")
    assert kept.title == "second.csv" and kept.summary() == recordings("second").summary()
    assert len(list(folder.path.glob("data-*"))) == 2
    for name in ("first", "../../etc"):
        with pytest.raises(ApiError, match="no longer"):
            folder.recordings.read(name)
    folder.recordings.delete("second")
    assert folder.recordings.version() is None and not list(folder.path.glob("data-*"))


def test_edits_and_further_recordings_are_kept(folder):
    folder.recordings.write(recordings("first"))
    folder.recordings.edit("first", [1], {"label": "left", "end": 3})
    folder.recordings.extend("first", recordings("second"))
    with pytest.raises(ApiError, match="time points"):
        folder.recordings.edit("second", [0], {"start": 2})
    again = StoredRecordings(folder.path, lambda: None).read("second")
    assert [each.label for each in again.all] == ["up", "left", "up", None]
    assert [each.case.shape for each in again.all] == [(2, 2), (2, 3), (2, 2), (2, 5)]
    assert again.recognised == [1, 3] and again.revision == 2


@pytest.mark.parametrize("name", ["", "..", "a/b", "x" * 22 + "/", None, "x" * 21, "ä" * 22])
def test_what_is_no_id_never_becomes_a_folder(name):
    assert not is_id(name)


def test_ids_are_ids():
    assert all(is_id(new_id()) for _ in range(50))


def test_the_index_is_plain_json(folder):
    folder.write(Snapshot(), folder.history())
    assert json.loads((folder.path / "index.json").read_text())["snapshots"] == [0, 1]
