"""What an ended lease means for its work item and its run. The release gate calls this, inside its transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service import db
from service.models import FINISHED, Chunk, Run, WorkItem

if TYPE_CHECKING:
    from service.leases import Ended

MAX_ATTEMPTS = 10
"""An item that was lost this often is given up: it probably takes its worker down."""


async def settle(session: AsyncSession, ended: Sequence[Ended], *, now: datetime) -> None:
    """What an ended lease means for its item and run: a chunk, another try, or a failure."""
    by_run: defaultdict[UUID, list[Ended]] = defaultdict(list)
    for e in ended:
        by_run[e.run_id].append(e)
    for run_id in sorted(by_run):
        await _settle_run(session, run_id, by_run[run_id], now=now)


async def _settle_run(session: AsyncSession, run_id: UUID, ended: Sequence[Ended], *, now: datetime) -> None:
    query = select(Run).where(Run.id == run_id).with_for_update().execution_options(populate_existing=True)
    run = (await session.execute(query)).scalar_one()
    done: list[Ended] = []
    to: defaultdict[str, list[UUID]] = defaultdict(list)
    for e in ended:
        state = _next_state(run, e)
        to[state].append(e.item_id)
        if state == "done":
            done.append(e)
        elif state == "failed":
            run.failure = run.failure or _failure(e)
    for state, ids in to.items():
        await session.execute(update(WorkItem).where(WorkItem.id.in_(ids)).values(state=state))
    for e in done:
        _commit_chunk(session, run, e, now=now)
    run.items_done += len(done)
    run.items_failed += len(to["failed"])
    if run.state not in FINISHED and run.items_done + run.items_failed == run.items_total:
        run.state = "failed" if run.items_failed else "succeeded"
        run.finished_at = now
    await session.flush()
    await db.notify(session, db.RUN, run.id.hex)


def _next_state(run: Run, e: Ended) -> str:
    if run.state in FINISHED:
        return "cancelled"
    match e.ending.outcome:
        case "done":
            return "done"
        case "failed":
            return "failed"
        case "cancelled":
            return "cancelled"
        case "abandoned" | "unclaimed" | "recalled":
            return "queued"
        case _:
            return "queued" if e.attempts < MAX_ATTEMPTS else "failed"


def _failure(e: Ended) -> str:
    what = e.ending.failure or f"{e.ending.outcome} {e.attempts} times"
    return f"{what}: {e.ending.detail}" if e.ending.detail else what


def _commit_chunk(session: AsyncSession, run: Run, e: Ended, *, now: datetime) -> None:
    info = e.ending.chunk
    assert info is not None  # the API refuses a `done` without a chunk
    session.add(
        Chunk(
            run_id=run.id,
            seq=run.next_seq,
            item_id=e.item_id,
            site_id=e.site_id,
            object_key=e.object_key,
            bytes=info.bytes,
            sha256=info.sha256,
            rows=info.rows,
            episodes=info.episodes,
            steps=info.steps,
            summary=[part.model_dump() for part in info.summary],
            created_at=now,
        )
    )
    run.next_seq += 1
    run.steps_done += info.steps
    run.episodes_done += info.episodes
    run.bytes += info.bytes
