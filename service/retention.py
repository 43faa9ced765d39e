"""Retention: what nobody needs any more is deleted, by the scheduler's leader. Two leaders would do no harm.

A run says when its chunks are deleted, always from the first on. It is written down before an object is touched, so
that readers are told; what then cannot be deleted is an orphan.

Orphans are objects whose key names neither a chunk nor a live lease: a worker died after it wrote, or nobody heard its
release. What an orphan is, the database says. Every object is younger than its lease, and no lease that has ended gives
a chunk; so whoever looks for both after the object was listed has the last word, and age decides nothing. It is asked
for besides, to leave time for a look at what went wrong.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import delete, func, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from service import clock, store, webhooks
from service.api import schemas
from service.db import Sessions
from service.errors import Gone, Unavailable
from service.models import Chunk, IdempotencyKey, Run, Site

EVERY_S = 3600.0
"""Pause between two passes over all stores."""
EXPIRE_EVERY_S = 60.0
"""Pause between two looks at runs whose chunks may be deleted."""
BATCH = 1000
"""Objects, or rows, that are looked at together."""
PAUSE_S = 0.1
"""Pause between two batches of objects: a pass over a million of them takes minutes and gets in nobody's way."""
IDEMPOTENCY_AGE = timedelta(hours=24)
"""How long a creating request can be sent again."""
_CHUNK = re.compile(r"runs/[0-9a-f]{32}/([0-9a-f]{32})-([0-9]{1,18})\.chunk")
"""The keys that service.leases gives; nothing else is ever deleted."""

log = structlog.get_logger()


def columns(wish: schemas.Retention) -> dict[str, Any]:
    """A run's retention as its row has it."""
    if isinstance(wish, schemas.AfterEnd):
        return {"retention": "after_end", "retain_s": wish.after_end_s}
    return {"retention": wish}


def show(run: Run) -> Any:
    """A run's retention as it was asked for."""
    return run.retention if run.retain_s is None else schemas.AfterEnd(after_end_s=run.retain_s)


def require_kept(run: Run, seq: int) -> None:
    """
    Raises
    ------
    Gone
        The run's retention has had the chunk deleted.
    """
    if seq <= run.chunks_deleted:
        raise Gone(
            f"chunks 1 to {run.chunks_deleted} of this run were deleted, as its retention says ({run.retention}); its "
            f"summary and report stay, and streams go on with after={run.chunks_deleted}"
        )


class Retention:
    """One pass after another. Remembers which store failed, so that it is logged once."""

    def __init__(self, sessions: Sessions, orphan_age: timedelta) -> None:
        self._sessions = sessions
        self._orphan_age = orphan_age
        self._failing: set[str] = set()

    async def serve(self) -> None:
        """Runs until cancelled. What fails is tried again with the next pass; the scheduler goes on."""
        clock_s = asyncio.get_running_loop().time
        due = clock_s()
        while True:
            try:
                await self.expire()
                if clock_s() >= due:
                    due = clock_s() + EVERY_S
                    await self.sweep()
            except Exception as error:
                log.warning("retention.failed", error=f"{type(error).__name__}: {error}"[:200])
            await asyncio.sleep(EXPIRE_EVERY_S)

    async def expire(self) -> None:
        """Delete the chunks whose time is over, a batch a transaction."""
        while True:
            async with self._sessions.begin() as session:
                expired = await _expired(session, now=await clock.now(session))
            for site, url, keys in expired:
                try:
                    await store.delete(url, keys)
                except Unavailable as error:
                    log.warning("chunks.not_deleted", site=site, objects=len(keys), cause=error.detail)
            if not expired:
                return

    async def sweep(self) -> None:
        """One pass: idempotency keys and old deliveries, then the store of one site after another."""
        await _forget_idempotency_keys(self._sessions)
        async with self._sessions.begin() as session:
            await webhooks.forget(session, now=await clock.now(session))
        async with self._sessions() as session:
            before = await clock.now(session) - self._orphan_age
            stores = select(Site.store_url, func.min(Site.name), func.min(Site.created_at)).group_by(Site.store_url)
            found = (await session.execute(stores)).all()
        for url, site, since in found:
            await self._collect(url, site, since=since, before=before)

    async def _collect(self, url: str, site: str, *, since: datetime, before: datetime) -> None:
        try:
            count = await _collect_orphans(self._sessions, url, since=since, before=before)
        except Unavailable as error:
            if site not in self._failing:
                log.warning("orphans.not_collected", site=site, cause=error.detail)
            self._failing.add(site)
            return
        self._failing.discard(site)
        if count:
            log.info("orphans.collected", site=site, objects=count)


async def _expired(session: AsyncSession, *, now: datetime) -> list[tuple[str, str, list[str]]]:
    """Mark chunks as deleted that are to be, of one run; their objects by site and address of its store."""
    run = (await session.execute(_EXPIRING, {"now": now, "most": BATCH})).one_or_none()
    if run is None:
        return []
    rows = await session.execute(
        select(Site.name, Site.store_url, func.array_agg(Chunk.object_key))
        .join(Site, Site.id == Chunk.site_id)
        .where(Chunk.run_id == run.id, Chunk.seq > run.was, Chunk.seq <= run.chunks_deleted)
        .group_by(Site.name, Site.store_url)
    )
    log.info("chunks.expired", run=run.id.hex, chunks=run.chunks_deleted - run.was)
    return [(site, url, list(keys)) for site, url, keys in rows]


_EXPIRING = text(
    """
    WITH due AS (
        SELECT run.id, run.chunks_deleted AS was, CASE run.retention
            WHEN 'acknowledged' THEN (SELECT min(read_seq) FROM reader_group WHERE run_id = run.id)
            WHEN 'after_end' THEN CASE WHEN run.finished_at <= :now - make_interval(secs => run.retain_s)
                THEN run.next_seq - 1 END
        END AS upto
        FROM run WHERE run.retention <> 'keep' AND run.chunks_deleted < run.next_seq - 1
    ), next AS (
        SELECT id, was, least(upto, was + :most) AS upto FROM due WHERE upto > was ORDER BY id LIMIT 1
    )
    UPDATE run SET chunks_deleted = next.upto FROM next
    WHERE run.id = next.id AND run.chunks_deleted = next.was
    RETURNING run.id, next.was, run.chunks_deleted
    """
)


async def _collect_orphans(sessions: Sessions, url: str, *, since: datetime, before: datetime) -> int:
    """Delete the orphans in one store; how many. Objects from before `since`, when the site came, are not ours."""
    count = 0
    async for batch in store.listing(url, "runs", size=BATCH):
        keys = [found["path"] for found in batch if since <= found["last_modified"] < before]
        async with sessions() as session:
            orphans = await _orphans(session, keys)
        await store.delete(url, orphans)
        count += len(orphans)
        await asyncio.sleep(PAUSE_S)
    return count


async def _orphans(session: AsyncSession, keys: Sequence[str]) -> Sequence[str]:
    """The keys that no chunk has and that no live lease may still give one. Call it after the objects were seen."""
    named = [match for match in map(_CHUNK.fullmatch, keys) if match]
    if not named:
        return []
    attempts = {
        "keys": [match[0] for match in named],
        "items": [UUID(hex=match[1]) for match in named],
        "fences": [int(match[2]) for match in named],
    }
    return (await session.scalars(_ORPHANS, attempts)).all()


# one statement, hence one moment: a lease that ends between two would be seen neither live nor with its chunk
_ORPHANS = text(
    """
    SELECT o.key
    FROM unnest(CAST(:keys AS text[]), CAST(:items AS uuid[]), CAST(:fences AS bigint[])) AS o(key, item_id, fence)
    WHERE NOT EXISTS (
        SELECT FROM chunk c JOIN run r ON r.id = c.run_id
        WHERE c.item_id = o.item_id AND c.object_key = o.key AND c.seq > r.chunks_deleted
      )
      AND NOT EXISTS (
        SELECT FROM lease l WHERE l.item_id = o.item_id AND l.fence = o.fence AND l.state <> 'released'
      )
    """
)


async def _forget_idempotency_keys(sessions: Sessions) -> None:
    """Delete those that are too old, a batch a transaction."""
    key = (IdempotencyKey.owner, IdempotencyKey.key)
    while True:
        async with sessions.begin() as session:
            before = await clock.now(session) - IDEMPOTENCY_AGE
            old = select(*key).where(IdempotencyKey.created_at < before).limit(BATCH)
            gone = await session.execute(delete(IdempotencyKey).where(tuple_(*key).in_(old)).returning(*key))
            if len(gone.all()) < BATCH:
                return
