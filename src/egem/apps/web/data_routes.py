"""The API's routes for recordings."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Response, UploadFile
from fastapi import Path as PathParameter
from starlette.status import HTTP_202_ACCEPTED

from egem.apps.web.dependencies import Current, Pool
from egem.apps.web.errors import ApiError
from egem.apps.web.models import datasets, verdicts
from egem.apps.web.models.recording_files import read_recordings, receive, temporary_folder
from egem.apps.web.models.recordings import Recordings
from egem.apps.web.requests import EditRequest, RecogniseRequest, TeachRequest
from egem.apps.web.responses import ERRORS, Dataset, State, Verdicts
from egem.apps.web.store import new_id

router = APIRouter(prefix="/api/data", responses=ERRORS, tags=["data"])

DatasetId = Annotated[str, PathParameter(description="From the upload.", max_length=40)]
CSV = {"content": {"text/csv": {}}, "description": "A row for each recording."}


@router.post("")
async def upload(
    files: list[UploadFile],
    current: Current,
    pool: Pool,
    add_to: Annotated[
        str | None,
        Query(max_length=40, description="Id of the recordings to add to; others are replaced."),
    ] = None,
    recognise: Annotated[
        bool, Query(description="Whether they are to be recognised, and their labels set aside.")
    ] = False,
) -> Dataset:
    """Upload recordings: files with their paths in the folder, or a zip file of them.

    The names of the files may be paths. Labels are those of the files, or of their folders.
    """
    stored = current.folder.recordings
    step = None
    if add_to is not None:
        step = (await pool.quick(stored.read, add_to)).step
    elif recognise:
        model = (await current.snapshot()).classifier
        step = None if model is None else model.time_step_
    with temporary_folder() as folder:
        received = await pool.quick(receive, files, folder)
        more = await pool.slow(read_recordings, received, new_id(), recognise, step)
    if add_to is None:
        await pool.quick(stored.write, more)
    else:
        more = await pool.quick(stored.extend, add_to, more)
    return await pool.quick(more.summary)


@router.get("/{dataset_id}")
async def uploaded(dataset_id: DatasetId, current: Current, pool: Pool) -> Dataset:
    """Return the recordings again."""
    return await pool.quick((await _stored(dataset_id, current, pool)).summary)


@router.patch("/{dataset_id}")
async def edit(dataset_id: DatasetId, body: EditRequest, current: Current, pool: Pool) -> Dataset:
    """Label recordings, or cut them at their ends."""
    stored = current.folder.recordings
    edited = await pool.quick(stored.edit, dataset_id, body.recordings, body.changes)
    return await pool.quick(edited.summary)


@router.delete("/{dataset_id}")
async def delete(dataset_id: DatasetId, current: Current, pool: Pool) -> State:
    """Delete all recordings; the model stays."""
    await pool.quick(current.folder.recordings.delete, dataset_id)
    return await current.state()


@router.post("/{dataset_id}/fit", status_code=HTTP_202_ACCEPTED)
async def fit(dataset_id: DatasetId, current: Current, pool: Pool) -> State:
    """Fit a model to the labelled recordings in the background.

    A fifth of each class of at least five recordings is held out and tested; the others are all
    learned.
    """
    recordings = await _stored(dataset_id, current, pool)
    if not recordings.learned:
        raise ApiError(422, "No recording has a label.", "Label one recording of each class.")
    work = partial(datasets.fit_to_recordings, recordings=recordings)
    current.start("fit", recordings.title, work)
    return await current.state()


@router.post("/{dataset_id}/classify")
async def classify(
    dataset_id: DatasetId, body: RecogniseRequest, current: Current, pool: Pool
) -> Verdicts:
    """Classify recordings, with what the two best classes would give."""
    recordings = await _stored(dataset_id, current, pool)
    snapshot = await current.snapshot()
    return await pool.quick(verdicts.verdicts, snapshot, recordings, body.recordings)


@router.get("/{dataset_id}/verdicts", response_class=Response, responses={200: CSV})
async def verdicts_csv(dataset_id: DatasetId, current: Current, pool: Pool) -> Response:
    """Return the verdicts on all recordings to be recognised, and those without a label, as csv."""
    recordings = await _stored(dataset_id, current, pool)
    text = await pool.slow(verdicts.as_csv, await current.snapshot(), recordings)
    attached = {"Content-Disposition": 'attachment; filename="verdicts.csv"'}
    return Response(text, media_type="text/csv", headers=attached)


@router.post("/{dataset_id}/teach", status_code=HTTP_202_ACCEPTED)
async def teach(dataset_id: DatasetId, body: TeachRequest, current: Current, pool: Pool) -> State:
    """Correct a verdict: label a recording, and let the model learn it in the background."""
    recordings = await _stored(dataset_id, current, pool)
    number, label = body.recording, body.label
    verdicts.check_teachable(await current.snapshot(), recordings, number, label)
    work = partial(verdicts.teach, recordings=recordings, number=number, label=label)
    current.start("teach", label, work)
    await pool.quick(current.folder.recordings.edit, dataset_id, [number], {"label": label})
    return await current.state()


async def _stored(dataset_id: str, current: Current, pool: Pool) -> Recordings:
    return await pool.quick(current.folder.recordings.read, dataset_id)
