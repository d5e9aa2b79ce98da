"""Changes of a workspace, one after another."""

import asyncio
import threading
from dataclasses import replace

import pytest

from egem.apps.web import workspace as module
from egem.apps.web.errors import ApiError
from egem.apps.web.models.snapshot import Snapshot
from egem.apps.web.store import Store, new_id
from egem.apps.web.workers import Clock, Closing, Workers
from egem.apps.web.workspace import MAX_WAITING, Workspace, Workspaces
from egem.runtime.progress import Progress


@pytest.fixture
def workers():
    workers = Workers()
    yield workers
    workers.close()


@pytest.fixture
def awake(tmp_path, workers):
    return Workspaces(Store(tmp_path), Snapshot(change="given"), workers)


def named(how):
    return lambda before: replace(before, change=f"{before.change} {how}".strip())


def test_changes_are_kept_and_survive_a_restart(awake, tmp_path, workers):
    async def first():
        mine = awake.of(name)
        await mine.change("start", None, named("a"))
        await mine.change("start", None, named("b"))
        return await mine.state()

    async def later():
        mine = Workspaces(Store(tmp_path), Snapshot(), workers).of(name)
        return await mine.state(), await mine.snapshot()

    name = new_id()
    before = asyncio.run(first())
    after, model = asyncio.run(later())
    assert after == before and model.change == "given a b"
    assert after.can_undo and after.version == 2


def test_undo_goes_back_to_the_beginning_and_no_further(awake):
    async def run():
        mine = awake.of(new_id())
        await mine.change("start", None, named("a"))
        await mine.undo()
        state = await mine.state()
        assert (await mine.snapshot()).change == "given"
        assert not state.can_undo and state.version == 2
        with pytest.raises(ApiError, match="nothing to undo"):
            await mine.undo()

    asyncio.run(run())


def test_changes_follow_each_other_and_answers_do_not_wait(awake):
    async def run():
        mine = awake.of(new_id())
        goes_on = threading.Event()

        def slow(before):
            goes_on.wait()
            return named("slow")(before)

        mine.start("train", "slow", slow)
        mine.start("train", "next", named("next"))
        state = await mine.state()
        assert state.busy is not None and state.busy.label == "slow"
        assert (await mine.snapshot()).change == "given"
        goes_on.set()
        while (await mine.state()).busy:
            await asyncio.sleep(0.01)
        assert (await mine.snapshot()).change == "given slow next"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("error", "problem", "remedy"),
    [
        (ValueError("X is odd; make it even."), "X is odd.", "Make it even."),
        (ApiError(409, "No.", "Yes."), "No.", "Yes."),
        (
            KeyError("x"),
            "An internal error occurred on the server (KeyError).",
            "Try something else",
        ),
    ],
)
def test_a_failure_is_reported_until_the_next_change(awake, error, problem, remedy):
    def fail(before):
        raise error

    async def run():
        mine = awake.of(new_id())
        mine.start("train", "x", fail)
        while (await mine.state()).busy:
            await asyncio.sleep(0.01)
        state = await mine.state()
        assert state.failure.problem == problem and state.failure.remedy.startswith(remedy)
        assert not state.can_undo and (await mine.snapshot()).change == "given"
        await mine.change("start", None, named("fine"))
        assert (await mine.state()).failure is None

    asyncio.run(run())


def test_few_changes_wait_and_more_are_refused(awake):
    async def run():
        mine = awake.of(new_id())
        for n in range(MAX_WAITING):
            mine.start("train", str(n), named(str(n)))
        with pytest.raises(ApiError) as refusal:
            mine.start("train", "one more", named("more"))
        assert refusal.value.status_code == 429
        while (await mine.state()).busy:
            await asyncio.sleep(0.01)
        assert (await mine.snapshot()).change == "given 0 1 2 3 4 5 6 7"

    asyncio.run(run())


def test_a_damaged_model_gives_way_to_the_one_before(awake, tmp_path, workers):
    name = new_id()

    async def first():
        mine = awake.of(name)
        await mine.change("start", None, named("a"))
        await mine.change("start", None, named("b"))

    async def later():
        mine = Workspaces(Store(tmp_path), Snapshot(), workers).of(name)
        state = await mine.state()
        return (await mine.snapshot()).change, state.failure

    asyncio.run(first())
    (tmp_path / name / "2.json").write_text('{"format": 1')
    how, failure = asyncio.run(later())
    assert how == "given a" and "cannot be read" in failure.problem


def test_there_is_one_object_of_a_workspace_as_long_as_somebody_holds_it(awake, monkeypatch):
    monkeypatch.setattr(module, "MAX_CACHED", 3)

    async def run():
        held = awake.of("a" * 22)
        for n in range(10):
            awake.of(f"{n:022}")
        assert awake.of("a" * 22) is held
        assert isinstance(held, Workspace)

    asyncio.run(run())


def test_what_takes_seconds_is_given_up_when_the_server_ends(workers):
    begun = threading.Event()

    def endless():
        with Progress("working", 1, show=False) as bar:
            while True:
                begun.set()
                bar.advance(0.0)

    async def run():
        work = asyncio.create_task(workers.slow(endless))
        await asyncio.get_running_loop().run_in_executor(None, begun.wait)
        workers.close()
        with pytest.raises(Closing):
            await asyncio.wait_for(work, 10)

    asyncio.run(run())


def test_progress_is_claimed_only_where_it_is_known():
    clock = Clock()
    assert (clock.stage, clock.progress, clock.seconds_left) == ("preparing", None, None)
    for share in (0.0, 0.5, 0.25):
        clock.update("training 3 experts", share)
    assert (clock.stage, clock.progress) == ("training", 0.5)
    assert clock.seconds_left is not None and clock.seconds_left >= 0
    clock.update("training 3 experts", 1.0)
    assert (clock.stage, clock.progress, clock.seconds_left) == ("checking", None, None)
    clock.update("inverting 9 cases", 0.5)
    clock.update("training 1 expert", 0.5)  # a stage does not come back
    assert (clock.stage, clock.progress) == ("checking", None)
