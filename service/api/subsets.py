"""Subsets."""

from __future__ import annotations

from fastapi import APIRouter, Response
from sqlalchemy import select

from service import catalogue, subsets
from service.api import schemas
from service.api.dependencies import EnvironmentReader, Idempotent, Page, Session, SubsetWriter
from service.api.problems import documented, linked
from service.api.routing import StrictRoute
from service.ids import show
from service.models import Subset, SubsetEnvironment
from service.pages import page

LINKS = linked(201, "subset_id", "get_subset", "list_subset_environments")
router = APIRouter(prefix="/subsets", tags=["subsets"], route_class=StrictRoute, responses=documented(401, 403, 422))


@router.post("", status_code=201, response_model=schemas.Subset, responses=documented(400, 409, 413, 415, 503) | LINKS)
async def create_subset(
    session: Session, caller: SubsetWriter, idempotent: Idempotent, request: schemas.SubsetCreate
) -> Response:
    """Choose specs by a query, give them as refs or as a parameter grid, or combine subsets. A subset never changes."""

    async def create() -> tuple[schemas.Subset, str]:
        subset = await subsets.create(session, caller, request)
        return subsets.show_subset(subset), f"/v1/subsets/{show('sub', subset.id)}"

    return await idempotent.once(201, create)


@router.get("")
async def list_subsets(session: Session, caller: EnvironmentReader, paging: Page) -> schemas.Page[schemas.Subset]:
    """The cell's subsets, newest first."""
    rows, cursor = await page(
        session, subsets.owned(caller), Subset.id, cursor=paging.cursor, limit=paging.limit, descending=True
    )
    return schemas.Page[schemas.Subset](items=[subsets.show_subset(row) for row in rows], next_cursor=cursor)


@router.get("/{subset_id}", responses=documented(404))
async def get_subset(session: Session, caller: EnvironmentReader, subset_id: str) -> schemas.Subset:
    """One subset by its id, by its digest, or by its name in this cell."""
    return subsets.show_subset(await subsets.get(session, caller, subset_id))


@router.get("/{subset_id}/environments", responses=documented(404))
async def list_subset_environments(
    session: Session, caller: EnvironmentReader, paging: Page, subset_id: str
) -> schemas.Page[schemas.Environment]:
    """The specs of a subset, in its order."""
    subset = await subsets.get(session, caller, subset_id)
    query = select(SubsetEnvironment).where(SubsetEnvironment.subset_id == subset.id)
    rows, cursor = await page(session, query, SubsetEnvironment.ordinal, cursor=paging.cursor, limit=paging.limit)
    known = await catalogue.catalogued(session, [row.digest for row in rows])
    return schemas.Page[schemas.Environment](
        items=[catalogue.show(catalogue.parse(row.ref), catalogued=row.digest in known) for row in rows],
        next_cursor=cursor,
    )
