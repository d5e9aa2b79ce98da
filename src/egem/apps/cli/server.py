"""``egem serve``."""

import importlib.util
import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from egem.apps.web.server import Address

_REQUIRED = {
    "fastapi": "fastapi",
    "uvicorn": "uvicorn",
    "python_multipart": "python-multipart",
    "websockets": "websockets",
}


def serve(
    model: Annotated[
        Path | None,
        typer.Argument(metavar="[MODEL]", help="Initial model; default none."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; other machines need the token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 selects a free one.")] = 8765,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="EGEM_TOKEN",
            help="Access token; default a random one if other machines can connect.",
        ),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Folder for the workspaces; default the user's data folder."),
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address only.")
    ] = False,
) -> None:
    """Open a page on which to train classes by drawing, classify drawings, and fit to data.

    The model of each browser is stored on disk. Ctrl-C stops the server.
    """
    missing = [name for module, name in _REQUIRED.items() if not importlib.util.find_spec(module)]
    if missing:
        raise ImportError(
            f"egem serve needs {', '.join(missing)}, not installed here; run: "
            "pip install 'egem[web]'."
        )
    from platformdirs import user_data_path

    from egem.apps.web.server import serve

    def on_ready(address: "Address") -> None:
        print(f"serving at {address.url}  (Ctrl-C stops it)", flush=True)
        if not no_browser:
            threading.Thread(target=webbrowser.open, args=(address.url,), daemon=True).start()

    serve(model, host, port, token, data_dir or user_data_path("egem") / "serve", on_ready)
