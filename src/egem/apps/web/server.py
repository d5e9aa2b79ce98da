"""The server around the application: its address, its token, its lock."""

import logging
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from filelock import FileLock, Timeout

from egem.apps.web import modelfiles
from egem.apps.web.app import create_app
from egem.apps.web.guard import is_local
from egem.apps.web.models import Model

log = logging.getLogger(__name__)

MOST_CONNECTIONS = 512
MOST_MESSAGE = 2**20  # bytes of a WebSocket message
MOST_QUEUED = 1  # messages of a WebSocket that nobody has read yet
SECONDS_TO_END = 5
SECONDS_OPEN = 75  # of an idle connection: a request that meets its closing would be lost


@dataclass(frozen=True)
class Address:
    """Where the server is reached.

    Attributes
    ----------
    host : str
        Name or number that it listens at.
    port : int
        Port.
    token : str or None
        What others must know; None where only this machine can reach it.
    """

    host: str
    port: int
    token: str | None

    @property
    def url(self) -> str:
        """What to open in a browser."""
        everywhere = self.host in ("0.0.0.0", "::", "")
        host = socket.gethostname() if everywhere else self.host
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self.port}/" + (f"?token={self.token}" if self.token else "")


def serve(
    model: Path | None,
    host: str,
    port: int,
    token: str | None,
    data_dir: Path,
    ready: Callable[[Address], None],
) -> None:
    """Serve until told to stop.

    Parameters
    ----------
    model : Path or None
        What workspaces begin with. They are kept apart by it.
    host : str
        Address to listen at. Beyond this machine a token is needed, and made where none is given.
    port : int
        0 takes a free one.
    token : str or None
        Asked for even on this machine where it is given.
    data_dir : Path
        Folder of all workspaces.
    ready : callable
        Called with the address once the server listens.

    Raises
    ------
    OSError
        Where the port is taken, or another server uses the folder.
    """
    beginning = Model()
    folder = data_dir / "drawn"
    if model is not None:
        beginning = modelfiles.read(None, model, model.name)
        folder = data_dir / f"model-{modelfiles.fingerprint(model)}"
    if token is None and not is_local(f"[{host}]" if ":" in host else host):
        token = secrets.token_urlsafe(24)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise OSError(
            f"another egem serve keeps its workspaces in {folder}; stop it, or give another "
            "--data-dir."
        ) from None
    with lock, _listening(host, port) as listening:
        address = Address(host, listening.getsockname()[1], token)
        app = create_app(
            folder / "workspaces",
            beginning=beginning,
            token=token,
            prepare=True,
            ready=lambda: ready(address),
        )
        config = uvicorn.Config(
            app,
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MOST_CONNECTIONS,
            ws_max_size=MOST_MESSAGE,
            ws_max_queue=MOST_QUEUED,
            timeout_keep_alive=SECONDS_OPEN,
            timeout_graceful_shutdown=SECONDS_TO_END,
        )
        uvicorn.Server(config).run(sockets=[listening])


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        raise OSError(
            f"cannot listen at {host}, port {port} ({error.strerror}); give another --port (0 "
            "takes a free one), or another --host."
        ) from error
