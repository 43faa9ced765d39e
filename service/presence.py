"""Which connections of readers this API serves. They are marked as seen while they are open, however slowly they
read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError

from service import clock, readers
from service.db import Sessions

BEAT_S = 5.0
"""Pause between two marks: a small part of readers.GONE."""

log = structlog.get_logger()


class Presence:
    """The open connections, and those just closed; `serve` marks them."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._open: set[UUID] = set()
        self._closed: set[UUID] = set()
        self._left = asyncio.Event()

    @contextmanager
    def of(self, connection: UUID | None) -> Iterator[None]:
        """The connection is open in this block; None is nobody's."""
        if connection is None:
            yield
            return
        self._open.add(connection)
        try:
            yield
        finally:
            self._open.discard(connection)
            self._closed.add(connection)
            self._left.set()

    async def mark(self) -> None:
        """Mark what is open now, and what was closed since the last time."""
        self._left.clear()
        closed = set(self._closed)
        async with self._sessions.begin() as session:
            await readers.mark(session, opened=self._open, closed=closed, now=await clock.now(session))
        self._closed -= closed

    async def serve(self) -> None:
        """Runs until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT_S):
                    await self._left.wait()
            if not self._open and not self._closed:
                continue
            try:
                await self.mark()
            except (DBAPIError, OSError) as error:
                log.warning("readers.not_marked", error=str(error).splitlines()[0][:200])
