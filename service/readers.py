"""Readers of a run's chunks: connections that read alone, and consumers that share the chunks as a group.

A chunk is given to one consumer and stays its own until it is acknowledged, or until the consumer has been away for
`GONE`; then another gets it. So every chunk reaches somebody, and twice only where somebody went away without a word.
What is given is counted (`given_seq`) and only what is not yet acknowledged has a row: a group of any age is small.

How far readers are, and when one was last seen, bounds what the scheduler starts: see service.scheduler.snapshot. It is
told here when that may have changed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service import db, retention
from service.api import schemas
from service.errors import Conflict, Invalid, NotFound
from service.ids import new_id, show
from service.models import FINISHED, Chunk, Delivery, Reader, ReaderGroup, Run

GONE = timedelta(seconds=30)
"""A consumer that was not connected for so long has gone; what it has not acknowledged goes to others."""
MOST_GROUPS = 16
"""Groups of one run."""


class Replaced(Exception):
    """Another connection reads as this consumer now, or the group was deleted."""


@dataclass(frozen=True)
class Member:
    """One connection of one consumer."""

    group_id: UUID
    reader_id: UUID
    connection: UUID


@dataclass(frozen=True)
class Taken:
    """What a consumer gets now, and whether the run's chunks so far are all given out, and all acknowledged."""

    chunks: Sequence[Chunk]
    all_given: bool
    all_acknowledged: bool


# --- groups


async def found(session: AsyncSession, run: Run, names: Sequence[str]) -> None:
    """Make the groups that a run has from its start."""
    if names:
        await session.execute(insert(ReaderGroup), [_group_row(run, name, after=0) for name in names])


def _group_row(run: Run, name: str, *, after: int) -> dict[str, Any]:
    return {"id": new_id(), "run_id": run.id, "name": name, "given_seq": after, "read_seq": after}


async def groups(session: AsyncSession, run: Run) -> list[schemas.Group]:
    """The run's groups with their consumers, oldest first."""
    found = await session.scalars(select(ReaderGroup).where(ReaderGroup.run_id == run.id).order_by(ReaderGroup.id))
    return [await _show(session, group) for group in found.all()]


async def _show(session: AsyncSession, group: ReaderGroup) -> schemas.Group:
    held = func.count(Delivery.seq)
    consumers = await session.execute(
        select(Reader.consumer, Reader.seen_at, held)
        .outerjoin(Delivery, Delivery.reader_id == Reader.id)
        .where(Reader.group_id == group.id)
        .group_by(Reader.id)
        .order_by(Reader.id)
    )
    shown = [schemas.Consumer(name=name, seen_at=at, unacknowledged=count) for name, at, count in consumers]
    return schemas.Group(
        name=group.name,
        given=group.given_seq,
        acknowledged=group.read_seq,
        unacknowledged=sum(consumer.unacknowledged for consumer in shown),
        consumers=shown,
    )


async def _locked(session: AsyncSession, run: Run, name: str) -> ReaderGroup:
    """
    Raises
    ------
    NotFound
        The run has no such group.
    """
    query = select(ReaderGroup).where(ReaderGroup.run_id == run.id, ReaderGroup.name == name).with_for_update()
    found = (await session.execute(query.execution_options(populate_existing=True))).scalar_one_or_none()
    if found is None:
        raise NotFound(f"{show('run', run.id)} has no group {name}")
    return found


async def remove(session: AsyncSession, run: Run, name: str) -> None:
    """Delete a group: nothing waits for it any more, and its streams end."""
    group = await _locked(session, run, name)
    await session.execute(delete(ReaderGroup).where(ReaderGroup.id == group.id))
    await _tell(session, run)


# --- give


async def join(session: AsyncSession, run: Run, name: str, consumer: str, *, after: int, now: datetime) -> Member:
    """A new connection of a consumer; one that it had before gets nothing more. The first consumer makes the group,
    which begins behind chunk `after`.

    Raises
    ------
    Invalid
        The run has no chunk `after` yet.
    Conflict
        The run has too many groups.
    Gone
        A new group would begin with chunks that are deleted.
    """
    if after >= run.next_seq:
        reason = f"{show('run', run.id)} has {run.next_seq - 1} chunks so far"
        raise Invalid("a group cannot begin there", errors=[("query.after", reason)])
    group = await _locked_or_new(session, run, name, after=after)
    await session.execute(_FORGET, {"group": group.id, "before": now - GONE})
    connection = uuid4()
    values = {"connection": connection, "seen_at": now}
    reader_id = await session.scalar(
        insert(Reader)
        .values(id=new_id(), run_id=run.id, group_id=group.id, consumer=consumer, **values)
        .on_conflict_do_update(index_elements=["group_id", "consumer"], set_=values)
        .returning(Reader.id)
    )
    assert reader_id is not None
    await _tell(session, run)  # a connection before this one looks, and ends
    return Member(group.id, reader_id, connection)


async def _locked_or_new(session: AsyncSession, run: Run, name: str, *, after: int) -> ReaderGroup:
    try:
        return await _locked(session, run, name)
    except NotFound:
        retention.require_kept(run, after + 1)
    # the run's lock: no two connections make the last group that there may be
    await session.execute(select(Run.id).where(Run.id == run.id).with_for_update())
    names = (await session.scalars(select(ReaderGroup.name).where(ReaderGroup.run_id == run.id))).all()
    if name not in names and len(names) >= MOST_GROUPS:
        raise Conflict(f"{show('run', run.id)} has {len(names)} groups, the most there can be; delete one first")
    await session.execute(insert(ReaderGroup).values(_group_row(run, name, after=after)).on_conflict_do_nothing())
    return await _locked(session, run, name)


# consumers that went and left nothing to anybody; streams without a name of their own leave one each
_FORGET = text(
    """
    DELETE FROM reader r WHERE r.group_id = :group AND r.seen_at < :before
    AND NOT EXISTS (SELECT FROM delivery d WHERE d.reader_id = r.id)
    """
)


async def _group_of(session: AsyncSession, member: Member) -> ReaderGroup:
    """The member's group, locked.

    Raises
    ------
    Replaced
        The connection is no longer the consumer's.
    """
    query = select(ReaderGroup).where(ReaderGroup.id == member.group_id).with_for_update()
    group = (await session.execute(query.execution_options(populate_existing=True))).scalar_one_or_none()
    current = await session.scalar(select(Reader.connection).where(Reader.id == member.reader_id))
    if group is None or current != member.connection:
        raise Replaced
    return group


async def unacknowledged(session: AsyncSession, member: Member, *, after: int, most: int) -> Sequence[Chunk]:
    """What the consumer was given, perhaps by a connection that was lost, and has not acknowledged.

    Raises
    ------
    Replaced
    """
    group = await _group_of(session, member)
    query = select(Delivery.seq).where(Delivery.reader_id == member.reader_id, Delivery.seq > after)
    seqs = (await session.scalars(query.order_by(Delivery.seq).limit(most))).all()
    return await _chunks(session, group, seqs)


async def take(
    session: AsyncSession, run: Run, member: Member, *, most: int, window: int | None, now: datetime, accepting: bool
) -> Taken:
    """Give the consumer at most `most` chunks, so that no more than `window` of its own are unacknowledged: first what
    others left behind, then the next. While streams were not `accepting` nobody could be there, so nobody has gone.

    Raises
    ------
    Replaced
    """
    group = await _group_of(session, member)
    if window is not None:
        own = select(func.count()).where(Delivery.reader_id == member.reader_id)
        most = min(most, max(window - int(await session.scalar(own) or 0), 0))
    seqs: list[int] = []
    if most and accepting:
        left = {"group": group.id, "reader": member.reader_id, "before": now - GONE, "most": most}
        seqs += (await session.scalars(_INHERIT, left)).all()
    fresh = range(group.given_seq + 1, min(group.given_seq + most - len(seqs), run.next_seq - 1) + 1)
    if fresh:
        rows = [{"group_id": group.id, "seq": seq, "reader_id": member.reader_id} for seq in fresh]
        await session.execute(insert(Delivery), rows)
        group.given_seq = fresh[-1]
        await session.flush()
    all_given = group.given_seq >= run.next_seq - 1
    return Taken(
        chunks=await _chunks(session, group, [*seqs, *fresh]),
        all_given=all_given,
        all_acknowledged=all_given and group.read_seq == group.given_seq,
    )


_INHERIT = text(
    """
    UPDATE delivery SET reader_id = :reader
    FROM (
        SELECT d.seq FROM reader r JOIN delivery d ON d.reader_id = r.id
        WHERE r.group_id = :group AND r.id <> :reader AND r.seen_at < :before ORDER BY d.seq LIMIT :most
    ) gone
    WHERE delivery.group_id = :group AND delivery.seq = gone.seq
    RETURNING delivery.seq
    """
)


async def _chunks(session: AsyncSession, group: ReaderGroup, seqs: Collection[int]) -> Sequence[Chunk]:
    if not seqs:
        return []
    query = select(Chunk).where(Chunk.run_id == group.run_id, Chunk.seq.in_(seqs)).order_by(Chunk.seq)
    return (await session.scalars(query)).all()


# --- come and go


async def attend(session: AsyncSession, run: Run, *, after: int, now: datetime) -> UUID | None:
    """A connection that reads alone, from behind `after`; None where the run heeds no reader."""
    if run.state in FINISHED or not _heeds(run):
        return None
    stale = delete(Reader).where(Reader.run_id == run.id, Reader.group_id.is_(None), Reader.seen_at < now - GONE)
    await session.execute(stale)
    reader = Reader(run_id=run.id, connection=uuid4(), read_seq=min(after, run.next_seq - 1), seen_at=now)
    session.add(reader)
    await session.flush()
    await _tell(session, run)
    return reader.connection


async def moved(session: AsyncSession, connection: UUID, *, seq: int) -> None:
    """A connection that reads alone has taken all chunks up to `seq`."""
    further = update(Reader).where(Reader.connection == connection, Reader.read_seq < seq).values(read_seq=seq)
    if (await session.execute(further.returning(Reader.id))).all():
        await db.notify(session, db.SCHEDULE)


async def mark(session: AsyncSession, *, opened: Collection[UUID], closed: Collection[UUID], now: datetime) -> None:
    """Some connections are open, and some that were have been closed."""
    await session.execute(update(Reader).where(Reader.connection.in_(opened)).values(seen_at=now))
    if closed:
        left = update(Reader).where(Reader.connection.in_(closed), Reader.read_seq.is_not(None)).values(read_seq=None)
        if (await session.execute(left.returning(Reader.id))).all():
            await db.notify(session, db.SCHEDULE)


def _heeds(run: Run) -> bool:
    return run.max_unread is not None or run.abandon_after_s is not None


async def _tell(session: AsyncSession, run: Run) -> None:
    """Streams of the run look again; the scheduler does if readers decide what of it may start."""
    await db.notify(session, db.RUN, run.id.hex)
    if _heeds(run):
        await db.notify(session, db.SCHEDULE)


# --- acknowledge


async def acknowledge(session: AsyncSession, run: Run, name: str, seqs: Sequence[int]) -> schemas.Group:
    """These chunks are not given to any consumer of the group again. Doing it twice is doing it once.

    Raises
    ------
    NotFound
        The run has no such group.
    Invalid
        A chunk was not given out; nothing is acknowledged.
    """
    group = await _locked(session, run, name)
    beyond = [(index, seq) for index, seq in enumerate(seqs) if seq > group.given_seq]
    if beyond:
        reason = f"was not given out to the group, which has had chunks up to {group.given_seq}"
        raise Invalid("a chunk is unknown to the group", errors=[(f"body.seqs.{i}", reason) for i, _ in beyond])
    await session.execute(delete(Delivery).where(Delivery.group_id == group.id, Delivery.seq.in_(seqs)))
    first = await session.scalar(select(func.min(Delivery.seq)).where(Delivery.group_id == group.id))
    group.read_seq = group.given_seq if first is None else first - 1
    await session.flush()
    await _tell(session, run)
    return await _show(session, group)
