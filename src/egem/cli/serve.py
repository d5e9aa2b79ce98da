"""``egem serve``."""

from pathlib import Path
from typing import Annotated

import typer


def serve(
    model: Annotated[
        Path | None, typer.Argument(metavar="[MODEL]", help="A model to begin with.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8765,
    token: Annotated[
        str | None, typer.Option(help="Secret that others must know; default a random one.")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder to keep workspaces in.")] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open no browser.")] = False,
) -> None:
    """Open a page that is taught by drawing, and recognises while you draw."""
    try:
        import uvicorn

        from ..web.app import create_app
    except ImportError as error:
        raise ImportError(
            f"egem serve needs {error.name}, which is not installed; run: pip install 'egem[web]'."
        ) from error
    from platformdirs import user_data_path

    app = create_app(data_dir or user_data_path("egem") / "workspaces")
    uvicorn.run(app, host=host, port=port, log_level="warning")
