"""The API's part for files: models out and in, data to fit to."""

import shutil
from functools import partial
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Response, UploadFile
from fastapi import Path as PathParameter
from starlette.status import HTTP_202_ACCEPTED

from egem.apps.web import datafiles, modelfiles
from egem.apps.web.schema import REFUSALS, FitBody, State, Uploaded
from egem.apps.web.store import draft, new_id
from egem.apps.web.trouble import Trouble
from egem.apps.web.visitors import Hands, Mine

router = APIRouter(prefix="/api", responses=REFUSALS)

DatasetId = Annotated[str, PathParameter(description="From the upload.", max_length=40)]
SAFETENSORS = {"content": {"application/octet-stream": {}}, "description": "A safetensors file."}


@router.get("/model", tags=["model"], response_class=Response, responses={200: SAFETENSORS})
async def download(mine: Mine, hands: Hands) -> Response:
    """Return the model as a file that `egem predict` and `EGEMClassifier.load` read as well."""
    content = await hands.quick(modelfiles.written, await mine.model())
    attached = {"Content-Disposition": 'attachment; filename="egem-model.safetensors"'}
    return Response(content, media_type="application/octet-stream", headers=attached)


@router.post("/model", tags=["model"])
async def upload_model(file: UploadFile, mine: Mine, hands: Hands) -> State:
    """Take a model from a file, in place of the one that is there."""
    with draft(".safetensors") as path:
        await hands.quick(_copy, file, path)
        await mine.change("model", None, partial(modelfiles.read, file=path, name=_name(file)))
    return await mine.state()


@router.post("/data", tags=["data"])
async def upload_data(file: UploadFile, mine: Mine, hands: Hands) -> Uploaded:
    """Take series from a long csv, an npz or a ts file; the last file replaces the one before."""
    name = _name(file)
    with draft(Path(name).suffix.lower()[:10]) as path:
        await hands.quick(_copy, file, path)
        data = await hands.slow(datafiles.read, path)
        described = datafiles.described(data, name, new_id())
        await hands.quick(mine.place.put_data, path, described)
    return described


@router.get("/data/{dataset_id}", tags=["data"])
async def uploaded(dataset_id: DatasetId, mine: Mine, hands: Hands) -> Uploaded:
    """Return once more what the upload returned."""
    return (await hands.quick(mine.place.get_data, dataset_id))[1]


@router.post("/data/{dataset_id}/fit", tags=["data"], status_code=HTTP_202_ACCEPTED)
async def fit(dataset_id: DatasetId, body: FitBody, mine: Mine, hands: Hands) -> State:
    """Fit a model to some of the cases in the background, and test it on others."""
    path, described = await hands.quick(mine.place.get_data, dataset_id)
    if described.classes is None:
        raise Trouble(422, "The file holds no labels to learn.", "Add a column or array of them.")
    work = partial(
        datafiles.fitted_to,
        file=path,
        name=described.name,
        dataset_id=dataset_id,
        k=body.k,
        seed=body.seed,
    )
    mine.begin("fit", described.name, work)
    return await mine.state()


def _name(file: UploadFile) -> str:
    """Return a file's name without its folders, of a length that can be shown."""
    return Path((file.filename or "a file").replace("\\", "/")).name[-80:]


def _copy(file: UploadFile, to: Path) -> None:
    with to.open("wb") as out:
        shutil.copyfileobj(file.file, out)
