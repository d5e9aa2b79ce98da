"""WebSockets: admission, and errors in the form of the other routes."""

import json
import logging
from collections.abc import Awaitable, Callable

from fastapi import WebSocket, WebSocketDisconnect
from pydantic import ValidationError
from starlette.status import WS_1013_TRY_AGAIN_LATER

from egem.apps.web.errors import ApiError, internal_error, validation_error
from egem.apps.web.workspace import Workspace, workspace_of

log = logging.getLogger(__name__)

MAX_SOCKETS = 128  # of all browsers


async def serve_socket(
    socket: WebSocket, talk: Callable[[WebSocket, Workspace], Awaitable[None]]
) -> None:
    """Accept a connection unless there are too many, and talk until the browser disconnects."""
    sockets: set[WebSocket] = socket.app.state.sockets
    if len(sockets) >= MAX_SOCKETS:
        await socket.close(WS_1013_TRY_AGAIN_LATER)
        return
    sockets.add(socket)
    try:
        await socket.accept()
        workspace, _ = workspace_of(socket)
        await talk(socket, workspace)
    except (WebSocketDisconnect, RuntimeError):  # the browser has disconnected
        pass
    finally:
        sockets.discard(socket)


async def received(socket: WebSocket) -> str:
    """Return the text of the next message; empty for binary ones."""
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect
    return message.get("text") or ""


async def answered(text: str, answer: Callable[[str], Awaitable[str]]) -> str:
    """Return the answer to a message, or the error that it leads to."""
    try:
        return await answer(text)
    except ValidationError as error:
        return _error_answer(text, validation_error(error.errors()))
    except ApiError as error:
        return _error_answer(text, error)
    except Exception as error:
        log.exception("a message cannot be answered")
        return _error_answer(text, internal_error(error))


def _error_answer(text: str, error: ApiError) -> str:
    """Return the error response to a request, with its id if it has one."""
    try:
        number = json.loads(text)["id"]
    except (ValueError, TypeError, KeyError, RecursionError):
        number = None
    return json.dumps({"id": number if isinstance(number, int) else None, **error.as_json()})
