"""The API's part that recognises, and looks inside a model."""

from fastapi import APIRouter

from egem.apps.web import looking
from egem.apps.web.changing import ClassName
from egem.apps.web.schema import (
    REFUSALS,
    Cases,
    Codes,
    Confusions,
    ImagineBody,
    Imagined,
    RecogniseBody,
    Verdict,
)
from egem.apps.web.verdicts import verdict
from egem.apps.web.visitors import Hands, Mine

router = APIRouter(prefix="/api", responses=REFUSALS)


@router.post("/recognise", tags=["drawings"])
async def recognise(body: RecogniseBody, mine: Mine, hands: Hands) -> Verdict:
    """Let the experts compete for a finished drawing."""
    return await hands.quick(verdict, await mine.model(), body.stroke, True)


@router.get("/classes/{label:path}/cases", tags=["inside"])
async def cases(label: ClassName, mine: Mine, hands: Hands) -> Cases:
    """Return the training cases of a class."""
    return await hands.quick(looking.cases, await mine.model(), label)


@router.get("/classes/{label:path}/codes", tags=["inside"])
async def codes(label: ClassName, mine: Mine, hands: Hands) -> Codes:
    """Return the two main directions of a class's codes, and its training cases' places."""
    return await hands.quick(looking.codes, await mine.model(), label)


@router.post("/classes/{label:path}/imagine", tags=["inside"])
async def imagine(label: ClassName, body: ImagineBody, mine: Mine, hands: Hands) -> Imagined:
    """Return what the class's expert imagines at places along those directions."""
    return await hands.quick(looking.imagine, await mine.model(), label, body.at)


@router.get("/confusions", tags=["inside"])
async def confusions(mine: Mine, hands: Hands) -> Confusions:
    """Return what held-out training cases are taken for."""
    return await hands.quick(looking.confusions, await mine.model())
