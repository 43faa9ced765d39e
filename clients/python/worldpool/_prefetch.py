"""Batches fetched and decoded ahead of the learner: by a thread, or by a task of the event loop.

The fetching side has a cursor of its own; the stream's moves when a batch is given, so that positions that are kept
with checkpoints name what the learner had.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import suppress
from copy import copy
from queue import Empty, Queue
from typing import TypeAlias

from worldpool._cursors import BatchCursor
from worldpool.batches import Batch

_Found: TypeAlias = tuple[Batch | BaseException | None, BatchCursor]
"""A batch, or how it ended, and the position behind it."""


def _room(most: int) -> int:
    if most < 1:
        raise ValueError(f"prefetch is a number of batches, not {most}")
    return most


class Ahead(Iterator[Batch]):
    """Up to `most` batches ahead of those given. The thread starts when the first is asked for."""

    def __init__(self, fetch: Callable[[BatchCursor], Generator[Batch]], cursor: BatchCursor, most: int) -> None:
        self._given = cursor
        self._over = False
        self._found: Queue[_Found] = Queue(_room(most))
        work = copy(cursor), self._found, threading.Event()
        self._thread = threading.Thread(target=_fetch, args=(fetch, *work), name="worldpool-prefetch", daemon=True)
        self.close = weakref.finalize(self, _stop, self._thread, *work)

    def __next__(self) -> Batch:
        if self._over or not self.close.alive:
            raise StopIteration
        if self._thread.ident is None:
            self._thread.start()
        found, position = self._found.get()
        self._given.move_to(position)
        if isinstance(found, Batch):
            return found
        self._over = True
        raise found or StopIteration


def _fetch(
    fetch: Callable[[BatchCursor], Generator[Batch]],
    cursor: BatchCursor,
    found: Queue[_Found],
    stopped: threading.Event,
) -> None:
    end = None
    try:
        for batch in fetch(cursor):
            found.put((batch, copy(cursor)))
    except BaseException as error:
        end = error
    found.put((None if stopped.is_set() else end, copy(cursor)))


def _stop(thread: threading.Thread, cursor: BatchCursor, found: Queue[_Found], stopped: threading.Event) -> None:
    stopped.set()
    cursor.ended = True
    while thread.is_alive() and thread is not threading.current_thread():
        _shut(cursor)  # it may wait for bytes, or for room
        with suppress(Empty):
            while True:
                found.get_nowait()
        thread.join(0.02)
    if not found.full():
        found.put((None, cursor))  # for who waits for a batch in another thread


def _shut(cursor: BatchCursor) -> None:
    network = cursor.response.extensions.get("network_stream") if cursor.response else None
    connection = network.get_extra_info("socket") if network else None
    if connection is not None:
        with suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_RDWR)


class AsyncAhead(AsyncIterator[Batch]):
    """`Ahead` by a task of the event loop."""

    def __init__(self, fetch: Callable[[BatchCursor], AsyncGenerator[Batch]], cursor: BatchCursor, most: int) -> None:
        self._given = cursor
        self._over = False
        self._found: asyncio.Queue[_Found] = asyncio.Queue(_room(most))
        self._work = fetch, copy(cursor), self._found
        self._task: asyncio.Task[None] | None = None

    async def __anext__(self) -> Batch:
        if self._over:
            raise StopAsyncIteration
        if self._task is None:
            self._task = asyncio.create_task(_afetch(*self._work), name="worldpool-prefetch")
            weakref.finalize(self, self._task.cancel).atexit = False
        found, position = await self._found.get()
        self._given.move_to(position)
        if isinstance(found, Batch):
            return found
        self._over = True
        raise found or StopAsyncIteration

    async def aclose(self) -> None:
        self._over = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if not self._found.full():
            self._found.put_nowait((None, self._given))  # for who waits for a batch in another task


async def _afetch(
    fetch: Callable[[BatchCursor], AsyncGenerator[Batch]], cursor: BatchCursor, found: asyncio.Queue[_Found]
) -> None:
    end = None
    batches = fetch(cursor)
    try:
        async for batch in batches:
            await found.put((batch, copy(cursor)))
    except Exception as error:
        end = error
    finally:
        await batches.aclose()
    await found.put((end, copy(cursor)))
