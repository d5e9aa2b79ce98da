"""The stroke while it grows: a WebSocket."""

import asyncio
import json

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import ValidationError

from .refusing import of_validation
from .schema import LiveQuestion
from .trouble import Trouble
from .verdicts import verdict
from .visitors import workspace_of
from .work import Workers
from .workspace import Workspace

router = APIRouter()


@router.websocket("/api/live")
async def live(socket: WebSocket) -> None:
    """Answer questions about a growing stroke; of those that wait, only the newest."""
    workspace, _ = workspace_of(socket)
    await socket.accept()
    newest: asyncio.Queue[str] = asyncio.Queue(1)

    async def listen() -> None:
        while True:
            words = await socket.receive_text()
            if newest.full():
                newest.get_nowait()
            newest.put_nowait(words)

    async def answer() -> None:
        while True:
            words = await newest.get()
            await socket.send_text(await _answer(workspace, socket.app.state.workers, words))

    tasks = [asyncio.create_task(listen()), asyncio.create_task(answer())]
    try:
        await asyncio.gather(*tasks)
    except WebSocketDisconnect:
        pass
    finally:
        for task in tasks:
            task.cancel()


async def _answer(workspace: Workspace, workers: Workers, words: str) -> str:
    number: int | None = None
    try:
        question = LiveQuestion.model_validate_json(words)
        number = question.id
        model = await workspace.model()
        found = await workers.quick(verdict, model, question.stroke, question.done)
        return f'{{"id":{number},' + found.model_dump_json()[1:]
    except ValidationError as error:
        trouble = of_validation(error.errors())
    except Trouble as error:
        trouble = error
    return json.dumps({"id": number, **trouble.as_json()})
