"""Tasks on threads, and their progress."""

import threading

import pytest

from egem import EGEMClassifier
from egem.runtime.parallel import run
from egem.runtime.progress import Phases, Progress, progress_listener
from helpers import QUICK


@pytest.mark.parametrize("n_jobs", [1, 2, 5, -1, None])
@pytest.mark.parametrize("n_tasks", [0, 1, 7])
def test_results_come_in_the_order_of_the_tasks(n_jobs, n_tasks):
    progress = []

    def work(task, advance):
        advance(0.5)
        advance(0.5)
        return task * task

    assert run(work, range(n_tasks), n_jobs, progress.append) == [i * i for i in range(n_tasks)]
    assert sum(progress) == n_tasks


def test_threads_work_at_the_same_time():
    both = threading.Barrier(2, timeout=300)
    assert run(lambda task, _: both.wait() >= 0, [1, 2], 2, lambda _: None) == [True, True]


def test_tasks_may_run_tasks():
    def outer(task, advance):
        return sum(run(lambda inner, _: task * inner, range(4), 2, lambda _: None))

    assert run(outer, range(8), 2, lambda _: None) == [6 * task for task in range(8)]


@pytest.mark.parametrize(("n_jobs", "n_threads"), [(None, 3), (2, 2)])
def test_tasks_in_turns_use_more_threads_than_cores_unless_a_number_is_given(
    monkeypatch, n_jobs, n_threads
):
    monkeypatch.setattr("egem.runtime.parallel.n_cores", lambda: 2)
    started = threading.Semaphore(0)
    counted = threading.Event()
    n_started = []

    def work(task, advance):
        started.release()
        if task == 0:  # counts those that have started, and waits shortly for one too many
            waits = [300] * n_threads + [0.5]
            n_started.append(sum(started.acquire(timeout=seconds) for seconds in waits))
            counted.set()
        assert counted.wait(300)

    run(work, range(8), n_jobs, lambda _: None, in_turns=True)
    assert n_started == [n_threads]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_the_first_failure_is_raised_and_stops_the_others(n_jobs):
    started, failed = [], threading.Event()

    def work(task, advance):
        started.append(task)
        if task == 0:
            failed.set()
            raise KeyError("task 0")
        failed.wait(300)
        for _ in range(100_000):  # stops at its next report of progress
            advance(0.0)
        return task

    with pytest.raises(KeyError, match="task 0"):
        run(work, range(50), n_jobs, lambda _: None)
    assert len(started) < 50


def test_a_failure_stops_tasks_that_started_earlier():
    failed = threading.Event()

    def work(task, advance):
        if task == 1:
            failed.set()
            raise KeyError("task 1")
        assert failed.wait(300)
        while True:
            advance(0.0)

    with pytest.raises(KeyError, match="task 1"):
        run(work, range(2), 2, lambda _: None)


def test_a_bar_is_drawn_only_if_asked(capsys):
    for show in (False, True):
        with Progress("counting", 2, show) as bar:
            bar.advance()
            bar.advance(1.0)
        out, err = capsys.readouterr()
        assert out == "" and ("counting" in err) == show
    assert "100%" in err


def test_a_listener_hears_of_progress_in_other_threads_until_the_block_ends():
    heard = []
    with (
        progress_listener(lambda title, fraction: heard.append((title, round(fraction, 3)))),
        Progress("working", 4, show=False) as bar,
    ):
        run(lambda task, advance: advance(1.0), range(4), 2, bar.advance)
    assert heard == [("working", fraction) for fraction in (0.25, 0.5, 0.75, 1.0)]
    with Progress("working", 1, show=False) as bar:
        bar.advance()
    assert len(heard) == 4


def test_a_listener_may_stop_the_work():
    def stop(title, fraction):
        raise TimeoutError

    with (
        progress_listener(stop),
        pytest.raises(TimeoutError),
        Progress("working", 4, show=False) as bar,
    ):
        run(lambda task, advance: advance(1.0), range(4), 2, bar.advance)


@pytest.mark.parametrize("views", ["auto", ("recurrent", "linear"), ("linear", "features")])
def test_the_progress_of_a_fit_covers_all_phases(views, waves):
    X, y, *_ = waves
    heard = []

    def listen(title, fraction):
        if title == "fitting":
            heard.append(fraction)

    with progress_listener(listen):
        EGEMClassifier(**QUICK, views=views).fit(X, y)
    assert heard == sorted(heard)
    assert len(heard) > 3 and heard[0] < 0.3
    assert heard[-1] == 1.0 and heard[-2] < 1.0


def test_changes_of_a_class_have_one_bar(waves):
    X, y, *_ = waves
    clf = EGEMClassifier(**QUICK, views=("linear", "features")).fit(X, y)
    heard = []
    with progress_listener(lambda title, fraction: heard.append((title, fraction))):
        clf.update_class(X[:1], y[0], refit_metric=True)
    own = [fraction for title, fraction in heard if title == "update class"]
    assert own == sorted(own) and own[-1] == 1.0 and own[-2] < 1.0


def test_the_time_left_is_told_once_enough_is_known(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("egem.runtime.progress.time.perf_counter", lambda: now[0])
    with Phases("fitting", {"weigh": 1, "train": 4, "check": 1}, show=False) as phases:
        with phases("weigh", undecided=True):
            now[0] = 10.0
            phases.within(0.9, "weighing")
            assert phases.seconds_left is None  # what comes next is not known
        with phases("train"):
            now[0] = 10.5
            phases.within(0.2, "training")
            assert phases.seconds_left is None  # half a second tells little
            now[0] = 14.0
            phases.within(0.5, "training")
            assert phases.seconds_left == pytest.approx(4.0 + 2.0)  # the rest, and the check
        assert phases.seconds_left is None
        assert 0.5 < phases.fraction < 1.0
    assert phases.fraction == 1.0


def test_a_computation_that_fails_is_not_reported_as_complete():
    heard = []

    def fail():
        with Phases("fitting", {"train": 1}, show=False) as phases, phases("train"):
            phases.within(0.5, "training")
            raise RuntimeError

    with progress_listener(lambda _, fraction: heard.append(fraction)), pytest.raises(RuntimeError):
        fail()
    assert heard == [0.5]
