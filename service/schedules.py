"""Changes of quotas that begin at a time, and may be taken back at one. The scheduler's sweep keeps the times."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog
from pydantic_core import to_jsonable_python
from sqlalchemy import case, func, or_, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from service import audit, capacity, changes, clock, db, documents, quotas
from service.api import schemas
from service.documents import ROOT
from service.edited_tree import Edit
from service.errors import Conflict, Invalid, NotFound, Problem
from service.ids import read, show
from service.models import ScheduledChange, ScheduledState

log = structlog.get_logger()


async def create(
    session: AsyncSession,
    author: audit.Author,
    request: schemas.ScheduleCreate,
    *,
    shown: str | None,
    now: datetime,
) -> ScheduledChange:
    """Note a change for its time, or carry it out where that is now. It is carried out once beforehand, and rolled
    back: what would be refused now is refused now.

    Raises
    ------
    Invalid
        The times are no time to come, or the change is one that cannot be taken back.
    """
    await capacity.lock_root(session)
    _check_times(request, now=now)
    row = ScheduledChange(
        change=request.change.model_dump(mode="json", exclude_unset=True),
        at=request.at or now,
        until=request.until,
        actor=author.name,
        reason=author.reason,
        undo=[],
    )
    if request.at is None:
        edits = await changes.carry_out(session, author, request.change, shown=shown, now=now, prefix="body.change.")
        row.state, row.undo = ScheduledState.ACTIVE, _undo(edits)
    else:
        rehearsal = await session.begin_nested()
        try:
            await changes.carry_out(session, author, request.change, shown=shown, now=now, prefix="body.change.")
        finally:
            await rehearsal.rollback()
    session.add(row)
    await session.flush()
    times = {"at": row.at.isoformat(), "until": row.until.isoformat() if row.until else None}
    audit.record(session, author, "schedule.create", show("change", row.id), change=row.change, **times)
    await db.notify(session, db.SCHEDULE, db.SWEEP)
    await session.refresh(row)
    return row


def _check_times(request: schemas.ScheduleCreate, *, now: datetime) -> None:
    for name, time in (("at", request.at), ("until", request.until)):
        if time is not None:
            clock.check_ahead(time, now=now, field=f"body.{name}")
    if request.at is None and request.until is None:
        raise Invalid("when?", errors=[("body", "give at, until or both; for a change now and for good, edit")])
    if request.at and request.until and request.until <= request.at:
        raise Invalid("it would end before it begins", errors=[("body.until", "must be after at")])
    if request.until and request.change.document is not None:
        reason = "a document cannot be taken back by itself; give quotas or commitment"
        raise Invalid(reason, errors=[("body.until", reason)])
    ends = request.change.commitment and request.change.commitment.min_slots_until
    if request.until and request.change.commitment and request.change.commitment.min_slots is not None:
        reason = "an exception ends by itself, at min_slots_until"
        raise Invalid(reason, errors=[("body.until", reason)])
    if request.at and ends and ends <= request.at:
        field = "body.change.commitment.min_slots_until"
        raise Invalid("it would end before it begins", errors=[(field, "must be after at")])
    if not (request.change.quotas or request.change.commitment or request.change.document):
        raise Invalid("change what?", errors=[("body.change", "give quotas, commitment or document")])


async def get(session: AsyncSession, change_id: str) -> ScheduledChange:
    found = await session.get(ScheduledChange, read("change", change_id), populate_existing=True)
    if found is None:
        raise NotFound(f"there is no change {change_id}")
    return found


async def cancel(session: AsyncSession, author: audit.Author, change_id: str, *, now: datetime) -> ScheduledChange:
    """What has not begun never does; what is in force is taken back now.

    Raises
    ------
    Conflict
        It is over.
    """
    await capacity.lock_root(session)
    row = await get(session, change_id)
    if row.state not in (ScheduledState.SCHEDULED, ScheduledState.ACTIVE):
        raise Conflict(f"the change is {row.state}: there is nothing to cancel")
    kept = await _take_back(session, row, author, now=now) if row.state == ScheduledState.ACTIVE else []
    row.state, row.undo = ScheduledState.CANCELLED, []
    audit.record(session, author, "schedule.cancel", show("change", row.id), kept=kept)
    await session.flush()
    return row


# --- when the time has come


async def next_at(session: AsyncSession) -> datetime | None:
    """When the next change begins or ends."""
    begins = select(func.min(ScheduledChange.at)).where(ScheduledChange.state == ScheduledState.SCHEDULED)
    ends = select(func.min(ScheduledChange.until)).where(ScheduledChange.state == ScheduledState.ACTIVE)
    times = [await session.scalar(query) for query in (begins, ends)]
    return min((time for time in times if time is not None), default=None)


async def keep(session: AsyncSession, *, now: datetime) -> int:
    """Begin and end what is due, in the order of the times; how many. Needs the root's lock.

    One that cannot be carried out any more changes nothing, and says why.
    """
    begins = ScheduledChange.state == ScheduledState.SCHEDULED
    time = case((begins, ScheduledChange.at), else_=ScheduledChange.until)
    due = or_(
        begins & (ScheduledChange.at <= now),
        (ScheduledChange.state == ScheduledState.ACTIVE) & (ScheduledChange.until <= now),
    )
    count = 0
    while True:  # one that began may be over already
        query = select(ScheduledChange).where(due).order_by(time, ScheduledChange.id)
        rows = (await session.scalars(query.execution_options(populate_existing=True))).all()
        if not rows:
            return count
        for id in [row.id for row in rows]:
            await _keep(session, await get(session, show("change", id)), now=now)
            count += 1


async def _keep(session: AsyncSession, row: ScheduledChange, *, now: datetime) -> None:
    begins = row.state == ScheduledState.SCHEDULED
    author = audit.Known(row.actor, row.reason)
    name, action = show("change", row.id), "schedule.begin" if begins else "schedule.end"
    attempt = await session.begin_nested()
    try:
        if begins:
            edits = await _begin(session, row, author, now=now)
            row.state, row.undo = (ScheduledState.ACTIVE, _undo(edits)) if row.until else (ScheduledState.DONE, [])
            audit.record(session, author, action, name)
        else:
            kept = await _take_back(session, row, author, now=now)
            row.state, row.undo = ScheduledState.DONE, []
            audit.record(session, author, action, name, kept=kept)
        await attempt.commit()
    except (Problem, DBAPIError) as error:
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            raise
        await attempt.rollback()
        await session.refresh(row)
        row.state, row.failure = ScheduledState.FAILED, str(error).splitlines()[0]
        audit.record(session, author, action, name, failed=row.failure)
        await session.flush()
        log.warning("schedule.failed", change=name, error=row.failure)


async def _begin(session: AsyncSession, row: ScheduledChange, author: audit.Author, *, now: datetime) -> Sequence[Edit]:
    change = schemas.QuotaChange.model_validate(row.change)
    edits = await changes.apply(session, change, by=author.name, now=now)
    changes.write_down(session, author, edits)
    return edits


def _undo(edits: Sequence[Edit]) -> list[dict[str, Any]]:
    """What the edits set, and what they replaced."""
    return [
        {"target": edit.target, "field": field, "before": before, "after": after}
        for edit in edits
        for field, (before, after) in edit.changed.items()
    ]


async def _take_back(
    session: AsyncSession, row: ScheduledChange, author: audit.Author, *, now: datetime
) -> list[dict[str, Any]]:
    """Set what the change set to what it was, but for what has been edited meanwhile; answers that."""
    values = await _values(session)
    back: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    kept = []
    for part in row.undo:
        target, field = part["target"], part["field"]
        if target in values and values[target][field] == part["after"]:
            back[target][field] = part["before"]
        elif not await _inherit(session, row, part):
            kept.append({"target": target, "field": field, "is": values.get(target, {}).get(field)})
    commitment = back.pop(ROOT, None)
    edits = [{"quota": target, **fields} for target, fields in back.items()]
    change = schemas.QuotaChange.model_validate({"quotas": edits, "commitment": commitment})
    changes.write_down(session, author, await changes.apply(session, change, by=author.name, now=now))
    return kept


async def _values(session: AsyncSession) -> dict[str, dict[str, Any]]:
    """What is set now, by target and field, in the audit's words."""
    nodes, row = await quotas.tree(session), await capacity.commitment(session)
    names = {node.id: node.name for node in nodes}
    found = {
        show("quota", node.id): {field: getattr(node, field) for field in documents.SPEC}
        | {"parent": names[node.parent_id] if node.parent_id else None}
        for node in nodes
    }
    return found | {ROOT: to_jsonable_python({field: getattr(row, field) for field in documents.SHARE})}


async def _inherit(session: AsyncSession, row: ScheduledChange, part: dict[str, Any]) -> bool:
    """Where a change that is still in force replaced what this one had set, it is that one which restores in the end
    what was before both."""
    query = select(ScheduledChange).where(ScheduledChange.state == ScheduledState.ACTIVE, ScheduledChange.id != row.id)
    for later in await session.scalars(query):
        for other in later.undo:
            if (other["target"], other["field"], other["before"]) == (part["target"], part["field"], part["after"]):
                later.undo = [each | {"before": part["before"]} if each is other else each for each in later.undo]
                return True
    return False
