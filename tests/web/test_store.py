"""Workspaces on disk: what survives restarts, crashes and damage."""

import json
import os

import numpy as np
import pytest

from egem.apps.web import store
from egem.apps.web.models import Drawing, Model
from egem.apps.web.schema import Uploaded
from egem.apps.web.store import BEGINNING, Index, Shelf, is_id, new_id
from egem.apps.web.trouble import Trouble


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path / "shelf")


@pytest.fixture
def place(shelf):
    return shelf.place(new_id())


@pytest.fixture(scope="module")
def model(wave_model):
    drawing = Drawing([0.1, 0.25], [0.5, 0.75], [1], 0.3)
    return Model(wave_model, {"up": (drawing,)}, "teaching up", "waves", {"accuracy": 0.5})


def test_nothing_is_there_at_the_beginning_and_nothing_is_made(place):
    assert place.index() == Index(0, (BEGINNING,))
    assert not place.folder.exists()


def test_a_model_comes_back_as_it_was(shelf, place, model, waves):
    index = place.write(model, place.index())
    assert index == Index(1, (BEGINNING, 1))
    again = shelf.place(place.folder.name)
    assert again.index() == index
    read = again.read(1)
    assert read.drawings == model.drawings
    assert (read.how, read.title, read.fit) == (model.how, model.title, model.fit)
    assert np.array_equal(read.classifier.losses(waves[2]), model.classifier.losses(waves[2]))


def test_a_model_without_a_class_is_kept_as_well(place):
    place.write(Model(how="starting anew"), place.index())
    assert place.read(1).classifier is None and place.read(1).how == "starting anew"


def test_going_back_forgets_the_newest_and_numbers_never_return(place):
    index = place.write(Model(how="a"), place.index())
    index = place.write(Model(how="b"), index)
    index = place.go_back(index)
    assert index == place.index() == Index(3, (BEGINNING, 1))
    assert not (place.folder / "2.json").exists()
    index = place.write(Model(how="c"), index)
    assert index == Index(4, (BEGINNING, 1, 4))
    assert place.read(4).how == "c"


def test_old_models_make_room(place, monkeypatch):
    monkeypatch.setattr(store, "MOST_KEPT", 3)
    index = place.index()
    for n in range(6):
        index = place.write(Model(how=str(n)), index)
    assert index.models == (3, 4, 5, 6) and place.index() == index
    assert sorted(f.name for f in place.folder.glob("[0-9]*")) == [
        f"{n}.json" for n in (3, 4, 5, 6)
    ]


def test_large_models_make_room_but_the_newest_stays(place, model, monkeypatch):
    monkeypatch.setattr(store, "MOST_BYTES", 1000)
    index = place.write(model, place.index())
    assert index.models == (1,)
    assert place.write(model, index).models == (2,)
    assert place.read(2).classifier is not None


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_crash_while_writing_leaves_what_was_there(shelf, place, model, monkeypatch, nth):
    """Crash where the nth file is flushed: the classifier, what is told of it, the index."""
    index = place.write(Model(how="before"), place.index())

    class Crash(BaseException):
        pass

    flushed = []

    def flush(number):
        flushed.append(number)
        if len(flushed) == nth:
            raise Crash

    monkeypatch.setattr(os, "fsync", flush)
    with pytest.raises(Crash):
        place.write(model, index)
    monkeypatch.undo()
    again = shelf.place(place.folder.name)
    assert again.index() == index and again.read(1).how == "before"
    assert not list(place.folder.glob(".*.part"))
    # What is left of the model that was not to be is no part of the next.
    assert again.write(Model(how="after"), index).models == (BEGINNING, 1, 2)
    assert again.read(2).classifier is None


def test_a_full_disk_is_told_with_a_remedy(place, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "write_about", full)
    with pytest.raises(Trouble) as refusal:
        place.write(Model(), place.index())
    assert refusal.value.status_code == 507
    assert "No space left" in refusal.value.what and "room" in refusal.value.remedy


def test_no_more_workspaces_than_allowed(shelf, monkeypatch):
    monkeypatch.setattr(store, "MOST_WORKSPACES", 2)
    places = [shelf.place(new_id()) for _ in range(3)]
    for each in places[:2]:
        each.write(Model(), each.index())
    with pytest.raises(Trouble, match="2 workspaces"):
        places[2].write(Model(), places[2].index())
    places[0].write(Model(), places[0].index())  # those that are there go on


def test_data_replace_the_data_before(place, tmp_path):
    file = tmp_path / "sent.csv"
    for name in ("first", "second"):
        file.write_text(name)
        described = Uploaded(
            dataset_id=name,
            name=f"{name}.csv",
            n_cases=1,
            n_channels=1,
            lengths=(1, 1),
            classes=None,
            preview=[],
        )
        place.put_data(file, described)
    kept, described = place.get_data("second")
    assert kept.read_text() == "second" and described.name == "second.csv"
    assert len(list(place.folder.glob("data-*"))) == 2
    with pytest.raises(Trouble, match="gone"):
        place.get_data("first")
    with pytest.raises(Trouble, match="gone"):
        place.get_data("../../etc")


@pytest.mark.parametrize("name", ["", "..", "a/b", "x" * 22 + "/", None, "x" * 21, "ä" * 22])
def test_what_is_no_id_never_becomes_a_folder(name):
    assert not is_id(name)


def test_ids_are_ids():
    assert all(is_id(new_id()) for _ in range(50))


def test_the_index_is_plain_json(place):
    place.write(Model(), place.index())
    assert json.loads((place.folder / "index.json").read_text())["models"] == [0, 1]
