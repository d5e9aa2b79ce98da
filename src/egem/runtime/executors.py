"""Executors: processes that run tasks, on this machine (loky) or on a cluster (Dask, Ray).

``joblib.parallel_config(backend="loky" | "dask" | "ray")`` selects one. Tasks do not go through
``joblib.Parallel``: it does not report which task killed a worker, and it waits forever for a Dask
worker that was killed. The backends are called directly; each returns standard futures.
"""

import pickle
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, cast

from joblib import parallel_config
from joblib.executor import get_memmapping_executor
from joblib.parallel import get_active_backend

from egem.errors import ClusterLost
from egem.runtime.parallel import n_cores

CONNECT_TIMEOUT = 20.0  # seconds to reach a scheduler for the first time
DASK_TIMEOUT = 60.0  # seconds without an answer: a scheduler is busy while it imports egem
RAY_TIMEOUT = 10.0  # Ray ends this process a minute after its head is lost
WORKER_TIMEOUT = 20.0  # seconds without a worker after which a cluster is lost
RAY_RETRIES = 1  # of a task whose worker died

Exceptions = tuple[type[BaseException], ...]


class Executor(ABC):
    """Runs functions in other processes.

    A future raises one of ``interrupted`` if its worker stopped, so that the task may run again,
    and one of ``lost`` if the cluster has ended.
    """

    interrupted: Exceptions = ()
    lost: Exceptions = ()

    def __init__(self, n_workers: int, max_workers: int | None = None):
        self.n_workers = max(min(n_workers, max_workers or n_workers), 1)

    @abstractmethod
    def submit(self, function: Callable, *args: Any) -> Future:
        """Call an importable function in a worker."""

    @abstractmethod
    def broadcast(self, value: Any) -> Any:
        """Send a value to every worker once; :func:`resolve` turns the result into the value."""

    def check(self) -> None:  # noqa: B027 - loky needs none
        """Raise ClusterLost if the cluster does not answer, or has no workers."""

    def close(self) -> None:  # noqa: B027
        """Release what was broadcast."""


class Reference(NamedTuple):
    """Where a worker reads a value that was broadcast."""

    read: Callable[[Any], Any]
    source: Any


def resolve(value: Any) -> Any:
    """Return, in a worker, the value that was broadcast; the last one stays in memory."""
    return _read(value) if isinstance(value, Reference) else value


@lru_cache(maxsize=1)
def _read(reference: Reference) -> Any:
    return reference.read(reference.source)


class _Loky(Executor):
    """Processes of this machine. When one dies, all tasks in progress are interrupted."""

    interrupted = (BrokenProcessPool,)

    def __init__(self, n_workers: int):
        super().__init__(n_workers)
        self._folders = ExitStack()

    def submit(self, function: Callable, *args: Any) -> Future:
        try:
            return self._processes().submit(function, *args)
        except BrokenProcessPool:  # a worker died just now; the next call starts new ones
            return self._processes().submit(function, *args)

    def _processes(self) -> Any:
        """Return joblib's pool: loky has one for all, and joblib can use no other than its own."""
        return get_memmapping_executor(self.n_workers, max_nbytes=None)

    def broadcast(self, value: Any) -> Any:
        path = Path(self._folders.enter_context(TemporaryDirectory(prefix="egem-")), "value")
        path.write_bytes(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))
        return Reference(_read_pickle, path)

    def close(self) -> None:
        self._folders.close()


def _read_pickle(path: Path) -> Any:
    return pickle.loads(path.read_bytes())


class _Dask(Executor):
    """A Dask cluster. Its scheduler reassigns tasks, and blames those that waited as well."""

    def __init__(self, client: Any, max_workers: int | None = None):
        from distributed import KilledWorker

        self.interrupted = (CancelledError, KilledWorker)
        self._client = client
        self._address = client.scheduler.address
        self.check()
        super().__init__(sum(client.ncores().values()), max_workers)
        self._futures = client.get_executor(pure=False)

    def submit(self, function: Callable, *args: Any) -> Future:
        return self._futures.submit(function, *args)

    def broadcast(self, value: Any) -> Any:
        return self._client.scatter([value], broadcast=True, hash=False)[0]

    def check(self) -> None:
        from distributed.exceptions import WorkerStartTimeoutError

        try:
            if self._client.status != "running":
                raise ConnectionError(f"the connection is {self._client.status}")
            identity = self._client.scheduler.identity
            if not self._client.sync(identity, callback_timeout=DASK_TIMEOUT)["workers"]:
                self._client.wait_for_workers(1, timeout=WORKER_TIMEOUT)
        except WorkerStartTimeoutError as error:
            raise ClusterLost(
                f"the Dask cluster at {self._address} has had no worker for {WORKER_TIMEOUT:.0f} "
                f"seconds; start some with: dask worker {self._address}"
            ) from error
        except Exception as error:
            raise ClusterLost(
                f"the scheduler of the Dask cluster at {self._address} does not answer any more "
                f"({type(error).__name__}: {error}); start it again."
            ) from error


class _Ray(Executor):
    """A Ray cluster, which reassigns the tasks of dead workers :data:`RAY_RETRIES` times."""

    def __init__(self, max_workers: int | None = None):
        import ray

        self._ray = ray
        if not ray.is_initialized():
            ray.init()  # the cluster at RAY_ADDRESS, or one of this machine
        self.interrupted = (ray.exceptions.ObjectLostError, ray.exceptions.WorkerCrashedError)
        self.lost = (ray.exceptions.LocalRayletDiedError,)
        super().__init__(int(ray.cluster_resources().get("CPU", 1)), max_workers)

    def submit(self, function: Callable, *args: Any) -> Future:
        remote = self._ray.remote(num_cpus=1, max_retries=RAY_RETRIES)(function)
        task = remote.remote(*args)

        def cancel(future: Future) -> None:
            if future.cancelled():
                self._ray.cancel(task, force=False)

        future = task.future()
        future.add_done_callback(cancel)
        return future

    def broadcast(self, value: Any) -> Any:
        return Reference(_read_from_ray, self._ray.put(value))

    def check(self) -> None:
        # A call to a lost head may not return.
        nodes: list = []
        ping = threading.Thread(target=lambda: nodes.extend(self._ray.nodes()), daemon=True)
        ping.start()
        ping.join(RAY_TIMEOUT)
        if not any(node["Alive"] for node in nodes):
            raise ClusterLost(
                "the head of the Ray cluster does not answer any more; start it again."
            )


def _read_from_ray(source: Any) -> Any:
    import ray

    return ray.get(source)


def active_executor(n_jobs: int | None = None) -> Executor | None:
    """Return the executor that joblib's configuration selects, or None for threads.

    ``n_jobs`` limits the number of workers; None takes joblib's number, -1 takes all workers.
    Raises ValueError for any other backend, and ClusterLost if the Dask cluster does not answer.
    """
    backend, configured = cast(tuple[Any, int | None], get_active_backend(prefer="threads"))
    if getattr(backend, "supports_sharedmem", False):
        return None
    n_jobs = configured if n_jobs is None else n_jobs
    max_workers = None if n_jobs is None or n_jobs < 0 else n_jobs
    match type(backend).__name__:  # an import of the class may fail where it is not used
        case "LokyBackend":
            return _Loky(max_workers or n_cores())
        case "DaskDistributedBackend":
            return None if _in_dask_task() else _Dask(backend.client, max_workers)
        case "RayBackend":
            return _Ray(max_workers)
        case name:
            raise ValueError(
                f"joblib's backend {name} cannot run experts (JAX does not survive a fork); use "
                "parallel_config with 'loky', 'dask' or 'ray', or 'threading' for this process."
            )


def _in_dask_task() -> bool:
    """Whether this is a task of Dask, which would block a worker if it waited for others."""
    from distributed import get_worker

    try:
        get_worker()
    except ValueError:
        return False
    return True


@contextmanager
def dask_cluster(address: str | None) -> Iterator[None]:
    """Select the Dask cluster of a scheduler, such as ``tcp://host:8786``, within the block.

    None changes nothing. Raises ImportError without Dask, and ClusterLost if no scheduler answers.
    """
    if address is None:
        yield
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise ImportError("a cluster needs Dask; run: pip install 'egem[cluster]'") from error
    try:
        client = Client(address, timeout=CONNECT_TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterLost(
            f"no Dask scheduler answers at {address} ({error}); start one with: dask scheduler"
        ) from error
    try:
        with parallel_config(backend="dask", client=client):
            yield
    finally:
        client.close(timeout=1)
