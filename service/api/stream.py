"""The stream of a run: chunks in order of seq as they are committed, progress between them, an end."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service import clock, readers, retention, runs, store
from service.api import schemas
from service.api.dependencies import Parts, Sharing
from service.errors import Invalid, NotFound
from service.ids import show
from service.models import FINISHED, Chunk, Run

FRAMES = "application/vnd.worldpool.stream"
EVENTS = "text/event-stream"
KEEP_ALIVE_S = 10
"""A client hears something at least this often."""
WINDOW = 64
"""Chunks read from the database at a time."""
AT_ONCE = 8
"""Chunks that a consumer of a group is given at a time: one that is slow leaves the others theirs."""
PROGRESS_S = 0.25
"""Progress between chunks is not sent more often than this."""


@dataclass(frozen=True)
class Event:
    """Something to tell: a chunk with where its bytes lie, progress, or the end: of the run, or because another
    connection took this one's place."""

    kind: Literal["chunk", "progress", "end", "replaced"]
    run: schemas.Run | None = None
    chunk: Chunk | None = None
    store_url: str = ""


@dataclass(frozen=True)
class Found:
    """What a reader gets now, whether there is more at once, and whether a finished run has nothing more for it."""

    chunks: Sequence[Chunk]
    more: bool
    over: bool


class Alone:
    """Reads every chunk behind `seq`. With a connection it says how far it is; see `readers.attend`."""

    def __init__(self, seq: int, connection: UUID | None = None) -> None:
        self.connection = connection
        self._seq = seq

    async def look(self, session: AsyncSession, run: Run) -> Found:
        limit = WINDOW
        if self.connection is not None and run.max_unread is not None:
            await readers.moved(session, self.connection, seq=self._seq)  # what was found last was taken by now
            limit = min(limit, max(run.max_unread // 2, 1))
        chunks = await runs.chunks_after(session, run.id, self._seq, limit=limit)
        self._seq = chunks[-1].seq if chunks else self._seq
        return Found(chunks, more=len(chunks) == limit, over=self._seq >= run.next_seq - 1)


class Consumer:
    """Reads as a consumer of a group: first what it has not acknowledged, then its part of the rest. See
    service.readers."""

    def __init__(self, member: readers.Member, sharing: Sharing) -> None:
        self.connection = member.connection
        self._member = member
        self._sharing = sharing
        self._again: int | None = 0
        """Up to where it got again what it has not acknowledged; None when it has all."""

    async def look(self, session: AsyncSession, run: Run) -> Found:
        """
        Raises
        ------
        Replaced
        Gone
            Retention was faster than the group.
        """
        found = await self._look(session, run)
        for chunk in found.chunks:
            retention.require_kept(run, chunk.seq)
        return found

    async def _look(self, session: AsyncSession, run: Run) -> Found:
        if self._again is not None:
            chunks = await readers.unacknowledged(session, self._member, after=self._again, most=AT_ONCE)
            self._again = chunks[-1].seq if chunks else None
            if chunks:
                return Found(chunks, more=True, over=False)
        now = await clock.now(session)
        accepting = await clock.accepting(session, now=now)
        taken = await readers.take(
            session, run, self._member, most=AT_ONCE, window=self._sharing.window, now=now, accepting=accepting
        )
        over = taken.all_acknowledged if self._sharing.until == "acknowledged" else taken.all_given
        return Found(taken.chunks, more=bool(taken.chunks), over=over)


async def reader(session: AsyncSession, run: Run, after: int, sharing: Sharing | None) -> Alone | Consumer:
    """Who reads: alone, or as a consumer of a group, which begins to be there."""
    now = await clock.now(session)
    if sharing is None:
        if after >= run.next_seq:
            reason = f"{show('run', run.id)} has {run.next_seq - 1} chunks so far"
            raise Invalid("there is nothing to go on from", errors=[("query.after", reason)])
        retention.require_kept(run, after + 1)
        return Alone(after, await readers.attend(session, run, after=after, now=now))
    member = await readers.join(session, run, sharing.group, sharing.consumer, after=after, now=now)
    return Consumer(member, sharing)


async def follow(parts: Parts, run: Run, reader: Alone | Consumer) -> AsyncGenerator[Event]:
    """The reader's chunks, progress on change and as a keep-alive, and at last the end."""
    loop = asyncio.get_running_loop()
    told: schemas.Run | None = None
    told_at = 0.0
    with parts.run_wakeups.subscribe(run.id.hex) as wake, parts.presence.of(reader.connection):
        while True:
            wake.clear()
            try:
                found, shown, urls = await _look(parts, run, reader)
            except readers.Replaced:
                yield Event("replaced")
                return
            for chunk in found.chunks:
                yield Event("chunk", chunk=chunk, store_url=urls[chunk.site_id])
            if found.more:
                continue
            if shown.state in FINISHED and found.over:
                yield Event("end", run=shown)
                return
            now = loop.time()
            if told is None or (shown != told and now - told_at >= PROGRESS_S) or now - told_at >= KEEP_ALIVE_S:
                yield Event("progress", run=shown)
                told, told_at = shown, now
            try:
                async with asyncio.timeout(max(told_at + KEEP_ALIVE_S - loop.time(), 0.0)):
                    await wake.wait()
            except TimeoutError:
                pass


async def _look(parts: Parts, run: Run, reader: Alone | Consumer) -> tuple[Found, schemas.Run, dict[UUID, str]]:
    async with parts.sessions.begin() as session:
        # the run first: chunks committed between the two reads are then only too many, never too few for its end
        current = await session.get(Run, run.id, populate_existing=True)
        if current is None:
            raise NotFound("the run was deleted")
        (shown,) = await runs.describe(session, [current])
        found = await reader.look(session, current)
        urls = {chunk.site_id: await runs.store_url(session, chunk) for chunk in found.chunks}
    return found, shown, urls


async def frames(parts: Parts, run: Run, reader: Alone | Consumer) -> AsyncIterator[bytes]:
    """uint32 header length, header (JSON), uint64 payload length, payload; little endian."""
    async for event in follow(parts, run, reader):
        if event.chunk is None:
            about = {"run": event.run.model_dump(mode="json")} if event.run else {}
            yield _frame({"kind": event.kind, **about}, 0)
            continue
        chunk = event.chunk
        body = await primed(store.read(event.store_url, chunk.object_key))
        yield _frame({"kind": "chunk", "seq": chunk.seq, "sha256": chunk.sha256}, chunk.bytes)
        async for part in body:
            yield part


def _frame(header: dict[str, object], payload_bytes: int) -> bytes:
    text = json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<I", len(text)) + text + struct.pack("<Q", payload_bytes)


async def events(parts: Parts, run: Run, after: int, *, chunks: bool = True) -> AsyncIterator[bytes]:
    """Server-sent events: `progress` and `end` carry the run, `chunk` (if wanted) its row without the bytes and its seq
    as id."""
    async for event in follow(parts, run, Alone(after)):
        if event.chunk is None:
            assert event.run is not None
            yield f"event: {event.kind}\ndata: {event.run.model_dump_json()}\n\n".encode()
        elif chunks:
            data = runs.show_chunk(event.chunk).model_dump_json()
            yield f"event: chunk\nid: {event.chunk.seq}\ndata: {data}\n\n".encode()


async def primed(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same parts, with the first one read already: what fails to open fails before anything was sent."""
    first = await anext(body, b"")

    async def whole() -> AsyncIterator[bytes]:
        yield first
        async for part in body:
            yield part

    return whole()
