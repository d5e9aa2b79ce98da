"""The real server in a thread, and waiting for it."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import uvicorn

from egem.apps.web.app import create_app

PATIENCE = 300.0  # seconds that tests wait for an answer of a machine that is busy otherwise


@contextmanager
def serving(folder: Path, port: int = 0, **options) -> Iterator[str]:
    """Serve workspaces kept in a folder, and yield the address; options are those of the app."""
    listening = socket.create_server(("127.0.0.1", port))
    app = create_app(data_dir=folder, **options)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        listening.close()


def settled(client: httpx.Client, patience: float = PATIENCE) -> dict:
    """Wait until nothing is under way, and return the state; patience is in seconds."""
    until = time.monotonic() + patience
    while (state := client.get("/api/state").json())["busy"]:
        if time.monotonic() > until:
            raise TimeoutError(f"still under way after {patience:g} s: {state['busy']}")
        time.sleep(0.05)
    return state
