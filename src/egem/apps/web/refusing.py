"""Every refusal in one form: what was wrong, and what helps."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from egem.apps.web.guard import HEADERS
from egem.apps.web.trouble import Trouble, sentence

_REMEDIES = {404: "Look at /openapi.json for what there is.", 405: "Use another method."}


def of_validation(errors: Sequence[Any]) -> Trouble:
    """Tell what is wrong with what was sent; only the first of several things."""
    first = errors[0]
    place = ".".join(str(part) for part in first["loc"] if part != "body")
    what, _, remedy = first["msg"].removeprefix("Value error, ").partition("; ")
    return Trouble(
        422,
        f"{place}: {what}." if place else sentence(what),
        sentence(remedy or "send what /openapi.json describes"),
    )


def fault(error: Exception) -> Trouble:
    """Tell of an error that is the server's own."""
    return Trouble(
        500,
        f"The server met an error of its own ({type(error).__name__}).",
        "Try something else; what was learned before is kept.",
    )


def refuse_in_json(app: FastAPI) -> None:
    """Give all errors of an application that form."""

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        if not isinstance(error, Trouble):
            remedy = _REMEDIES.get(error.status_code, "Send what /openapi.json describes.")
            error = Trouble(error.status_code, sentence(str(error.detail)), remedy)
        return JSONResponse(error.as_json(), error.status_code, error.headers)

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> JSONResponse:
        return await _http(request, of_validation(error.errors()))

    @app.exception_handler(Exception)
    async def _fault(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse(fault(error).as_json(), 500, HEADERS)
