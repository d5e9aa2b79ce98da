"""Tasks on threads, loky, Dask and Ray: the same results, also if workers die."""

import os
import signal
import threading
from contextlib import contextmanager

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.base import clone

from clusters import after_first_checkpoint, checkpoints, dask_processes, fit_on_ray
from egem import EGEMClassifier, LSTMDecoder, Training
from egem.errors import ClusterLost, WorkerDied
from egem.runtime.dispatch import dispatch, dispatch_to
from egem.runtime.executors import active_executor, dask_cluster
from helpers import make_waves

LABELS = tuple(f"c{i:02d}" for i in range(24))
SMALL = {
    "views": ("recurrent",),
    "decoder": LSTMDecoder(8),
    "training": Training(n_updates=200),
    "align": "start",
    "augment": "none",
    "random_state": 0,
}
BACKENDS = [pytest.param("loky", marks=pytest.mark.slow)]
BACKENDS += [pytest.param("dask", marks=pytest.mark.slow)]


def ignore(*_):
    """Take progress and results, and do nothing."""


def fit_waves(n_classes):
    X, y = make_waves(3, labels=LABELS[:n_classes])
    return X, y, EGEMClassifier(**SMALL).fit(X, y).losses(X)


@pytest.fixture(scope="module")
def nine():
    """Waves of nine classes, and their losses when fitted in one process."""
    return fit_waves(9)


@pytest.fixture(scope="module")
def many():
    """Waves of 24 classes, and their losses when fitted in one process."""
    return fit_waves(24)


@contextmanager
def selected(backend, folder, n_workers=2):
    """Select a backend within the block; Dask gets a cluster of its own."""
    if backend == "loky":
        with parallel_config(backend="loky", n_jobs=n_workers):
            yield
        return
    pytest.importorskip("distributed")
    with (
        dask_processes(folder, n_workers) as (client, _),
        parallel_config(backend="dask", client=client),
    ):
        yield


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def upper(task, advance):
    if task == "deadly":
        die()
    if task == "wrong":
        raise KeyError(task)
    return task.upper()


def upper_on_second_attempt(task, advance):
    """The task is a file; the first worker that gets it dies."""
    if not task.exists():
        task.touch()
        die()
    return task.name.upper()


def append(prefix, task, advance):
    return prefix + task


def test_tasks_run_on_threads_by_default():
    finished, counts = {}, []
    threads = set()

    def work(task, advance):
        threads.add(threading.current_thread())
        advance(1.0)
        return task.upper()

    tasks = ["a", "b", "c"]
    results = dispatch(work, tasks, 2, counts.append, finished.__setitem__, list)
    assert results == ["A", "B", "C"] and sum(counts) == 3
    assert finished == {0: "A", 1: "B", 2: "C"}
    with parallel_config(backend="threading", n_jobs=2):
        assert dispatch(work, tasks, None, ignore, ignore, list) == results
    assert threads <= set(threading.enumerate())


def test_backends_that_fork_are_refused():
    with parallel_config(backend="multiprocessing"), pytest.raises(ValueError, match="loky"):
        dispatch(upper, ["a"], None, ignore, ignore, list)


def test_no_tasks_need_no_executor():
    with parallel_config(backend="multiprocessing"):
        assert dispatch(upper, [], None, ignore, ignore, list) == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_tasks_interrupted_by_a_dead_worker_run_again(backend, tmp_path):
    counts, tasks = [], [tmp_path / name for name in "abcde"]
    for task in tasks[1:]:
        task.touch()
    with selected(backend, tmp_path):
        results = dispatch(
            upper_on_second_attempt, tasks, None, counts.append, ignore, lambda task: [task.name]
        )
    assert results == ["A", "B", "C", "D", "E"] and sum(counts) == 5


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_task_that_kills_its_workers_is_named_and_the_others_are_finished(backend, tmp_path):
    finished, tasks = {}, ["a", "b", "deadly", "c", "d", "e"]
    with (
        selected(backend, tmp_path),
        pytest.raises(WorkerDied, match=r"1 class or cases: 'deadly'\..* memory.* 5 tasks"),
    ):
        dispatch(upper, tasks, None, ignore, finished.__setitem__, lambda task: [task])
    assert finished == {0: "A", 1: "B", 3: "C", 4: "D", 5: "E"}


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_shared_value_reaches_every_task_and_exceptions_are_raised(backend, tmp_path):
    with selected(backend, tmp_path):
        for prefix in ("pre", "re"):
            executor = active_executor()
            assert executor is not None and executor.n_workers == 2
            results = dispatch_to(executor, append, list("abcd"), ignore, list, shared=prefix)
            assert results == [prefix + letter for letter in "abcd"]
        with pytest.raises(KeyError, match="wrong"):
            dispatch(upper, ["a", "wrong", "b"], None, ignore, ignore, list)


@pytest.mark.slow
def test_losses_are_the_same_on_loky_though_a_worker_is_killed(nine, tmp_path):
    X, y, expected = nine
    clf = clone(EGEMClassifier(**SMALL)).set_params(training__checkpoint=str(tmp_path))
    killed = []

    def kill():
        from joblib.executor import get_memmapping_executor

        killed.append(min(get_memmapping_executor(2, max_nbytes=None)._processes))
        os.kill(killed[0], signal.SIGKILL)

    with parallel_config(backend="loky", n_jobs=2):
        with after_first_checkpoint(tmp_path, kill):
            clf.fit(X, y)
        losses, predicted, on_loky = clf.losses(X), clf.predict(X), clf.invert(X)
    assert killed
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    np.testing.assert_array_equal(predicted, clf.predict(X))
    here = clf.invert(X)
    np.testing.assert_array_equal(on_loky.codes, here.codes)
    np.testing.assert_array_equal(on_loky.reconstructions[:2], here.reconstructions[:2])


@pytest.mark.slow
def test_losses_are_the_same_on_dask_though_a_worker_is_killed(many, tmp_path):
    pytest.importorskip("distributed")
    X, y, expected = many
    longer = SMALL | {"training": Training(n_updates=2000)}
    with (
        dask_processes(tmp_path, n_workers=3) as (client, _),
        parallel_config(backend="dask", client=client),
    ):
        pids = client.run(os.getpid)
        clf = clone(EGEMClassifier(**longer)).set_params(
            training__checkpoint=str(tmp_path / "kept")
        )
        with after_first_checkpoint(
            tmp_path / "kept", lambda: os.kill(min(pids.values()), signal.SIGKILL)
        ):
            clf.fit(X, y)
        losses = clf.losses(X)
        assert set(client.run(os.getpid).values()) != set(pids.values())
        clf = EGEMClassifier(**SMALL).fit(X, y)
        np.testing.assert_allclose(clf.losses(X), expected, rtol=1e-5)
    here = EGEMClassifier(**longer).fit(X, y)
    np.testing.assert_allclose(losses, here.losses(X), rtol=1e-5)


@pytest.mark.slow
def test_a_killed_dask_scheduler_is_reported_and_checkpoints_remain(many, tmp_path):
    pytest.importorskip("distributed")
    X, y, _ = many
    longer = SMALL | {"training": Training(n_updates=4000)}
    folder = tmp_path / "kept"
    with (
        dask_processes(tmp_path, n_workers=3) as (client, scheduler),
        parallel_config(backend="dask", client=client),
        after_first_checkpoint(folder, scheduler.kill),
        pytest.raises(ClusterLost, match="scheduler of the Dask cluster"),
    ):
        clone(EGEMClassifier(**longer)).set_params(training__checkpoint=str(folder)).fit(X, y)
    found = checkpoints(folder)
    assert 1 <= len(found) < 6
    clone(EGEMClassifier(**longer)).set_params(training__checkpoint=str(folder)).fit(X, y)
    assert found.items() <= checkpoints(folder).items()


@pytest.mark.slow
def test_a_dask_cluster_without_workers_or_scheduler_is_reported(tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("egem.runtime.executors.WORKER_TIMEOUT", 1.0)
    with (
        dask_processes(tmp_path, n_workers=0) as (client, _),
        pytest.raises(ClusterLost, match="has had no worker"),
        dask_cluster(client.scheduler.address),
    ):
        dispatch(upper, ["a"], None, ignore, ignore, list)
    with pytest.raises(ClusterLost, match="no Dask scheduler"), dask_cluster("127.0.0.1:1"):
        pass
    with dask_cluster(None):
        assert active_executor() is None


@pytest.mark.slow
def test_losses_are_the_same_on_ray_though_a_worker_is_killed(many, tmp_path):
    pytest.importorskip("ray")
    X, y, expected = many
    found = fit_on_ray(X, y, SMALL, tmp_path, "worker")
    assert found["killed"]
    np.testing.assert_allclose(found["losses"], expected, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["head", "node"])
def test_a_killed_ray_head_is_reported_and_checkpoints_remain(many, tmp_path, victim):
    pytest.importorskip("ray")
    X, y, _ = many
    found = fit_on_ray(X, y, SMALL | {"training": Training(n_updates=8000)}, tmp_path, victim)
    assert found["error"] == "ClusterLost"
    assert 1 <= len(checkpoints(tmp_path / "kept")) < 6
