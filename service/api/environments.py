"""Environments, families and modifiers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from service import catalogue, search
from service.api import schemas
from service.api.dependencies import EnvironmentReader, Page, Reader
from service.api.problems import documented
from service.api.routing import StrictRoute
from service.errors import Invalid, NotFound

router = APIRouter(tags=["environments"], route_class=StrictRoute, responses=documented(401, 403, 422))


@router.get("/catalogue")
async def count_catalogue(reader: Reader, caller: EnvironmentReader) -> schemas.CatalogueCounts:
    """How many specs the catalogue enumerates, by domain."""
    return await catalogue.counts(reader)


async def get_where(
    domain: Literal["physics", "social", "symbolic"] | None = None,
    family: Annotated[str | None, Query(max_length=200, description="a name, or a prefix ending in *")] = None,
    tag: Annotated[str | None, Query(max_length=200)] = None,
    kind: Literal["single", "parallel", "turn"] | None = None,
    modifier: Annotated[
        list[str] | None, Query(max_length=16, description="with all of these; `none`: without modifiers")
    ] = None,
    base_task: Annotated[str | None, Query(max_length=200)] = None,
    min_agents: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
    max_agents: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
    observations: Annotated[schemas.ObservationKind | None, Query(description=schemas.OBSERVATIONS)] = None,
    actions: Annotated[schemas.ActionKind | None, Query(description=schemas.ACTIONS)] = None,
    engine: Annotated[str | None, Query(max_length=200, description="a Python distribution")] = None,
    param: Annotated[
        list[str] | None,
        Query(
            max_length=16,
            description="name:min..max, either end may be missing; or name:value",
            examples=[["gravity:1..5", "map:4x4"]],
        ),
    ] = None,
    max_step_us: Annotated[float | None, Query(gt=0, allow_inf_nan=False)] = None,
    max_make_ms: Annotated[float | None, Query(gt=0, allow_inf_nan=False)] = None,
    max_memory_mb: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
    seed_sensitive: Annotated[bool | None, Query(description="whether another seed gives other bits")] = None,
    snapshot: Annotated[schemas.SnapshotKind | None, Query(description=schemas.SNAPSHOTS)] = None,
    min_effect: Annotated[
        float | None, Query(ge=0, allow_inf_nan=False, description="of the one level or modifier on its base task")
    ] = None,
    split: schemas.SplitFilter | None = None,
    text: Annotated[str | None, Query(max_length=200, description="words in refs, tags and descriptions")] = None,
) -> schemas.Where:
    """The conditions of a search, as query parameters."""
    try:
        return schemas.Where(
            domain=domain,
            family=family,
            tag=tag,
            kind=kind,
            modifier=modifier,
            base_task=base_task,
            min_agents=min_agents,
            max_agents=max_agents,
            observations=observations,
            actions=actions,
            engine=engine,
            parameters=_parameters(param or []),
            max_step_us=max_step_us,
            max_make_ms=max_make_ms,
            max_memory_mb=max_memory_mb,
            seed_sensitive=seed_sensitive,
            snapshot=snapshot,
            min_effect=min_effect,
            split=split,
            text=text,
        )
    except ValidationError as error:
        raise RequestValidationError([{**e, "loc": ("query", *e["loc"])} for e in error.errors()]) from None


Where = Annotated[schemas.Where, Depends(get_where)]


@router.get("/catalogue/facets")
async def count_environments(reader: Reader, caller: EnvironmentReader, where: Where) -> schemas.Facets:
    """How many catalogued specs that fit all conditions have each domain, family, tag, modifier and so on."""
    return await search.facets(reader, where, field="query.param")


@router.get("/environments", response_model=schemas.Page[schemas.Environment])
async def search_environments(reader: Reader, caller: EnvironmentReader, paging: Page, where: Where) -> Response:
    """Catalogued specs that fit all conditions, evenly mixed, in an order that no reload of the catalogue changes."""
    items, following = await search.turn(reader, where, field="query.param", cursor=paging.cursor, limit=paging.limit)
    return Response(
        f'{{"items":[{",".join(items)}],"next_cursor":{json.dumps(following)}}}', media_type="application/json"
    )


@router.get("/environments/{ref:path}", response_model=schemas.EnvironmentDetail, responses=documented(404))
async def get_environment(reader: Reader, caller: EnvironmentReader, ref: str) -> Response:
    """One environment by its ref, or by the digest of a catalogued one. Any valid ref resolves, catalogued or not."""
    found = await catalogue.detail(reader, await catalogue.find(reader, ref))
    return Response(found.model_dump_json(), media_type="application/json")


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
