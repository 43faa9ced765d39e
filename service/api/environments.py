"""Environments, families and modifiers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from service import catalogue
from service.api import schemas
from service.api.dependencies import EnvironmentReader, Page, Session
from service.api.problems import documented
from service.api.routing import StrictRoute
from service.errors import Invalid, NotFound
from service.models import Environment
from service.pages import page

router = APIRouter(tags=["environments"], route_class=StrictRoute, responses=documented(401, 403, 422))


@router.get("/catalogue")
async def count_catalogue(session: Session, caller: EnvironmentReader) -> schemas.CatalogueCounts:
    """How many specs the catalogue enumerates, by domain."""
    return await catalogue.counts(session)


@router.get("/environments")
async def search_environments(
    session: Session,
    caller: EnvironmentReader,
    paging: Page,
    domain: Literal["physics", "social", "symbolic"] | None = None,
    family: Annotated[str | None, Query(max_length=200, description="a name, or a prefix ending in *")] = None,
    tag: Annotated[str | None, Query(max_length=200)] = None,
    kind: Literal["single", "parallel", "turn"] | None = None,
    modifier: Annotated[str | None, Query(max_length=200, description="`none`: without modifiers")] = None,
    base_task: Annotated[str | None, Query(max_length=200)] = None,
    max_step_us: Annotated[float | None, Query(gt=0, allow_inf_nan=False)] = None,
    split: schemas.SplitFilter | None = None,
    text: Annotated[str | None, Query(max_length=200)] = None,
    param: Annotated[
        list[str] | None, Query(max_length=16, description="name:min..max; either end may be missing")
    ] = None,
) -> schemas.Page[schemas.Environment]:
    """Catalogued specs that fit all conditions, in the catalogue's order."""
    try:
        where = schemas.Where(
            domain=domain,
            family=family,
            tag=tag,
            kind=kind,
            modifier=modifier,
            base_task=base_task,
            max_step_us=max_step_us,
            split=split,
            text=text,
            parameters=_parameters(param or []),
        )
    except ValidationError as error:
        raise RequestValidationError([{**e, "loc": ("query", *e["loc"])} for e in error.errors()]) from None
    query = catalogue.matching(where, field="query.param")
    rows, cursor = await page(session, query, Environment.ordinal, cursor=paging.cursor, limit=paging.limit)
    return schemas.Page[schemas.Environment](
        items=[catalogue.show(catalogue.parse(row.ref), catalogued=True) for row in rows], next_cursor=cursor
    )


@router.get("/environments/{ref:path}", responses=documented(404))
async def get_environment(session: Session, caller: EnvironmentReader, ref: str) -> schemas.EnvironmentDetail:
    """One environment by its ref, or by the digest of a catalogued one. Any valid ref resolves, catalogued or not."""
    return await catalogue.detail(session, await catalogue.find(session, ref))


@router.get("/families")
async def list_families(session: Session, caller: EnvironmentReader) -> schemas.Page[schemas.FamilyOut]:
    """All families with their parameter axes."""
    return schemas.Page[schemas.FamilyOut](items=await catalogue.families(session), next_cursor=None)


@router.get("/families/{name:path}", responses=documented(404))
async def get_family(session: Session, caller: EnvironmentReader, name: str) -> schemas.FamilyOut:
    found = next((family for family in await catalogue.families(session) if family.name == name), None)
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
    name, colon, bounds = text.partition(":")
    low, dots, high = bounds.partition("..")
    try:
        if not (colon and dots):
            raise ValueError(text)
        return name, schemas.Range(min=float(low) if low else None, max=float(high) if high else None)
    except ValidationError as error:
        raise _not_understood(text, f"is no range: {schemas.reason(error.errors()[0])}") from None
    except ValueError:
        raise _not_understood(text, "is not name:min..max") from None


def _not_understood(text: str, why: str) -> Invalid:
    return Invalid("a range is not understood", errors=[("query.param", f"{text[:100]!r} {why}")])
