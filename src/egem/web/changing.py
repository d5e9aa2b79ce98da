"""The API's part that changes a model, and the verdict on a drawing."""

from functools import partial

from fastapi import APIRouter
from starlette.status import HTTP_202_ACCEPTED

from .models import Model
from .schema import RecogniseBody, Refusal, RenameBody, StartBody, State, TeachBody, Verdict
from .teaching import forgotten, renamed, taught
from .verdicts import verdict
from .visitors import Hands, Mine

router = APIRouter(prefix="/api", responses={422: {"model": Refusal}})


@router.get("/state", tags=["model"])
async def state(mine: Mine) -> State:
    """Tell everything about the workspace."""
    return await mine.state(letters_available=False)


@router.post("/start", tags=["model"])
async def start(body: StartBody, mine: Mine) -> State:
    """Begin anew, with no class or with letters."""
    await mine.change("start", None, lambda before: Model(how="starting anew"))
    return await mine.state(False)


@router.post("/teach", tags=["model"], status_code=HTTP_202_ACCEPTED)
async def teach(body: TeachBody, mine: Mine) -> State:
    """Teach a class with drawings, in the background."""
    mine.begin("teach", body.label, partial(taught, label=body.label, strokes=body.strokes))
    return await mine.state(False)


@router.post("/classes/{label:path}/rename", tags=["model"])
async def rename(label: str, body: RenameBody, mine: Mine) -> State:
    """Give a class another name."""
    await mine.change("rename", label, partial(renamed, label=label, to=body.to))
    return await mine.state(False)


@router.delete("/classes/{label:path}", tags=["model"])
async def remove(label: str, mine: Mine) -> State:
    """Remove a class."""
    await mine.change("remove", label, partial(forgotten, label=label))
    return await mine.state(False)


@router.post("/undo", tags=["model"])
async def undo(mine: Mine) -> State:
    """Take back the last change."""
    await mine.undo()
    return await mine.state(False)


@router.post("/recognise", tags=["drawings"])
async def recognise(body: RecogniseBody, mine: Mine, hands: Hands) -> Verdict:
    """Let the experts compete for a finished drawing."""
    return await hands.quick(verdict, await mine.model(), body.stroke, True)
