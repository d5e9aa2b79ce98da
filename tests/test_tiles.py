"""Work in tiles of one shape: nothing forgotten, nothing out of order, failures heard."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egem.runtime.batching import bucket, stack, tiled
from egem.runtime.parallel import run
from egem.runtime.progress import Progress, overheard


@given(st.integers(0, 200), st.integers(1, 40))
def test_tiles_cover_every_index_once_and_have_one_size(n, size):
    tiles = tiled(n, size)
    assert all(len(tile) == size for tile in tiles)
    joined = np.concatenate(tiles) if tiles else np.zeros(0, int)
    assert joined[:n].tolist() == list(range(n))
    assert (joined[n:] == n - 1).all() and len(joined) - n < size


@given(st.integers(1, 10_000), st.integers(1, 64))
def test_buckets_are_wide_enough_and_few(n, smallest):
    size = bucket(n, smallest)
    assert size >= n and (size == smallest or size < 2 * n)
    assert (size // smallest).bit_count() == 1 and size % smallest == 0


def test_trees_are_stacked_leaf_by_leaf():
    a, b = stack([(np.zeros(2), 1), (np.ones(2), 2)])
    assert a.tolist() == [[0, 0], [1, 1]] and b.tolist() == [1, 2]


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


def test_threads_do_work_side_by_side():
    both = threading.Barrier(2, timeout=300)
    assert run(lambda task, _: both.wait() >= 0, [1, 2], 2, lambda _: None) == [True, True]


@pytest.mark.parametrize(("n_jobs", "most"), [(None, 3), (2, 2)])
def test_threads_that_take_turns_are_more_than_cores_unless_a_number_was_asked_for(
    monkeypatch, n_jobs, most
):
    monkeypatch.setattr("egem.runtime.parallel.n_cores", lambda: 2)
    there = threading.Semaphore(0)
    gone = threading.Event()
    at_once = []

    def work(task, advance):
        there.release()
        if task == 0:  # waits for those that come, and a little for one too many
            together = [there.acquire(timeout=300 if i < most else 0.5) for i in range(most + 1)]
            at_once.append(sum(together))
            gone.set()
        assert gone.wait(300)

    run(work, range(8), n_jobs, lambda _: None, in_turns=True)
    assert at_once == [most]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_the_first_failure_is_raised_and_stops_the_others(n_jobs):
    begun, failed = [], threading.Event()

    def work(task, advance):
        begun.append(task)
        if task == 0:
            failed.set()
            raise KeyError("task 0")
        failed.wait(300)
        for _ in range(100_000):  # gives up at its next report
            advance(0.0)
        return task

    with pytest.raises(KeyError, match="task 0"):
        run(work, range(50), n_jobs, lambda _: None)
    assert len(begun) < 50


def test_a_bar_is_drawn_only_if_asked(capsys):
    for show in (False, True):
        with Progress("counting", 2, show) as bar:
            bar.advance()
            bar.advance(1.0)
        out, err = capsys.readouterr()
        assert out == "" and ("counting" in err) == show
    assert "100%" in err


def test_progress_is_overheard_from_other_threads_and_ends_with_the_block():
    heard = []
    with overheard(lambda title, share: heard.append((title, round(share, 3)))):
        with Progress("working", 4, show=False) as bar:
            run(lambda task, advance: advance(1.0), range(4), 2, bar.advance)
        assert threading.active_count() > 1
    assert heard == [("working", share) for share in (0.25, 0.5, 0.75, 1.0)]
    with Progress("working", 1, show=False) as bar:
        bar.advance()
    assert len(heard) == 4


def test_who_overhears_may_stop_the_work():
    def stop(title, share):
        raise TimeoutError

    with (
        overheard(stop),
        pytest.raises(TimeoutError),
        Progress("working", 4, show=False) as bar,
    ):
        run(lambda task, advance: advance(1.0), range(4), 2, bar.advance)
