"""The API's routes for streams: recorded ones, and live ones over a WebSocket.

OpenAPI does not describe WebSockets. A client of ``/api/stream`` sends ``{"id", "channels",
"times", "end"}``: the next frames of a stream, as a list of values for each channel, with times or
without. It receives ``{"id", "events", "under_way"}`` for each message in turn, or ``{"id",
"error"}``, and then none of its frames is taken. A stream belongs to its connection, and keeps the
model that was current at its first frame; after ``"end": true`` another one begins. ``?kind=``
chooses what windows are compared in, as in the library.
"""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, UploadFile, WebSocket
from starlette.status import WS_1013_TRY_AGAIN_LATER

from egem.apps.web.dependencies import Current, Pool
from egem.apps.web.errors import ApiError
from egem.apps.web.models.recording_files import read_recordings, receive, temporary_folder
from egem.apps.web.models.streams import LiveStream, spot, spotter_of
from egem.apps.web.models.verdicts import classifier_of_recordings
from egem.apps.web.responses import ERRORS
from egem.apps.web.sockets import answered, received, serve_socket
from egem.apps.web.store import new_id
from egem.apps.web.stream_messages import RecordedStream, StreamKind, StreamRequest
from egem.apps.web.workers import Workers
from egem.apps.web.workspace import Workspace

router = APIRouter(prefix="/api/stream", responses=ERRORS, tags=["stream"])

MAX_STREAMS = 4  # live ones of a workspace
Kind = Annotated[
    StreamKind, Query(description="What windows are compared in; auto is pen for two channels.")
]


@router.post("")
async def spot_recording(
    files: list[UploadFile], current: Current, pool: Pool, kind: Kind = "auto"
) -> RecordedStream:
    """Find events in a recording: one file, or the files of one recording, as a phone exports them.

    They are read as other recordings are, and not stored.
    """
    snapshot = await current.snapshot()
    step = classifier_of_recordings(snapshot).time_step_
    with temporary_folder() as folder:
        upload = await pool.quick(receive, files, folder)
        recordings = await pool.slow(read_recordings, upload, new_id(), True, step)
    return await pool.slow(spot, snapshot, recordings, kind)


@router.websocket("")
async def live_stream(socket: WebSocket, kind: Kind = "auto") -> None:
    """Find events in a live stream until the browser disconnects."""
    await serve_socket(socket, partial(_talk, kind=kind))


async def _talk(socket: WebSocket, workspace: Workspace, kind: StreamKind) -> None:
    if workspace.n_streams >= MAX_STREAMS:
        await socket.close(WS_1013_TRY_AGAIN_LATER, f"{MAX_STREAMS} streams are open")
        return
    workspace.n_streams += 1
    try:
        await _answer_all(socket, workspace, kind)
    finally:
        workspace.n_streams -= 1


async def _answer_all(socket: WebSocket, workspace: Workspace, kind: StreamKind) -> None:
    workers: Workers = socket.app.state.workers
    stream: LiveStream | None = None

    async def answer(text: str) -> str:
        nonlocal stream
        request = StreamRequest.model_validate_json(text)
        if stream is None:
            snapshot = await workspace.snapshot()
            stream = LiveStream(await workers.slow(spotter_of, snapshot, kind))
        try:
            found = await workers.quick(stream.push, request)
        except ApiError:
            raise
        except Exception:  # the stream cannot be continued
            stream = None
            raise
        if request.end or not stream.begun:
            stream = None
        return found.model_dump_json()

    while True:
        await socket.send_text(await answered(await received(socket), answer))
