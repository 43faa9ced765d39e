"""What every route refuses by itself, in this order: strangers, query parameters that it does not have, bodies that are
too large or not plain JSON. No body of a stranger is read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping
from typing import Any, NoReturn, get_args, get_origin

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from service.api.dependencies import bearer, get_caller
from service.errors import ContentTooLarge, Invalid, MalformedJson, UnsupportedMediaType

MAX_BODY_MIB = 32
"""Enough for a subset of as many refs as one may have (200,000) of 160 characters each."""
MAX_DIGITS = 1000
"""Digits of an integer; reading one takes time that is quadratic in them."""


class StrictRoute(APIRoute):
    """A route that ignores nothing which it does not understand. Every router of the API has it as `route_class`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        parts = list(_with_dependencies(self.dependant))
        needs_key = any(part.call is get_caller for part in parts)
        known = {field.alias: _takes_list(field.field_info.annotation) for p in parts for field in p.query_params}
        by_hand = (self.openapi_extra or {}).get("parameters", [])
        known |= {parameter["name"]: parameter["schema"].get("type") == "array" for parameter in by_hand}

        async def strict(request: Request) -> Response:
            request = JsonRequest(request.scope, request.receive)
            if needs_key:
                await get_caller(request, await bearer(request))
            _check_query(request, known)
            if self.body_field is not None and await request.body():
                _require_json(request)
                await request.json()  # here already: FastAPI would hide what is wrong with it
            return await handle(request)

        return strict


class JsonRequest(Request):
    """A request whose JSON is read as RFC 7493 (I-JSON) wants it: UTF-8, no key twice, no NaN; and not without end."""

    async def stream(self) -> AsyncGenerator[bytes]:
        """
        Raises
        ------
        ContentTooLarge
            Before anything is read where the length is declared, else as soon as too much has come.
        """
        declared = self.headers.get("content-length", "")
        _refuse_large(int(declared) if declared.isdecimal() else 0)
        size = 0
        async for part in super().stream():
            size += len(part)
            _refuse_large(size)
            yield part

    async def json(self) -> Any:
        """
        Raises
        ------
        MalformedJson
            Says what is wrong, and where.
        """
        if not hasattr(self, "_json"):
            self._json = _read_json(await self.body())
        return self._json


def _with_dependencies(dependant: Dependant) -> Iterator[Dependant]:
    """A route and all that it depends on."""
    yield dependant
    for dependency in dependant.dependencies:
        yield from _with_dependencies(dependency)


def _check_query(request: Request, known: Mapping[str, bool]) -> None:
    """`known` says of each parameter by name whether it takes a list."""
    given = Counter(name for name, _ in request.query_params.multi_items())
    unknown = [name for name in given if name not in known]
    if unknown:
        names = ", ".join(sorted(known))
        reason = f"is unknown here; known are {names}" if known else "is unknown; there are none here"
        raise Invalid("a query parameter is unknown", errors=[(f"query.{name}", reason) for name in unknown])
    repeated = [name for name, times in given.items() if times > 1 and not known[name]]
    if repeated:
        raise Invalid("a query parameter is repeated", errors=[(f"query.{n}", "is given twice") for n in repeated])


def _takes_list(annotation: Any) -> bool:
    return get_origin(annotation) is list or any(map(_takes_list, get_args(annotation)))


def _refuse_large(size: int) -> None:
    if size > MAX_BODY_MIB * 2**20:
        raise ContentTooLarge("the body is too large", errors=[("body", f"has more than {MAX_BODY_MIB} MiB")])


def _require_json(request: Request) -> None:
    given = request.headers.get("content-type", "")
    if given.partition(";")[0].strip().lower() != "application/json":
        reason = f"send application/json, not {given[:100] or 'nothing'}"
        raise UnsupportedMediaType("the body must be JSON", errors=[("header.content-type", reason)])


def _read_json(body: bytes) -> Any:
    try:
        return json.loads(
            body.decode("utf-8-sig"), object_pairs_hook=_once, parse_int=_integer, parse_constant=_not_a_number
        )
    except UnicodeDecodeError as error:
        reason = f"is not UTF-8 at byte {error.start}"
    except RecursionError:
        reason = "is nested too deeply"
    except ValueError as error:
        reason = str(error)
    raise MalformedJson("the body is not JSON", errors=[("body", reason)])


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        ((name, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"an object has the key {name[:100]!r} more than once")
    return found


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"an integer has {len(digits)} digits; at most {MAX_DIGITS} are read")
    return int(digits)


def _not_a_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
