"""Every refusal in one form: what was wrong, and what helps."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from .trouble import Trouble, sentence


def answer(trouble: Trouble) -> JSONResponse:
    """Answer with a refusal."""
    return JSONResponse(trouble.as_json(), trouble.status)


def of_validation(errors: list, where: str = "") -> Trouble:
    """Tell what is wrong with what was sent; only the first of several things."""
    first = errors[0]
    place = ".".join(str(part) for part in (where, *first["loc"]) if part not in ("", "body"))
    message = first["msg"].removeprefix("Value error, ")
    what, _, remedy = message.partition("; ")
    if not remedy:
        remedy = "send what /openapi.json describes"
    return Trouble(422, sentence(f"{place}: {what}" if place else what), sentence(remedy))


def refuse_in_json(app: FastAPI) -> None:
    """Give all errors of an application that form."""

    @app.exception_handler(Trouble)
    async def _trouble(request: Request, error: Trouble) -> JSONResponse:
        return answer(error)

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> JSONResponse:
        return answer(of_validation(list(error.errors())))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        remedy = "Look at /openapi.json for what there is."
        trouble = Trouble(error.status_code, sentence(str(error.detail)), remedy)
        return JSONResponse(trouble.as_json(), error.status_code, error.headers)
