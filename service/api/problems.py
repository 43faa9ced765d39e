"""Refusals on the wire: every error leaves as RFC 9457 problem+json, with the request's id."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import psycopg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException

from service.api.schemas import Problem as ProblemSchema
from service.api.schemas import reason
from service.errors import Problem, Unauthenticated

MEDIA_TYPE = "application/problem+json"
MOST_ERRORS = 20
"""Wrong fields named in one problem: a list may hold many thousands of them."""
MOST_FIELD = 200
"""Characters of a field's name; unknown names are as long as the caller likes."""
log = structlog.get_logger()


def response(
    request: Request,
    status: int,
    type: str,
    detail: str,
    *,
    errors: Sequence[tuple[str, str]] = (),
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    body = {
        "type": f"urn:worldpool:problem:{type}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "errors": [{"field": field[:MOST_FIELD], "reason": reason} for field, reason in errors[:MOST_ERRORS]],
        "request_id": getattr(request.state, "request_id", ""),
    }
    return JSONResponse(body, status, headers=headers, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(DBAPIError, _database)
    app.add_exception_handler(Exception, _bug)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries for the problems that a route may answer with."""
    return {
        status: {"model": ProblemSchema, "description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {}}}
        for status in statuses
    }


def linked(status: int, parameter: str, *operations: str, field: str = "id") -> dict[int | str, dict[str, Any]]:
    """OpenAPI links: that field of this answer's body is the path parameter of those operations."""
    link = {"parameters": {parameter: f"$response.body#/{field}"}}
    return {status: {"links": {name: {"operationId": name, **link} for name in operations}}}


async def _problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    headers = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="worldpool"'
    return response(request, error.status, error.type, error.detail, errors=error.errors, headers=headers)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [(".".join(map(str, e["loc"])), reason(e)) for e in error.errors()]
    return response(request, 422, "invalid", "the request does not fit its schema", errors=errors)


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    type = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    return response(request, error.status_code, type, str(error.detail), headers=dict(error.headers or {}))


async def _database(request: Request, error: Exception) -> JSONResponse:
    """A value that cannot be stored, such as a NUL; or the database went away: nothing was done, try again."""
    assert isinstance(error, DBAPIError)
    if isinstance(error.orig, psycopg.DataError):
        return response(request, 422, "invalid", f"a value cannot be used: {str(error.orig).splitlines()[0][:200]}")
    if not error.connection_invalidated:
        return await _bug(request, error)
    log.warning("database.unreachable", path=request.url.path)
    return response(
        request, 503, "unavailable", "the database does not answer; try again", headers={"Retry-After": "2"}
    )


async def _bug(request: Request, error: Exception) -> JSONResponse:
    log.error(
        "request.failed", path=request.url.path, request_id=getattr(request.state, "request_id", ""), exc_info=error
    )
    return response(request, 500, "internal-error", "this is a bug of the service; its log has this request's id")
