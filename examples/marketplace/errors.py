"""The ledger's errors as answers of HTTP: one table for all of them, and one form for whatever was wrong with a request."""

from typing import Any

from fastapi import Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from tallystick import Conflict, InvalidRequest, LedgerClosed, LedgerError, NotFound, Refused, StorageError

from .models import Problem

STATUS: tuple[tuple[type[LedgerError], int], ...] = (
    (LedgerClosed, 503),
    (NotFound, 404),
    (Refused, 409),
    (Conflict, 409),
    (InvalidRequest, 422),
    (StorageError, 503),
    (LedgerError, 500),
)
ANSWERS: dict[int | str, dict[str, Any]] = {status: {"model": Problem} for status in (404, 409, 422, 503)}
"""For the description of the API."""


class OrderNotFound(NotFound):
    """No order was placed under this id."""

    order: str
    rule = "order {order!r} was never placed"


class OrderClosed(Refused):
    """The order was shipped, cancelled, or not shipped in time: its money is no longer held."""

    order: str
    rule = "order {order!r} is no longer open: it was shipped, cancelled, or not shipped in time"


async def refused(request: Request, error: LedgerError) -> JSONResponse:
    """The answer to a request that met an error of the ledger."""
    status = next(status for kind, status in STATUS if isinstance(error, kind))
    problem = Problem(code=error.code, message=str(error), fields=jsonable_encoder(error.fields))
    return JSONResponse(problem.model_dump(), status, {"Retry-After": "1"} if status == 503 else None)


async def malformed(request: Request, error: RequestValidationError) -> JSONResponse:
    """The answer to a request that has not the right form; what it held is not repeated, for JSON may not be able to."""
    wrong = [{"where": ".".join(map(str, each["loc"])), "what": each["msg"]} for each in error.errors()]
    message = "; ".join(f"{each['where']}: {each['what']}" for each in wrong)
    return JSONResponse(Problem(code="invalid_request", message=message, fields={"wrong": wrong}).model_dump(), 422)
