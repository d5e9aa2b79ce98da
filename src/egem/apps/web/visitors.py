"""Who asks: browsers are told apart by a cookie that holds nothing but their workspace's id."""

from typing import Annotated

from fastapi import Depends, Response
from fastapi.requests import HTTPConnection

from egem.apps.web.store import is_id, new_id
from egem.apps.web.work import Workers
from egem.apps.web.workspace import Workspace, Workspaces

COOKIE = "egem"
YEAR = 365 * 24 * 3600


def workspace_of(connection: HTTPConnection) -> tuple[Workspace, str | None]:
    """Return the workspace that a request is about, and its id where that is new."""
    workspaces: Workspaces = connection.app.state.workspaces
    name = connection.cookies.get(COOKIE)
    if is_id(name):
        return workspaces.of(name), None  # type: ignore[arg-type]
    name = new_id()
    return workspaces.of(name), name


def _mine(connection: HTTPConnection, response: Response) -> Workspace:
    workspace, name = workspace_of(connection)
    if name:
        response.set_cookie(COOKIE, name, max_age=YEAR, httponly=True, samesite="strict")
    return workspace


def _workers(connection: HTTPConnection) -> Workers:
    return connection.app.state.workers


Mine = Annotated[Workspace, Depends(_mine)]
Hands = Annotated[Workers, Depends(_workers)]
