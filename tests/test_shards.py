"""Shards on other processes: the same losses, and nothing lost where processes die."""

import os
import signal
import time

import numpy as np
import pytest
from joblib import parallel_config

from clusters import after_first, ray_script, slices, started
from egem import EGEMClassifier
from egem.errors import ClusterLost, WorkerDied
from egem.io.checkpoint import Folder
from egem.runtime.dispatch import dispatch
from egem.runtime.executors import active
from helpers import make_waves

LABELS = tuple(f"c{i:02d}" for i in range(24))
SMALL = {"metric": "whitened", "align": "start", "augment": "none", "n_cells": 8}
SMALL |= {"n_updates": 200, "random_state": 0}


@pytest.fixture(scope="module")
def several():
    """Nine classes of waves and what one process makes of them."""
    X, y = make_waves(3, labels=LABELS[:9])
    return X, y, EGEMClassifier(**SMALL).fit(X, y).losses(X)


@pytest.fixture(scope="module")
def many():
    """Twenty-four classes of waves and what one process makes of them."""
    X, y = make_waves(3, labels=LABELS)
    return X, y, EGEMClassifier(**SMALL).fit(X, y).losses(X)


def _one_bad(task, advance):
    if task == "bad":
        os.kill(os.getpid(), signal.SIGKILL)
    return task.upper()


@pytest.mark.slow
def test_a_task_that_kills_its_workers_is_named_and_the_others_are_finished():
    came, tasks = {}, ["a", "b", "bad", "c", "d", "e"]
    with (
        parallel_config(backend="loky", n_jobs=2),
        pytest.raises(WorkerDied, match=r"1 class or cases: 'bad'\.") as caught,
    ):
        dispatch(_one_bad, tasks, None, lambda _: None, came.__setitem__, lambda task: [task])
    assert came == {0: "A", 1: "B", 3: "C", 4: "D", 5: "E"}
    assert "memory" in str(caught.value)


@pytest.mark.slow
def test_losses_are_the_same_in_processes_and_a_killed_worker_costs_nothing(several, tmp_path):
    X, y, expected = several
    clf = EGEMClassifier(**SMALL, checkpoint=str(tmp_path))
    killed = []

    def kill():
        from joblib.externals.loky import get_reusable_executor

        killed.append(min(get_reusable_executor(max_workers=2)._processes))
        os.kill(killed[0], signal.SIGKILL)

    with parallel_config(backend="loky", n_jobs=2):
        with after_first(tmp_path, kill):
            clf.fit(X, y)
        losses = clf.losses(X)
        predicted = clf.predict(X)
        apart = clf.invert(X)
    assert killed
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    np.testing.assert_array_equal(predicted, clf.predict(X))
    whole = clf.invert(X)
    np.testing.assert_array_equal(apart.codes, whole.codes)
    np.testing.assert_array_equal(apart.reconstructions[:2], whole.reconstructions[:2])


def test_a_fit_begun_again_takes_finished_experts_from_the_checkpoint(several, tmp_path):
    X, y, expected = several
    EGEMClassifier(**SMALL, checkpoint=str(tmp_path)).fit(X, y)
    files = sorted(tmp_path.glob("*.safetensors"))
    assert len(files) == 3  # two tiles of four experts and one of one
    files[0].unlink()
    files[1].write_bytes(files[1].read_bytes()[:-40])
    written = {file: file.stat().st_mtime_ns for file in files[2:]}
    again = EGEMClassifier(**SMALL, checkpoint=str(tmp_path)).fit(X, y)
    np.testing.assert_array_equal(again.losses(X), expected)
    assert sorted(tmp_path.glob("*.safetensors")) == files
    assert {file: file.stat().st_mtime_ns for file in files[2:]} == written


def test_other_cases_labels_or_recipes_find_nothing_in_the_checkpoint(several, tmp_path):
    X, y, _ = several
    few = np.flatnonzero(np.isin(y, LABELS[:4]))
    X, y = [X[i] for i in few], y[few]

    def n_files(X, y, **changed):
        EGEMClassifier(**SMALL | {"n_updates": 20} | changed, checkpoint=str(tmp_path)).fit(X, y)
        return len(list(tmp_path.iterdir()))

    assert n_files(X, y) == 1
    assert n_files(X[::-1], y[::-1]) == 2  # the order of cases is theirs to keep
    assert n_files(X, y, random_state=1) == 3
    assert n_files(X, y, n_updates=21) == 4
    assert n_files(X, np.char.add(y, "x")) == 5
    assert n_files(X, y) == 5


def test_a_checkpoint_that_is_no_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="checkpoint folder"):
        Folder(tmp_path / "file")
    with pytest.raises(ValueError, match="checkpoint must be"):
        EGEMClassifier(checkpoint=3).fit(np.zeros((2, 5)), [0, 1])  # type: ignore[arg-type]


def test_threads_stay_threads_and_forks_are_refused():
    assert active(2) is None
    with parallel_config(backend="threading", n_jobs=2):
        assert active(None) is None
    with parallel_config(backend="multiprocessing"), pytest.raises(ValueError, match="loky"):
        active(None)


@pytest.mark.slow
def test_dask_gives_the_same_losses_though_a_worker_is_killed(many, tmp_path):
    pytest.importorskip("distributed")
    X, y, expected = many
    with (
        started(tmp_path, n_workers=3) as (client, _),
        parallel_config(backend="dask", client=client),
    ):
        pids = client.run(os.getpid)
        assert len(pids) == 3
        clf = EGEMClassifier(**SMALL | {"n_updates": 2000}, checkpoint=str(tmp_path / "kept"))
        with after_first(tmp_path / "kept", lambda: os.kill(min(pids.values()), signal.SIGKILL)):
            clf.fit(X, y)
        longer = clf.losses(X)
        assert set(client.run(os.getpid).values()) != set(pids.values())
        clf = EGEMClassifier(**SMALL).fit(X, y)
        np.testing.assert_allclose(clf.losses(X), expected, rtol=1e-5)
    here = EGEMClassifier(**SMALL | {"n_updates": 2000}).fit(X, y)
    np.testing.assert_allclose(longer, here.losses(X), rtol=1e-5)


@pytest.mark.slow
def test_a_killed_dask_scheduler_is_told_soon_and_finished_shards_are_kept(many, tmp_path):
    pytest.importorskip("distributed")
    X, y, _ = many
    more = SMALL | {"n_updates": 4000}
    kept, killed = tmp_path / "kept", []
    with started(tmp_path, n_workers=3) as (client, scheduler):

        def kill():
            scheduler.kill()
            killed.append(time.monotonic())

        with (
            parallel_config(backend="dask", client=client),
            after_first(kept, kill),
            pytest.raises(ClusterLost, match="scheduler of the Dask cluster"),
        ):
            EGEMClassifier(**more, checkpoint=str(kept)).fit(X, y)
        assert time.monotonic() - killed[0] < 30
    found = slices(kept)
    assert 1 <= len(found) < 6
    EGEMClassifier(**more, checkpoint=str(kept)).fit(X, y)
    assert found.items() <= slices(kept).items()


@pytest.mark.slow
def test_nobody_at_an_address_is_told():
    pytest.importorskip("distributed")
    from egem.runtime.cluster import working_on

    with pytest.raises(ClusterLost, match="no Dask scheduler answers"), working_on("127.0.0.1:1"):
        pass


@pytest.mark.slow
def test_ray_gives_the_same_losses_though_a_worker_is_killed(many, tmp_path):
    pytest.importorskip("ray")
    X, y, expected = many
    found = ray_script(X, y, SMALL, tmp_path, "worker")
    assert found["killed"]
    np.testing.assert_allclose(found["losses"], expected, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["head", "node"])
def test_a_killed_ray_head_is_told_soon_and_finished_shards_are_kept(many, tmp_path, victim):
    pytest.importorskip("ray")
    X, y, _ = many
    found = ray_script(X, y, SMALL | {"n_updates": 8000}, tmp_path, victim)
    assert found["error"] == "ClusterLost" and found["seconds"] < 30
    assert 1 <= len(slices(tmp_path / "kept")) < 6
