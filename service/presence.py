"""Which connections of readers this API serves. They are marked as seen while they are open, however slowly they
read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError

from service import clock, readers
from service.db import Sessions

BEAT_S = 5.0
"""Pause between two marks: a small part of readers.GONE."""

log = structlog.get_logger()


class Presence:
    """The open connections; `serve` marks them."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._open: set[UUID] = set()

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

    async def mark(self) -> None:
        """Mark what is open now."""
        async with self._sessions.begin() as session:
            await readers.mark(session, self._open, now=await clock.now(session))

    async def serve(self) -> None:
        """Runs until cancelled."""
        while True:
            await asyncio.sleep(BEAT_S)
            if not self._open:
                continue
            try:
                await self.mark()
            except (DBAPIError, OSError) as error:
                log.warning("readers.not_marked", error=str(error).splitlines()[0][:200])
