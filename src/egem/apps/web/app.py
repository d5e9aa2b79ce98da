"""The FastAPI application."""

import asyncio
import mimetypes
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from egem import __version__
from egem.apps.web import data_routes, live, routes, stream_routes
from egem.apps.web.errors import ApiError, internal_error, sentence, validation_error
from egem.apps.web.guard import HEADERS, Guard, Limits
from egem.apps.web.models.recognition import compile_ahead
from egem.apps.web.models.snapshot import Snapshot
from egem.apps.web.store import Store
from egem.apps.web.workers import Workers
from egem.apps.web.workspace import Workspaces

STATIC = Path(__file__).parent / "static"
_REMEDIES = {404: "See /openapi.json for what exists.", 405: "Use another method."}

mimetypes.add_type("text/javascript", ".js")  # whatever the system's registry says


def create_app(
    data_dir: Path,
    *,
    initial: Snapshot | None = None,
    token: str | None = None,
    limits: Limits | None = None,
    prepare: bool = False,
    on_ready: Callable[[], None] | None = None,
) -> FastAPI:
    """Create the application.

    Parameters
    ----------
    data_dir : Path
        Folder for the workspaces; created if necessary.
    initial : Snapshot or None, default None
        Content of a new workspace; None has no class.
    token : str or None, default None
        Token that every request must carry; None serves this machine only.
    limits : Limits or None, default None
        Limits on requests.
    prepare : bool, default False
        Whether to compile, in the background, what the first training needs.
    on_ready : callable or None, default None
        Called once requests are served.

    Returns
    -------
    FastAPI
    """
    workers = Workers()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        compilation = asyncio.create_task(workers.slow(compile_ahead)) if prepare else None
        if on_ready:
            on_ready()
        yield
        if compilation:
            compilation.cancel()
        workers.close()

    app = FastAPI(
        title="egem", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.state.workers = workers
    app.state.sockets = set()
    app.state.workspaces = Workspaces(Store(data_dir), initial or Snapshot(), workers)
    _handle_errors(app)
    app.include_router(routes.router)
    app.include_router(data_routes.router)
    app.include_router(live.router)
    app.include_router(stream_routes.router)
    app.add_middleware(Guard, token=token, limits=limits or Limits())  # type: ignore[arg-type]

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})

    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


def _handle_errors(app: FastAPI) -> None:
    """Answer every error in the form of :class:`ApiError`."""

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        if not isinstance(error, ApiError):
            remedy = _REMEDIES.get(error.status_code, "See /openapi.json for the format.")
            error = ApiError(error.status_code, sentence(str(error.detail)), remedy)
        return JSONResponse(error.as_json(), error.status_code, error.headers)

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> JSONResponse:
        return await _http(request, validation_error(error.errors()))

    @app.exception_handler(Exception)
    async def _internal(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse(internal_error(error).as_json(), 500, HEADERS)
