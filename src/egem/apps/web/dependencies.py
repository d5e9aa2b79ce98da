"""What routes need: the browser's workspace and the server's threads."""

from typing import Annotated

from fastapi import Depends, Response
from fastapi.requests import HTTPConnection

from egem.apps.web.workers import Workers
from egem.apps.web.workspace import COOKIE, Workspace, workspace_of

YEAR = 365 * 24 * 3600


def _workspace(connection: HTTPConnection, response: Response) -> Workspace:
    """Return the browser's workspace; a new one sets a cookie that holds its id only."""
    workspace, new_cookie = workspace_of(connection)
    if new_cookie:
        response.set_cookie(COOKIE, new_cookie, max_age=YEAR, httponly=True, samesite="strict")
    return workspace


def _workers(connection: HTTPConnection) -> Workers:
    return connection.app.state.workers


Current = Annotated[Workspace, Depends(_workspace)]
Pool = Annotated[Workers, Depends(_workers)]
