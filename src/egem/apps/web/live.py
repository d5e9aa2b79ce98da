"""The stroke while it grows: a WebSocket.

OpenAPI has no words for it. A client sends ``{"id", "stroke", "done"}``, of which ``id`` is a whole
number of its own, and receives a verdict with that ``id``, or ``{"id", "error"}``. While one
question is being answered, of those that arrive only the newest is kept.
"""

import asyncio
import json
import logging

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import ValidationError
from starlette.status import WS_1013_TRY_AGAIN_LATER

from egem.apps.web.refusing import fault, of_validation
from egem.apps.web.schema import LiveQuestion
from egem.apps.web.trouble import Trouble
from egem.apps.web.verdicts import verdict
from egem.apps.web.visitors import workspace_of
from egem.apps.web.work import Workers
from egem.apps.web.workspace import Workspace

log = logging.getLogger(__name__)
router = APIRouter()

MOST_LINES = 128  # of all browsers


@router.websocket("/api/live")
async def live(socket: WebSocket) -> None:
    """Answer questions about a growing stroke, as long as the browser stays."""
    open_lines: set[WebSocket] = socket.app.state.lines
    if len(open_lines) >= MOST_LINES:
        await socket.close(WS_1013_TRY_AGAIN_LATER)
        return
    open_lines.add(socket)
    tasks = []
    try:
        await socket.accept()
        workspace, _ = workspace_of(socket)
        newest: asyncio.Queue[str] = asyncio.Queue(1)
        tasks = [
            asyncio.create_task(_listen(socket, newest)),
            asyncio.create_task(_answer_all(socket, newest, workspace)),
        ]
        await asyncio.gather(*tasks)
    except (WebSocketDisconnect, RuntimeError):  # the browser left, between or amid messages
        pass
    finally:
        open_lines.discard(socket)
        for task in tasks:
            task.cancel()


async def _listen(socket: WebSocket, newest: asyncio.Queue[str]) -> None:
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect
        if newest.full():
            newest.get_nowait()
        newest.put_nowait(message.get("text") or "")


async def _answer_all(socket: WebSocket, newest: asyncio.Queue[str], workspace: Workspace) -> None:
    workers: Workers = socket.app.state.workers
    while True:
        words = await newest.get()
        try:
            question = LiveQuestion.model_validate_json(words)
            model = await workspace.model()
            found = await workers.quick(verdict, model, question.stroke, question.done)
            answer = f'{{"id":{question.id},{found.model_dump_json()[1:]}'
        except ValidationError as error:
            answer = _refusal(words, of_validation(error.errors()))
        except Trouble as trouble:
            answer = _refusal(words, trouble)
        except Exception as error:
            log.exception("a stroke cannot be judged")
            answer = _refusal(words, fault(error))
        await socket.send_text(answer)


def _refusal(words: str, trouble: Trouble) -> str:
    """Refuse a question, by its id if it has one."""
    try:
        number = json.loads(words)["id"]
    except (ValueError, TypeError, KeyError, RecursionError):
        number = None
    return json.dumps({"id": number if isinstance(number, int) else None, **trouble.as_json()})
