"""What an ended lease means for its work item and its run. The release gate calls this, inside its transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncSession

from service import db
from service.models import FINISHED, Chunk, WorkItem

if TYPE_CHECKING:
    from service.leases import Ended

MAX_ATTEMPTS = 10
"""An item that was lost this often is given up: it probably takes its worker down."""


async def settle(session: AsyncSession, ended: Sequence[Ended], *, now: datetime) -> None:
    """What ended leases mean for their items and runs: a chunk, another try, or a failure."""
    by_run: defaultdict[UUID, list[Ended]] = defaultdict(list)
    for e in ended:
        by_run[e.run_id].append(e)
    counts = (await session.execute(_COUNTS, {"runs": list(by_run)})).mappings()
    runs = [_Run(**row) for row in counts]
    to: defaultdict[str, list[UUID]] = defaultdict(list)
    chunks: list[dict[str, Any]] = []
    for run in runs:
        for e in by_run[run.id]:
            state = _next_state(run, e)
            to[state].append(e.item_id)
            if state == "done":
                chunks.append(_chunk(run, e, now=now))
            run.count(e, state, now=now)
    for state, ids in to.items():
        await session.execute(update(WorkItem).where(WorkItem.id == db.any_of(ids)).values(state=state))
    await session.execute(_COUNTED, {"runs": db.rows_json([vars(run) for run in runs])})
    if chunks:
        await db.insert(session, Chunk.__table__, chunks)
    await db.notify(session, db.RUN, *(run.id.hex for run in runs))


@dataclass
class _Run:
    """What of a run its items change."""

    id: UUID
    state: str
    failure: str | None
    finished_at: datetime | None
    next_seq: int
    items_total: int
    items_done: int
    items_failed: int
    steps_done: int
    episodes_done: int
    bytes: int

    def count(self, e: Ended, state: str, *, now: datetime) -> None:
        """Count an item's attempt in that gave its chunk, or gave it up."""
        info = e.ending.chunk
        if state == "done" and info is not None:
            self.next_seq += 1
            self.items_done += 1
            self.steps_done += info.steps
            self.episodes_done += info.episodes
            self.bytes += info.bytes
        elif state == "failed":
            self.failure = self.failure or _failure(e)
            self.items_failed += 1
        if self.state not in FINISHED and self.items_done + self.items_failed == self.items_total:
            self.state = "failed" if self.items_failed else "succeeded"
            self.finished_at = now


_COUNTS = text(
    """
    SELECT id, state, failure, finished_at, next_seq, items_total, items_done, items_failed, steps_done, episodes_done,
        bytes
    FROM run WHERE id = ANY(CAST(:runs AS uuid[])) ORDER BY id FOR UPDATE
    """
)
_COUNTED = text(
    """
    UPDATE run SET (state, failure, finished_at, next_seq, items_done, items_failed, steps_done, episodes_done, bytes)
        = (v.state, v.failure, v.finished_at, v.next_seq, v.items_done, v.items_failed, v.steps_done, v.episodes_done,
           v.bytes)
    FROM json_populate_recordset(CAST(NULL AS run), CAST(:runs AS json)) v WHERE run.id = v.id
    """
)


def _next_state(run: _Run, e: Ended) -> str:
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


def _chunk(run: _Run, e: Ended, *, now: datetime) -> dict[str, Any]:
    """The row of what an attempt gave: the run's next."""
    info = e.ending.chunk
    assert info is not None  # the API refuses a `done` without a chunk
    return {
        "run_id": run.id,
        "seq": run.next_seq,
        "item_id": e.item_id,
        "site_id": e.site_id,
        "object_key": e.object_key,
        "bytes": info.bytes,
        "sha256": info.sha256,
        "rows": info.rows,
        "episodes": info.episodes,
        "steps": info.steps,
        "summary": [part.model_dump() for part in info.summary],
        "created_at": now,
    }
