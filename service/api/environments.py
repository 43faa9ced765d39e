"""Environments, families and modifiers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from service import catalogue, search, splits
from service.api import schemas
from service.api.dependencies import EnvironmentReader, Page, PartsDep, Reader
from service.api.problems import documented
from service.api.routing import StrictRoute
from service.errors import Invalid, NotFound

MAX_PARAM = 16
"""Parameters that one search may name."""

router = APIRouter(tags=["environments"], route_class=StrictRoute, responses=documented(401, 403, 422))


@router.get("/catalogue")
async def count_catalogue(reader: Reader, caller: EnvironmentReader) -> schemas.CatalogueCounts:
    """How many specs the catalogue enumerates, by domain; those of a single turn apart."""
    return await catalogue.counts(reader)


async def get_where(request: Request) -> schemas.Where:
    """The conditions of a search: the query parameters that CONDITIONS documents, read all at once. FastAPI would read
    them one by one, and take as long for these twenty as for all the rest of a request."""
    given: dict[str, Any] = {name: value for name, value in request.query_params.items() if name in FIELDS}
    if "modifier" in given:
        given["modifier"] = request.query_params.getlist("modifier")
    given["parameters"] = _parameters(request.query_params.getlist("param"))
    try:
        return schemas.Where.model_validate(given, strict=False)  # all are text
    except ValidationError as error:
        raise RequestValidationError([{**e, "loc": ("query", *e["loc"])} for e in error.errors()]) from None


FIELDS = {
    name: field for name, field in schemas.Where.model_json_schema()["properties"].items() if name != "parameters"
}
"""Those of `schemas.Where` that are query parameters of the same name."""
PARAM = {
    "name": "param",
    "in": "query",
    "required": False,
    "description": "name:min..max, either end may be missing; or name:value",
    "schema": {"type": "array", "items": {"type": "string"}, "maxItems": MAX_PARAM},
    "example": ["gravity:1..5", "map:4x4"],
}


def _documented(name: str, field: Mapping[str, Any]) -> dict[str, Any]:
    *_, schema, _ = field["anyOf"]  # what is no list, a list, null
    told = {"description": field["description"]} if "description" in field else {}
    return {"name": name, "in": "query", "required": False, **told, "schema": schema}


CONDITIONS = {"parameters": [*(_documented(name, field) for name, field in FIELDS.items()), PARAM]}
Where = Annotated[schemas.Where, Depends(get_where)]


@router.get("/catalogue/facets", openapi_extra=CONDITIONS)
async def count_environments(reader: Reader, caller: EnvironmentReader, where: Where) -> schemas.Facets:
    """How many catalogued specs that fit all conditions have each domain, family, tag, modifier and so on."""
    return await search.facets(reader, where, field="query.param")


@router.get("/environments", response_model=schemas.Page[schemas.Environment], openapi_extra=CONDITIONS)
async def search_environments(reader: Reader, caller: EnvironmentReader, paging: Page, where: Where) -> Response:
    """Catalogued specs that fit all conditions, evenly mixed, in an order that no reload of the catalogue changes."""
    items, following = await search.turn(reader, where, field="query.param", cursor=paging.cursor, limit=paging.limit)
    return Response(
        f'{{"items":[{",".join(items)}],"next_cursor":{json.dumps(following)}}}', media_type="application/json"
    )


@router.get("/environments/{ref:path}", response_model=schemas.EnvironmentDetail, responses=documented(404))
async def get_environment(parts: PartsDep, caller: EnvironmentReader, ref: str) -> Response:
    """One environment by its ref, or by the digest of a catalogued one. Any valid ref resolves, catalogued or not."""
    spec = await catalogue.find(parts.reads, ref)
    split = await splits.known(parts.reads, caller.split_id)
    return Response(catalogue.detail(spec.ref, split), media_type="application/json")


@router.get("/families")
async def list_families(reader: Reader, caller: EnvironmentReader) -> schemas.Page[schemas.FamilyOut]:
    """All families with their parameter axes."""
    return schemas.Page[schemas.FamilyOut](items=await catalogue.families(reader), next_cursor=None)


@router.get("/families/{name:path}", responses=documented(404))
async def get_family(reader: Reader, caller: EnvironmentReader, name: str) -> schemas.FamilyOut:
    found = next((family for family in await catalogue.families(reader) if family.name == name), None)
    if found is None:
        raise NotFound(f"there is no family {name!r}; see GET /v1/families")
    return found


@router.get("/modifiers")
async def list_modifiers(caller: EnvironmentReader) -> schemas.Page[schemas.ModifierOut]:
    """All modifiers with their arguments."""
    return schemas.Page[schemas.ModifierOut](items=catalogue.modifiers(), next_cursor=None)


def _parameters(texts: Sequence[str]) -> dict[str, schemas.Range]:
    if len(texts) > MAX_PARAM:
        raise Invalid("too many ranges", errors=[("query.param", f"is given {len(texts)} times; at most {MAX_PARAM}")])
    found: dict[str, schemas.Range] = {}
    for text in texts:
        name, bounds = _parameter(text)
        if name in found:
            raise _not_understood(text, "names its parameter again")
        found[name] = bounds
    return found


def _parameter(text: str) -> tuple[str, schemas.Range]:
    """`name:min..max` or `name:value`."""
    name, colon, wanted = text.partition(":")
    low, dots, high = wanted.partition("..")
    try:
        if not (colon and wanted):
            raise ValueError(text)
        if not dots:
            return name, schemas.Range(equals=wanted)
        return name, schemas.Range(min=float(low) if low else None, max=float(high) if high else None)
    except ValidationError as error:
        raise _not_understood(text, f"is no range: {schemas.reason(error.errors()[0])}") from None
    except ValueError:
        raise _not_understood(text, "is not name:min..max or name:value") from None


def _not_understood(text: str, why: str) -> Invalid:
    return Invalid("a range is not understood", errors=[("query.param", f"{text[:100]!r} {why}")])
