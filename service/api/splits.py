"""Splits for everyone to read, and for stewards to declare."""

from __future__ import annotations

from fastapi import APIRouter, Response
from sqlalchemy import select

from service import audit, cells, splits
from service.api import schemas
from service.api.dependencies import AdminReader, EnvironmentReader, Idempotent, Page, Session, Steward
from service.api.problems import documented
from service.api.routing import StrictRoute
from service.models import Exposure, Split
from service.pages import page

router = APIRouter(tags=["splits"], route_class=StrictRoute, responses=documented(401, 403, 422))


@router.get("/splits")
async def list_splits(session: Session, caller: EnvironmentReader, paging: Page) -> schemas.Page[schemas.Split]:
    """Every version of every split, newest first."""
    rows, cursor = await page(
        session, splits.listed(), Split.id, cursor=paging.cursor, limit=paging.limit, descending=True
    )
    return schemas.Page[schemas.Split](items=await splits.describe(session, caller, rows), next_cursor=cursor)


@router.get("/splits/{name}", responses=documented(404))
async def get_split(session: Session, caller: EnvironmentReader, name: str) -> schemas.Split:
    """By name and version, such as default@1; without a version the newest."""
    (shown,) = await splits.describe(session, caller, [await splits.find(session, name)])
    return shown


@router.post("/admin/splits", status_code=201, response_model=schemas.Split, responses=documented(400, 409, 413, 415))
async def declare_split(
    session: Session, caller: Steward, idempotent: Idempotent, request: schemas.SplitCreate
) -> Response:
    """Declare a split, or the next version of one. It holds nothing out before it is activated."""

    async def create() -> tuple[schemas.Split, str]:
        split = await splits.declare(session, caller, request)
        audit.record(session, caller, "split.declare", splits.ref(split), digest=split.digest)
        (shown,) = await splits.describe(session, caller, [split])
        return shown, f"/v1/splits/{shown.ref}"

    return await idempotent.once(201, create)


@router.post("/admin/splits/{name}:activate", responses=documented(404))
async def activate_split(session: Session, caller: Steward, name: str) -> schemas.SplitActivation:
    """Hold all training that is submitted from now on to this split. Runs submitted before go on; the answer names
    them."""
    done = await splits.activate(session, await splits.find(session, name))
    audit.record(session, caller, "split.activate", done.split, before=done.before)
    return done


@router.put("/admin/splits/{name}/budgets/{cell}", responses=documented(400, 404, 413, 415))
async def set_exposure_budget(
    session: Session, caller: Steward, name: str, cell: str, request: schemas.BudgetPut
) -> schemas.BudgetPut:
    """How many evaluations of the split's holdouts a cell (id or name) may ask for, in all. One environment in one run
    counts as one."""
    split, whose = await splits.find(session, name), await cells.find(session, cell)
    await splits.allow(session, split, whose, request.allowed)
    audit.record(session, caller, "split.budget", splits.ref(split), cell=whose.name, allowed=request.allowed)
    return request


@router.get("/admin/exposures")
async def list_exposures(session: Session, caller: AdminReader, paging: Page) -> schemas.Page[schemas.Exposure]:
    """Which cell evaluated how many held-out environments when, newest first."""
    rows, cursor = await page(
        session, select(Exposure), Exposure.id, cursor=paging.cursor, limit=paging.limit, descending=True
    )
    return schemas.Page[schemas.Exposure](items=await splits.show_exposures(session, rows), next_cursor=cursor)
