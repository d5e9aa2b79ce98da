"""The server process: its address, its token and the lock of its data folder."""

import logging
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from filelock import FileLock, Timeout

from egem.apps.web.app import create_app
from egem.apps.web.guard import is_local
from egem.apps.web.models.snapshot import Snapshot
from egem.apps.web.models.uploads import fingerprint, read_model

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 512
MAX_MESSAGE = 2**20  # bytes of a WebSocket message
MAX_QUEUED = 1  # unread messages of a WebSocket
SHUTDOWN_SECONDS = 5
KEEP_ALIVE_SECONDS = 75  # of an idle connection; a request while it closes would be lost


@dataclass(frozen=True)
class Address:
    """Address of the server.

    Attributes
    ----------
    host : str
        Host name or address on which it listens.
    port : int
        Port.
    token : str or None
        Access token; None if only this machine can connect.
    """

    host: str
    port: int
    token: str | None

    @property
    def url(self) -> str:
        """URL to open in a browser."""
        any_host = self.host in ("0.0.0.0", "::", "")
        host = socket.gethostname() if any_host else self.host
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self.port}/" + (f"?token={self.token}" if self.token else "")


def serve(
    model: Path | None,
    host: str,
    port: int,
    token: str | None,
    data_dir: Path,
    on_ready: Callable[[Address], None],
) -> None:
    """Serve until interrupted.

    Parameters
    ----------
    model : Path or None
        Initial model of the workspaces; each initial model has workspaces of its own.
    host : str
        Address to listen on. If other machines can connect, a missing token is generated.
    port : int
        0 selects a free one.
    token : str or None
        Access token; if given, it is required on this machine as well.
    data_dir : Path
        Folder of all workspaces.
    on_ready : callable
        Called with the address once the server listens.

    Raises
    ------
    OSError
        If the port is in use, or another server uses the folder.
    """
    initial = Snapshot()
    folder = data_dir / "drawn"
    if model is not None:
        initial = read_model(model, model.name)
        folder = data_dir / f"model-{fingerprint(model)}"
    if token is None and not is_local(f"[{host}]" if ":" in host else host):
        token = secrets.token_urlsafe(24)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise OSError(
            f"another egem serve uses the workspaces in {folder}; stop it, or give another "
            "--data-dir."
        ) from None
    with lock, _listening(host, port) as listening:
        address = Address(host, listening.getsockname()[1], token)
        app = create_app(
            folder / "workspaces",
            initial=initial,
            token=token,
            prepare=True,
            on_ready=lambda: on_ready(address),
        )
        config = uvicorn.Config(
            app,
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MAX_CONNECTIONS,
            ws_max_size=MAX_MESSAGE,
            ws_max_queue=MAX_QUEUED,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )
        uvicorn.Server(config).run(sockets=[listening])


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        raise OSError(
            f"cannot listen on {host}, port {port} ({error.strerror}); give another --port (0 "
            "selects a free one), or another --host."
        ) from error
