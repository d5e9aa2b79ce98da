"""The API's HTTP routes."""

import shutil
from functools import partial
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Response, UploadFile
from fastapi import Path as PathParameter
from starlette.status import HTTP_202_ACCEPTED

from egem.apps.web.dependencies import Current, Pool
from egem.apps.web.errors import ApiError
from egem.apps.web.models import datasets, inspection, training, uploads
from egem.apps.web.models.recognition import classify
from egem.apps.web.models.snapshot import Snapshot
from egem.apps.web.requests import (
    ClassifyRequest,
    ImagineRequest,
    RemoveCaseRequest,
    RenameRequest,
    StartRequest,
    TrainRequest,
)
from egem.apps.web.responses import (
    ERRORS,
    Cases,
    CodePlane,
    Confusions,
    Imagined,
    State,
    Verdict,
)

router = APIRouter(prefix="/api", responses=ERRORS)

ClassName = Annotated[
    str,
    PathParameter(description="Name of a class.", min_length=1, max_length=40, examples=["zigzag"]),
]
SAFETENSORS = {"content": {"application/octet-stream": {}}, "description": "A safetensors file."}


@router.get("/state", tags=["model"])
async def state(current: Current) -> State:
    """Return the state of the workspace."""
    return await current.state()


@router.post("/start", tags=["model"])
async def start(body: StartRequest, current: Current) -> State:
    """Start over: without classes, or with letters, which are trained in the background."""
    if body.content == "letters":
        if not datasets.letters_available():
            raise ApiError(
                409,
                "The letters are not available.",
                "Set EGEM_DATA_DIR to a folder with character_trajectories.npz, and restart "
                "egem serve.",
            )
        current.start("letters", None, datasets.fit_to_letters)
    else:
        await current.change("start", None, lambda _: Snapshot(change="starting over"))
    return await current.state()


@router.post("/train", tags=["model"], status_code=HTTP_202_ACCEPTED)
async def train(body: TrainRequest, current: Current) -> State:
    """Train a new class on drawings, or an existing one on more, in the background."""
    training.check_trainable(await current.snapshot(), body.label, body.strokes)
    work = partial(training.train, label=body.label, strokes=body.strokes)
    current.start("train", body.label, work)
    return await current.state()


@router.post("/classes/{label:path}/rename", tags=["model"])
async def rename(label: ClassName, body: RenameRequest, current: Current) -> State:
    """Rename a class."""
    await current.change("rename", label, partial(training.rename, label=label, to=body.to))
    return await current.state()


@router.post("/classes/{label:path}/remove-case", tags=["model"], status_code=HTTP_202_ACCEPTED)
async def remove_case(label: ClassName, body: RemoveCaseRequest, current: Current) -> State:
    """Retrain a class without one of its drawings, in the background."""
    seen = await current.snapshot()
    training.check_removable(seen, label, body.case)
    work = partial(training.remove_case, label=label, case=body.case, seen=seen)
    current.start("remove-case", label, work)
    return await current.state()


@router.delete("/classes/{label:path}", tags=["model"])
async def remove(label: ClassName, current: Current) -> State:
    """Remove a class."""
    await current.change("remove", label, partial(training.remove, label=label))
    return await current.state()


@router.post("/undo", tags=["model"])
async def undo(current: Current) -> State:
    """Undo the last change."""
    await current.undo()
    return await current.state()


@router.get("/model", tags=["model"], response_class=Response, responses={200: SAFETENSORS})
async def download(current: Current, pool: Pool) -> Response:
    """Return the model as a file for `egem predict` and `EGEMClassifier.load`."""
    content = await pool.quick(uploads.model_bytes, await current.snapshot())
    attached = {"Content-Disposition": 'attachment; filename="egem-model.safetensors"'}
    return Response(content, media_type="application/octet-stream", headers=attached)


@router.post("/model", tags=["model"])
async def upload_model(file: UploadFile, current: Current, pool: Pool) -> State:
    """Replace the model by an uploaded one."""
    with uploads.temporary_path(".safetensors") as path:
        await pool.quick(_copy, file, path)
        await current.change("load", None, lambda _: uploads.read_model(path, _name(file)))
    return await current.state()


@router.post("/classify", tags=["drawings"])
async def classify_drawing(body: ClassifyRequest, current: Current, pool: Pool) -> Verdict:
    """Classify a finished drawing."""
    return await pool.quick(classify, await current.snapshot(), body.stroke, True)


@router.get("/classes/{label:path}/cases", tags=["inspection"])
async def cases(label: ClassName, current: Current, pool: Pool) -> Cases:
    """Return the training cases of a class."""
    return await pool.quick(inspection.cases, await current.snapshot(), label)


@router.get("/classes/{label:path}/codes", tags=["inspection"])
async def codes(label: ClassName, current: Current, pool: Pool) -> CodePlane:
    """Return the two main directions of a class's codes, and the codes of its training cases."""
    return await pool.quick(inspection.code_plane, await current.snapshot(), label)


@router.post("/classes/{label:path}/imagine", tags=["inspection"])
async def imagine(label: ClassName, body: ImagineRequest, current: Current, pool: Pool) -> Imagined:
    """Decode codes given by coordinates along those directions."""
    return await pool.quick(inspection.imagine, await current.snapshot(), label, body.at)


@router.get("/confusions", tags=["inspection"])
async def confusions(current: Current, pool: Pool) -> Confusions:
    """Return the confusion matrix of held-out training cases."""
    return await pool.quick(inspection.confusions, await current.snapshot())


def _name(file: UploadFile) -> str:
    """Return a file's name without folders, shortened for display."""
    return Path((file.filename or "a file").replace("\\", "/")).name[-80:]


def _copy(file: UploadFile, to: Path) -> None:
    with to.open("wb") as out:
        shutil.copyfileobj(file.file, out)
