"""The stream of a run: chunks in order of seq as they are committed, progress between them, an end."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from service import runs, store
from service.api import schemas
from service.api.dependencies import Parts
from service.errors import NotFound
from service.models import FINISHED, Chunk, Run

FRAMES = "application/vnd.worldpool.stream"
EVENTS = "text/event-stream"
KEEP_ALIVE_S = 10
"""A client hears something at least this often."""
WINDOW = 64
"""Chunks read from the database at a time."""
PROGRESS_S = 0.25
"""Progress between chunks is not sent more often than this."""


@dataclass(frozen=True)
class Event:
    """Something to tell: a chunk with where its bytes lie, progress, or the end."""

    kind: Literal["chunk", "progress", "end"]
    run: schemas.Run | None = None
    chunk: Chunk | None = None
    store_url: str = ""


async def follow(parts: Parts, run: Run, after: int) -> AsyncIterator[Event]:
    """Chunks after `after`, progress on change and as a keep-alive, and at last the end."""
    loop = asyncio.get_running_loop()
    told: schemas.Run | None = None
    told_at = 0.0
    with parts.run_wakeups.subscribe(run.id.hex) as wake:
        while True:
            wake.clear()
            found, shown, urls = await _look(parts, run, after)
            for chunk in found:
                yield Event("chunk", chunk=chunk, store_url=urls[chunk.site_id])
                after = chunk.seq
            if len(found) == WINDOW:
                continue
            if shown.state in FINISHED and after >= shown.chunks:
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


async def _look(parts: Parts, run: Run, after: int) -> tuple[Sequence[Chunk], schemas.Run, dict[UUID, str]]:
    async with parts.sessions() as session:
        # the run first: chunks committed between the two reads are then only too many, never too few for its end
        current = await session.get(Run, run.id, populate_existing=True)
        if current is None:
            raise NotFound("the run was deleted")
        (shown,) = await runs.describe(session, [current])
        found = await runs.chunks_after(session, run.id, after, limit=WINDOW)
        urls = {chunk.site_id: await runs.store_url(session, chunk) for chunk in found}
    return found, shown, urls


async def frames(parts: Parts, run: Run, after: int) -> AsyncIterator[bytes]:
    """uint32 header length, header (JSON), uint64 payload length, payload; little endian."""
    async for event in follow(parts, run, after):
        if event.chunk is None:
            assert event.run is not None
            yield _frame({"kind": event.kind, "run": event.run.model_dump(mode="json")}, 0)
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
    async for event in follow(parts, run, after):
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
