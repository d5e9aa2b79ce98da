"""Where shards of work run outside this process: the engine that joblib was told to use.

``joblib.parallel_config(backend="loky" | "dask" | "ray")`` says which. joblib's own loop over tasks
waits for ever where a cluster's scheduler is gone, and says nothing of which task killed a worker,
so tasks are handed to the engines as they are: each gives back futures of the standard library.
"""

import pickle
import secrets
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, cast

from joblib.parallel import get_active_backend

from egem.errors import ClusterLost
from egem.runtime.parallel import n_cores

PING = 10.0  # seconds that a scheduler has to answer
WITHOUT_WORKERS = 20.0  # seconds that a cluster may be without any
RETRIES = 1  # of a task whose worker died, where the engine counts


class Engine(ABC):
    """Runs functions in other processes.

    Attributes
    ----------
    n_workers : int
        Tasks that run at once.
    fatal : tuple of exception types
        What a task raises whose worker died as often as the engine tries.
    broken : tuple of exception types
        What tasks raise that something else took down: they can be tried again.
    gone : tuple of exception types
        What tasks raise where there is nobody any more to try them again.
    """

    fatal: ClassVar[tuple[type[BaseException], ...]] = ()
    broken: ClassVar[tuple[type[BaseException], ...]] = ()
    gone: ClassVar[tuple[type[BaseException], ...]] = ()

    def __init__(self, n_workers: int):
        self.n_workers = max(n_workers, 1)

    @abstractmethod
    def submit(self, work: Callable, *args: Any) -> Future:
        """Run a function of a module in another process."""

    @abstractmethod
    def share(self, value: Any) -> Any:
        """Bring a large value to the workers once; :func:`resolve` gives it there."""

    def check(self) -> None:  # noqa: B027 - a pool of this machine is always there
        """Raise :class:`ClusterLost` where nothing can come any more."""

    def close(self) -> None:  # noqa: B027
        """Let go of what was shared."""


class _Loky(Engine):
    """Processes of this machine, kept for the next call."""

    broken = (BrokenProcessPool,)  # all tasks under way fail together, whichever was to blame

    def __init__(self, n_workers: int):
        super().__init__(n_workers)
        self._folder: tempfile.TemporaryDirectory | None = None

    def submit(self, work: Callable, *args: Any) -> Future:
        from joblib.externals.loky import get_reusable_executor

        return get_reusable_executor(max_workers=self.n_workers).submit(work, *args)

    def share(self, value: Any) -> Any:
        self._folder = self._folder or tempfile.TemporaryDirectory(prefix="egem-")
        key = secrets.token_hex(8)
        path = Path(self._folder.name, key)
        path.write_bytes(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))
        return _Shared(key, str(path))

    def close(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()


class _Dask(Engine):
    """A Dask cluster. Its scheduler itself gives a dead worker's tasks to others, several times."""

    broken = (CancelledError,)

    def __init__(self, client: Any, most: int | None):
        from distributed import KilledWorker

        self.fatal = (KilledWorker,)  # type: ignore[misc]
        self._client, self._empty_since = client, None
        self._address = client.scheduler.address
        if not client.ncores():
            self._wait()
        n = sum(client.ncores().values())
        super().__init__(n if most is None else min(n, most))
        self._executor = client.get_executor(pure=False)

    def _wait(self) -> None:
        try:
            self._client.wait_for_workers(1, timeout=WITHOUT_WORKERS)
        except TimeoutError as error:
            raise ClusterLost(
                f"the Dask cluster at {self._address} has no worker; start some with: "
                f"dask worker {self._address}"
            ) from error

    def submit(self, work: Callable, *args: Any) -> Future:
        return self._executor.submit(work, *args)

    def share(self, value: Any) -> Any:
        return self._client.scatter([value], broadcast=True, hash=False)[0]

    def check(self) -> None:
        try:
            if self._client.status != "running":
                raise ConnectionError(f"the connection is {self._client.status}")
            identity = self._client.scheduler.identity
            workers = self._client.sync(identity, callback_timeout=PING)["workers"]
        except Exception as error:
            raise ClusterLost(
                f"the scheduler of the Dask cluster at {self._address} does not answer any more "
                f"({type(error).__name__}: {error}); start it again."
            ) from error
        now = time.monotonic()
        self._empty_since = None if workers else self._empty_since or now
        if self._empty_since is not None and now - self._empty_since > WITHOUT_WORKERS:
            raise ClusterLost(
                f"the Dask cluster at {self._address} has had no worker for {WITHOUT_WORKERS:.0f} "
                f"seconds; start some with: dask worker {self._address}"
            )


class _Ray(Engine):
    """A Ray cluster. It gives a dead worker's task to another once."""

    def __init__(self, most: int | None):
        import ray

        self._ray = ray
        if not ray.is_initialized():
            ray.init()  # a cluster named by RAY_ADDRESS, or one of this machine
        self.fatal = (ray.exceptions.WorkerCrashedError,)  # type: ignore[misc]
        self.broken = (ray.exceptions.ObjectLostError,)  # type: ignore[misc]
        self.gone = (ray.exceptions.LocalRayletDiedError,)  # type: ignore[misc]
        n = int(ray.cluster_resources().get("CPU", 1))
        super().__init__(n if most is None else min(n, most))
        self._refs: dict[Future, Any] = {}

    def submit(self, work: Callable, *args: Any) -> Future:
        ref = self._ray.remote(num_cpus=1, max_retries=RETRIES)(work).remote(*args)
        future = ref.future()
        future.add_done_callback(lambda done: self._refs.pop(done, None))
        self._refs[future] = ref
        return future

    def share(self, value: Any) -> Any:
        return _Shared(secrets.token_hex(8), self._ray.put(value))

    def check(self) -> None:
        # Ray ends the whole process a minute after its head is gone: say so before.
        nodes: list = []
        asking = threading.Thread(target=lambda: nodes.extend(self._ray.nodes()), daemon=True)
        asking.start()
        asking.join(PING)
        if not any(node["Alive"] for node in nodes):
            raise ClusterLost(
                "the head of the Ray cluster does not answer any more; start it again."
            )

    def close(self) -> None:
        for ref in list(self._refs.values()):
            self._ray.cancel(ref, force=False)


class _Shared(NamedTuple):
    """Where a worker finds a value that many tasks need: a file, or an object of Ray's."""

    key: str
    at: Any


_found: dict[str, Any] = {}
_finding = threading.Lock()


def resolve(shared: Any) -> Any:
    """Return, in a worker, what :meth:`Engine.share` was given; the last one is remembered."""
    if not isinstance(shared, _Shared):
        return shared
    with _finding:
        if shared.key not in _found:
            _found.clear()
            if isinstance(shared.at, str):
                value = pickle.loads(Path(shared.at).read_bytes())  # our own, of this user
            else:
                import ray

                value = ray.get(shared.at)
            _found[shared.key] = value
        return _found[shared.key]


def _within_dask() -> bool:
    """Tell whether this is a task of Dask's itself, of a search for parameters perhaps."""
    from distributed import get_worker

    try:
        get_worker()
    except ValueError:
        return False
    return True


def active(n_jobs: int | None) -> Engine | None:
    """Return the engine that joblib was told to use, or None where work stays in this process.

    Parameters
    ----------
    n_jobs : int or None
        Most workers at once; None asks joblib's configuration, and -1 takes all there are.

    Raises
    ------
    ValueError
        For a backend that egem cannot use.
    """
    backend, configured = cast(tuple[Any, int | None], get_active_backend(prefer="threads"))
    if getattr(backend, "supports_sharedmem", False):
        return None
    n_jobs = configured if n_jobs is None else n_jobs
    most = None if n_jobs is None or n_jobs < 0 else int(n_jobs)
    name = type(backend).__name__
    if name == "DaskDistributedBackend":
        if _within_dask():  # what waits for other tasks there keeps them from being run
            return None
        return _Dask(backend.client, most)
    if name == "RayBackend":
        return _Ray(most)
    if name == "LokyBackend":
        return _Loky(most or n_cores())
    raise ValueError(
        f"joblib's backend {name} cannot run experts (JAX does not survive a fork); use "
        "parallel_config with 'loky', 'dask' or 'ray', or 'threading' for this process."
    )
