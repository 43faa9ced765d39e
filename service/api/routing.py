"""What every route refuses by itself: query parameters that it does not have, and bodies that are not plain JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NoReturn

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from service.errors import Invalid, MalformedJson, UnsupportedMediaType

MAX_DIGITS = 1000
"""Digits of an integer; reading one takes time that is quadratic in them."""


class StrictRoute(APIRoute):
    """A route that ignores nothing which it does not understand. Every router of the API has it as `route_class`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        known = sorted(_query_parameters(self.dependant))

        async def strict(request: Request) -> Response:
            _refuse_unknown(request, known)
            request = JsonRequest(request.scope, request.receive)
            if self.body_field is not None and await request.body():
                _require_json(request)
                await request.json()  # here already: FastAPI would hide what is wrong with it
            return await handle(request)

        return strict


class JsonRequest(Request):
    """A request whose JSON is read as RFC 7493 (I-JSON) wants it: UTF-8, no key twice, no NaN."""

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


def _query_parameters(dependant: Dependant) -> set[str]:
    """Names that a route and all that it depends on ask for."""
    names = {field.alias for field in dependant.query_params}
    return names.union(*map(_query_parameters, dependant.dependencies))


def _refuse_unknown(request: Request, known: Sequence[str]) -> None:
    unknown = [name for name in dict.fromkeys(request.query_params.keys()) if name not in known]
    if unknown:
        reason = f"is unknown here; known are {', '.join(known)}" if known else "is unknown; there are none here"
        raise Invalid("a query parameter is unknown", errors=[(f"query.{name}", reason) for name in unknown])


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
