"""``egem serve``."""

import importlib.util
import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from egem.apps.web.server import Address

_NEEDED = {
    "fastapi": "fastapi",
    "uvicorn": "uvicorn",
    "python_multipart": "python-multipart",
    "websockets": "websockets",
}


def serve(
    model: Annotated[
        Path | None,
        typer.Argument(metavar="[MODEL]", help="A model to begin with; default none."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen at; others than this machine need the token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8765,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="EGEM_TOKEN",
            help="Secret to be asked for; default a random one where other machines can connect.",
        ),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Folder to keep workspaces in; default the user's data folder."),
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the address.")
    ] = False,
) -> None:
    """Open a page to teach by drawing, recognise while drawing, and fit to data.

    Each browser has its own model, which is kept. Ctrl-C ends the server.
    """
    lacking = [name for module, name in _NEEDED.items() if not importlib.util.find_spec(module)]
    if lacking:
        raise ImportError(
            f"egem serve needs {', '.join(lacking)}, not installed here; run: "
            "pip install 'egem[web]'."
        )
    from platformdirs import user_data_path

    from egem.apps.web.server import serve

    def ready(address: "Address") -> None:
        print(f"the page is at {address.url}  (Ctrl-C ends it)", flush=True)
        if not no_browser:
            threading.Thread(target=webbrowser.open, args=(address.url,), daemon=True).start()

    serve(model, host, port, token, data_dir or user_data_path("egem") / "serve", ready)
