"""A Dask cluster, by its address."""

from collections.abc import Iterator
from contextlib import contextmanager

from joblib import parallel_config

from egem.errors import ClusterLost

TIMEOUT = 20  # seconds to find the scheduler


@contextmanager
def working_on(address: str | None) -> Iterator[None]:
    """Within the block, experts are trained and cases judged on a Dask cluster.

    Parameters
    ----------
    address : str or None
        Of its scheduler, like ``tcp://host:8786``; None changes nothing.

    Raises
    ------
    ImportError
        Where Dask is not installed.
    ClusterLost
        Where no scheduler answers there.
    """
    if address is None:
        yield
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise ImportError("a cluster needs Dask; run: pip install 'egem[cluster]'") from error
    try:
        client = Client(address, timeout=TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterLost(
            f"no Dask scheduler answers at {address} ({error}); start one with: dask scheduler"
        ) from error
    try:
        with parallel_config(backend="dask", client=client):
            yield
    finally:
        client.close(timeout=1)
