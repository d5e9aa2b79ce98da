"""The application: everything put together."""

import asyncio
import mimetypes
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from egem import __version__
from egem.apps.web import changing, files, inside, live
from egem.apps.web.guard import Guard, Limits
from egem.apps.web.models import Model
from egem.apps.web.preparing import prepare as prepare_lessons
from egem.apps.web.refusing import refuse_in_json
from egem.apps.web.store import Shelf
from egem.apps.web.work import Workers
from egem.apps.web.workspace import Workspaces

STATIC = Path(__file__).parent / "static"
mimetypes.add_type("text/javascript", ".js")  # whatever the machine's registry says


def create_app(
    data_dir: Path,
    *,
    beginning: Model | None = None,
    token: str | None = None,
    limits: Limits | None = None,
    prepare: bool = False,
    ready: Callable[[], None] | None = None,
) -> FastAPI:
    """Make the application.

    Parameters
    ----------
    data_dir : Path
        Folder to keep workspaces in; made where it is not there.
    beginning : Model or None, default None
        What new workspaces begin with; None begins without a class.
    token : str or None, default None
        What everybody must know who asks; None answers on this machine alone.
    limits : Limits or None, default None
        How much is let through.
    prepare : bool, default False
        Whether to compile, in the background, what the first lesson needs.
    ready : callable or None, default None
        Called once requests are served.

    Returns
    -------
    FastAPI
    """
    workers = Workers()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        preparing = asyncio.create_task(workers.slow(prepare_lessons)) if prepare else None
        if ready:
            ready()
        yield
        if preparing:
            preparing.cancel()
        workers.close()

    app = FastAPI(
        title="egem", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.state.workers = workers
    app.state.lines = set()
    app.state.workspaces = Workspaces(Shelf(data_dir), beginning or Model(), workers)
    refuse_in_json(app)
    for part in (changing, inside, files, live):
        app.include_router(part.router)
    app.add_middleware(Guard, token=token, limits=limits or Limits())  # type: ignore[arg-type]

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})

    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app
