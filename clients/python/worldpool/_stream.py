"""Streams: the batches of a run as users hold them, synchronous and asynchronous."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from worldpool._core import LOST
from worldpool._cursors import BatchCursor, Cursor, Interrupted, Patience
from worldpool._policies import Freshness
from worldpool._prefetch import Ahead, AsyncAhead
from worldpool.batches import Batch
from worldpool.errors import ConnectionFailed, ProblemError, RateLimited, RunFailed, ServerError
from worldpool.models import RunInfo

if TYPE_CHECKING:
    from worldpool._client import AsyncClient, Client

T = TypeVar("T")


def follow(client: Client, cursor: Cursor[T]) -> Generator[T]:
    """All that the cursor finds until the end of the run."""
    while not cursor.ended:
        error: Exception
        try:
            with client._open(cursor.connect(), read_timeout=cursor.silence(time.monotonic())) as response:
                cursor.connected(response)
                for data in response.iter_raw():
                    yield from cursor.receive(data)
                    if cursor.ended:
                        return
            error = Interrupted("the pool closed the stream before its end")
        except (*LOST, Interrupted) as lost:
            error = lost
        except ProblemError as refusal:
            if not refusal.passing:
                raise
            error = refusal
        time.sleep(cursor.pause(error, time.monotonic()))


async def afollow(client: AsyncClient, cursor: Cursor[T]) -> AsyncGenerator[T]:
    """`follow`, asynchronously."""
    while not cursor.ended:
        error: Exception
        try:
            async with client._open(cursor.connect(), read_timeout=cursor.silence(time.monotonic())) as response:
                cursor.connected(response)
                async for data in response.aiter_raw():
                    for item in cursor.receive(data):
                        yield item
                    if cursor.ended:
                        return
            error = Interrupted("the pool closed the stream before its end")
        except (*LOST, Interrupted) as lost:
            error = lost
        except ProblemError as refusal:
            if not refusal.passing:
                raise
            error = refusal
        await asyncio.sleep(cursor.pause(error, time.monotonic()))


def acknowledge(client: Client, cursor: BatchCursor) -> None:
    """Tell the pool what it is to be told, if need be once it is back."""
    patience = Patience()
    while (call := cursor.acknowledgement()) is not None:
        try:
            client._send(call)
        except (ConnectionFailed, ServerError, RateLimited) as error:
            time.sleep(patience.delay(error, time.monotonic()))
        else:
            cursor.acknowledged()


async def aacknowledge(client: AsyncClient, cursor: BatchCursor) -> None:
    """`acknowledge`, asynchronously."""
    patience = Patience()
    while (call := cursor.acknowledgement()) is not None:
        try:
            await client._send(call)
        except (ConnectionFailed, ServerError, RateLimited) as error:
            await asyncio.sleep(patience.delay(error, time.monotonic()))
        else:
            cursor.acknowledged()


class _Position:
    """What both streams know and keep."""

    _cursor: BatchCursor
    _freshness: Freshness

    @property
    def stale(self) -> int:
        """Batches left out because their policy was more than `max_policy_lag` versions behind."""
        return self._freshness.stale

    @property
    def run(self) -> RunInfo:
        """The run as last heard of."""
        return self._cursor.run

    @property
    def seq(self) -> int:
        """The last chunk of which every batch was delivered; `run.stream(after=seq)` continues behind it."""
        return self._cursor.seq

    @property
    def steps(self) -> int:
        """Environment steps received."""
        return self._cursor.steps

    @property
    def episodes(self) -> int:
        """Episodes received."""
        return self._cursor.episodes

    def state_dict(self) -> dict[str, Any]:
        """The position, to be kept with a checkpoint: exact to the batch, and JSON."""
        return self._cursor.position()

    def _move(self, state: dict[str, Any]) -> None:
        self._cursor.move(state)
        self._cursor.ended = False


class Stream(_Position, Iterator[Batch]):
    """The batches of a run, each exactly once, in order, until the run has ended.

    Takes itself up again after lost connections and restarts of the pool (up to a minute away). Raises `RunFailed`
    after the last batch of a run that failed or was cancelled (`stream.run.state`). Closes itself at the end,
    when the loop over it is left, or as a context manager. A consumer of a group gets the batches of its part, in no
    particular order.
    """

    def __init__(
        self, client: Client, cursor: BatchCursor, *, prefetch: int = 0, freshness: Freshness | None = None
    ) -> None:
        self._client = client
        self._cursor = cursor
        self._freshness = freshness or Freshness()
        self._prefetch = prefetch
        self._batches = self._fetched()

    def _fetched(self) -> Generator[Batch] | Ahead:
        fetch = partial(_batches, self._client)
        return Ahead(fetch, self._cursor, self._prefetch) if self._prefetch else fetch(self._cursor)

    def __next__(self) -> Batch:
        while True:
            self._cursor.resume()
            acknowledge(self._client, self._cursor)
            batch = next(self._batches)
            self._cursor.give()
            if self._freshness.keeps(batch):
                return batch

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the connection go."""
        self._batches.close()

    def ack(self, state: dict[str, Any] | None = None) -> None:
        """Acknowledge what was given out until `state_dict` gave `state`, or until now: nobody gets it again.

        For a consumer of a group with `ack="manual"`, after its checkpoint is safe. Of other streams there is nothing
        to acknowledge.
        """
        self._cursor.release(state)
        acknowledge(self._client, self._cursor)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a position that `state_dict` gave. What a group's consumer was given after it and has not
        acknowledged comes again."""
        self.close()
        self._move(state)
        self._batches = self._fetched()


def _batches(client: Client, cursor: BatchCursor) -> Generator[Batch]:
    # not a method: a stream that nobody holds any more must go at once, without waiting for the cycle collector
    try:
        yield from follow(client, cursor)
        _check(cursor)
    finally:
        cursor.bar.close()


def _check(cursor: BatchCursor) -> None:
    if cursor.run.state != "succeeded":  # what was streamed is not what was asked for
        cursor.bar.close()
        raise RunFailed(cursor.run)


class AsyncStream(_Position, AsyncIterator[Batch]):
    """`Stream` for `async for`. Leave a loop early inside `async with`, so that the connection goes at once."""

    def __init__(
        self, client: AsyncClient, cursor: BatchCursor, *, prefetch: int = 0, freshness: Freshness | None = None
    ) -> None:
        self._client = client
        self._cursor = cursor
        self._freshness = freshness or Freshness()
        self._prefetch = prefetch
        self._batches = self._fetched()

    def _fetched(self) -> AsyncGenerator[Batch] | AsyncAhead:
        fetch = partial(_abatches, self._client)
        return AsyncAhead(fetch, self._cursor, self._prefetch) if self._prefetch else fetch(self._cursor)

    async def __anext__(self) -> Batch:
        while True:
            self._cursor.resume()
            await aacknowledge(self._client, self._cursor)
            batch = await anext(self._batches)
            self._cursor.give()
            if self._freshness.keeps(batch):
                return batch

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let the connection go."""
        await self._batches.aclose()

    async def ack(self, state: dict[str, Any] | None = None) -> None:
        """See `Stream.ack`."""
        self._cursor.release(state)
        await aacknowledge(self._client, self._cursor)

    async def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Stream.load_state_dict`."""
        await self.aclose()
        self._move(state)
        self._batches = self._fetched()


async def _abatches(client: AsyncClient, cursor: BatchCursor) -> AsyncGenerator[Batch]:
    batches = afollow(client, cursor)
    try:
        async for batch in batches:
            yield batch
        _check(cursor)
    finally:
        cursor.bar.close()
        await batches.aclose()
