"""The API's part that changes a model."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.status import HTTP_202_ACCEPTED

from egem.apps.web import letters
from egem.apps.web.models import Model
from egem.apps.web.schema import REFUSALS, ForgetBody, RenameBody, StartBody, State, TeachBody
from egem.apps.web.teaching import (
    check_teachable,
    check_untaught,
    forgotten,
    renamed,
    taught,
    untaught,
)
from egem.apps.web.trouble import Trouble
from egem.apps.web.visitors import Mine

router = APIRouter(prefix="/api", tags=["model"], responses=REFUSALS)

ClassName = Annotated[
    str, Path(description="Name of a class.", min_length=1, max_length=40, examples=["zigzag"])
]


@router.get("/state")
async def state(mine: Mine) -> State:
    """Tell everything about the workspace."""
    return await mine.state()


@router.post("/start")
async def start(body: StartBody, mine: Mine) -> State:
    """Begin anew: with no class, or with letters that are learned in the background."""
    if body.what == "letters":
        if not letters.available():
            raise Trouble(
                409,
                "The letters are not at hand.",
                "Set EGEM_DATA_DIR to a folder that holds character_trajectories.npz, and start "
                "egem serve again.",
            )
        mine.begin("letters", None, letters.letters)
    else:
        await mine.change("start", None, lambda before: Model(how="starting anew"))
    return await mine.state()


@router.post("/teach", status_code=HTTP_202_ACCEPTED)
async def teach(body: TeachBody, mine: Mine) -> State:
    """Teach a class with drawings, in the background; one that is there learns them as well."""
    check_teachable(await mine.model(), body.label, body.strokes)
    mine.begin("teach", body.label, partial(taught, label=body.label, strokes=body.strokes))
    return await mine.state()


@router.post("/classes/{label:path}/rename")
async def rename(label: ClassName, body: RenameBody, mine: Mine) -> State:
    """Give a class another name."""
    await mine.change("rename", label, partial(renamed, label=label, to=body.to))
    return await mine.state()


@router.post("/classes/{label:path}/forget", status_code=HTTP_202_ACCEPTED)
async def forget(label: ClassName, body: ForgetBody, mine: Mine) -> State:
    """Teach a class anew without one of its drawings, in the background."""
    seen = await mine.model()
    check_untaught(seen, label, body.case)
    mine.begin("forget", label, partial(untaught, label=label, case=body.case, seen=seen))
    return await mine.state()


@router.delete("/classes/{label:path}")
async def remove(label: ClassName, mine: Mine) -> State:
    """Remove a class."""
    await mine.change("remove", label, partial(forgotten, label=label))
    return await mine.state()


@router.post("/undo")
async def undo(mine: Mine) -> State:
    """Take back the last change."""
    await mine.undo()
    return await mine.state()
