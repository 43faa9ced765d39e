"""Quotas as a whole: the document, groups, what a change would do, changes for later, and the register of loans."""

from __future__ import annotations

from fastapi import APIRouter, Response
from sqlalchemy import select

from service import changes, clock, documents, loans, quotas, schedules, what_if
from service.api import schemas
from service.api.dependencies import AdminReader, AdminWriter, Idempotent, Page, QuotaLister, Session, Shown, Tag
from service.api.problems import documented
from service.api.routing import StrictRoute
from service.ids import show
from service.models import ScheduledChange
from service.pages import page

router = APIRouter(prefix="/admin", tags=["admin"], route_class=StrictRoute, responses=documented(401, 403, 422))


@router.get("/quotas/document", response_model_exclude_defaults=True)
async def get_quota_document(session: Session, caller: AdminReader, response: Response) -> schemas.QuotaDocument:
    """All that is set of the entitlement tree, without what is at its default. The ETag is of all of it."""
    document = await quotas.document(session)
    response.headers["ETag"] = f'"{documents.digest(document)}"'
    return document


@router.put("/quotas/document", responses=documented(400, 409, 412, 413, 415, 428))
async def put_quota_document(
    session: Session,
    caller: AdminWriter,
    tag: Tag,
    shown: Shown = None,
    *,
    request: schemas.QuotaDocument,
    response: Response,
) -> schemas.Changed:
    """Make the tree what the document says, in one transaction: groups and cells are made, moved, set, and deleted
    where nothing is lost. Send the ETag that you read as If-Match; POST /v1/admin/what-if says what would change."""
    now = await clock.now(session)
    edits = await changes.replace_document(session, caller, request, tag=tag, shown=shown, now=now)
    response.headers["ETag"] = f'"{documents.digest(await quotas.document(session))}"'
    return schemas.Changed(edits=[line for edit in edits for line in edit.lines()])


@router.post("/quotas", status_code=201, response_model=schemas.Quota, responses=documented(400, 409, 413, 415))
async def create_group(
    session: Session, caller: AdminWriter, idempotent: Idempotent, request: schemas.GroupCreate
) -> Response:
    """A new group; move cells into it by their `parent`."""

    async def create() -> tuple[schemas.Quota, str]:
        now = await clock.now(session)
        quota_id = show("quota", (await changes.create_group(session, caller, request, now=now)).id)
        return await quotas.show_one(session, quota_id, now=now), f"/v1/admin/quotas/{quota_id}"

    return await idempotent.once(201, create)


@router.delete("/quotas/{quota_id}", status_code=204, responses=documented(404, 409))
async def delete_quota(session: Session, caller: AdminWriter, quota_id: str) -> None:
    """Delete a group that has nothing in it, or a cell that never had work."""
    await changes.delete_node(session, caller, quota_id, now=await clock.now(session))


@router.post("/what-if", responses=documented(400, 404, 409, 413, 415))
async def ask_what_if(session: Session, caller: QuotaLister, request: schemas.WhatIfAsk) -> schemas.WhatIf:
    """What would follow from a change, at this moment. Changes nothing. A steward asks about what is below its group,
    and is shown what follows there."""
    return await what_if.ask(session, caller, request, now=await clock.now(session))


# --- changes for later


@router.get("/changes")
async def list_changes(session: Session, caller: AdminReader, paging: Page) -> schemas.Page[schemas.Scheduled]:
    """Changes that begin or end at a time, newest first; those that are over too."""
    rows, cursor = await page(
        session,
        select(ScheduledChange),
        ScheduledChange.id,
        cursor=paging.cursor,
        limit=paging.limit,
        descending=True,
    )
    return schemas.Page[schemas.Scheduled](items=[_scheduled(row) for row in rows], next_cursor=cursor)


@router.post(
    "/changes",
    status_code=201,
    response_model=schemas.Scheduled,
    responses=documented(400, 404, 409, 412, 413, 415, 428),
)
async def schedule_change(
    session: Session,
    caller: AdminWriter,
    idempotent: Idempotent,
    shown: Shown = None,
    *,
    request: schemas.ScheduleCreate,
) -> Response:
    """Change something later, for a while, or both. At its end it becomes what it was, unless it was edited
    meanwhile."""

    async def create() -> tuple[schemas.Scheduled, str]:
        row = await schedules.create(session, caller, request, shown=shown, now=await clock.now(session))
        return _scheduled(row), f"/v1/admin/changes/{show('change', row.id)}"

    return await idempotent.once(201, create)


@router.get("/changes/{change_id}", responses=documented(404))
async def get_change(session: Session, caller: AdminReader, change_id: str) -> schemas.Scheduled:
    return _scheduled(await schedules.get(session, change_id))


@router.post("/changes/{change_id}:cancel", responses=documented(404, 409))
async def cancel_change(session: Session, caller: AdminWriter, change_id: str) -> schemas.Scheduled:
    """What has not begun never does; what is in force is taken back now."""
    return _scheduled(await schedules.cancel(session, caller, change_id, now=await clock.now(session)))


def _scheduled(row: ScheduledChange) -> schemas.Scheduled:
    return schemas.Scheduled(
        id=show("change", row.id),
        state=row.state,
        at=row.at,
        until=row.until,
        change=row.change,
        by=row.actor,
        reason=row.reason,
        failure=row.failure,
        created_at=row.created_at,
    )


# --- loans


@router.get("/loans")
async def list_loans(session: Session, caller: AdminReader) -> schemas.Loans:
    """Who runs beyond its nominal now, since when, and whose nominal it is."""
    return await loans.register(session, now=await clock.now(session))
