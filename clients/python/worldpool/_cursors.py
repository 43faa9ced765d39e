"""Positions in a run's stream, without I/O: what came, what is doubled, when it ends, how long to wait for the pool.

A stream is followed over lost connections and restarts of the pool: each new connection asks for what comes after the
last chunk that was delivered.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from reprlib import repr as shorten
from typing import Any, Generic, Self, TypeVar

import httpx
from pydantic import ValidationError

from worldpool import _calls
from worldpool._core import Call, backoff, unreadable
from worldpool._frames import EventReader, Frame, FrameReader
from worldpool._progress import ProgressBar
from worldpool.batches import Batch
from worldpool.chunks import Chunk
from worldpool.errors import ConnectionFailed, ConsumerReplaced, ProblemError, WaitTimeout
from worldpool.models import RunInfo

T = TypeVar("T")

PATIENCE_S = 60.0
"""How long a pool may be away before a stream gives up."""
LIVELY_S = 10.0
"""The pool says something this often at least; a connection that lived longer was a good one."""
READ_TIMEOUT_S = 30.0
"""Silence after which a connection counts as lost."""


class Interrupted(ConnectionFailed):
    """The stream was cut: to be taken up again."""


class Patience:
    """When to connect again, and when to give up. Pure: the time is an argument (monotonic seconds)."""

    def __init__(self, limit_s: float = PATIENCE_S) -> None:
        self._limit = limit_s
        self._failing_since: float | None = None
        self._connected_at: float | None = None
        self._attempt = 0

    def connected(self, now: float) -> None:
        self._connected_at = now

    def delivered(self) -> None:
        """Something useful came: all is well again."""
        self._failing_since = None
        self._attempt = 0

    def delay(self, error: Exception, now: float) -> float:
        """Seconds until the next connection; raises the error when patience is at its end."""
        if self._connected_at is not None and now - self._connected_at >= LIVELY_S:
            self.delivered()
        self._connected_at = None
        if self._failing_since is None:
            self._failing_since = now
        asked = (error.retry_after or 0.0) if isinstance(error, ProblemError) else 0.0
        delay = max(asked, backoff(self._attempt, longest=4.0))
        if now + delay - self._failing_since > self._limit:
            raise _final(error)
        self._attempt += 1
        return delay


def _final(error: Exception) -> Exception:
    if isinstance(error, ProblemError | ConnectionFailed):
        return error
    return ConnectionFailed(f"the pool did not come back within {PATIENCE_S:g} s ({error or type(error).__name__})")


class Cursor(ABC, Generic[T]):
    """A position in a run's stream."""

    def __init__(self, run: RunInfo, *, seq: int = 0) -> None:
        self.run = run
        self.seq = seq
        self.ended = False
        self.patience = Patience()
        self.response: httpx.Response | None = None

    @abstractmethod
    def connect(self) -> Call[None]:
        """The request that continues from here; forgets what a lost connection left unfinished."""

    @abstractmethod
    def receive(self, data: bytes) -> Iterator[T]:
        """What these bytes complete."""

    def connected(self, response: httpx.Response) -> None:
        """The answer that is read from now on."""
        self.response = response
        self.patience.connected(time.monotonic())

    def silence(self, now: float) -> float:
        """Seconds without a byte after which a connection counts as lost."""
        return READ_TIMEOUT_S

    def pause(self, error: Exception, now: float) -> float:
        """Seconds from a lost connection to the next; raises when there is to be none."""
        return self.patience.delay(error, now)

    def _state(self, run: RunInfo, *, ended: bool) -> None:
        self.run = run
        self.ended = ended


class StateCursor(Cursor[RunInfo]):
    """States of a run, by server-sent events: no array is sent for them. Raises `WaitTimeout` after `timeout_s`."""

    def __init__(self, run: RunInfo, *, timeout_s: float | None = None) -> None:
        super().__init__(run)
        self._timeout_s = timeout_s
        self._deadline = math.inf if timeout_s is None else time.monotonic() + timeout_s

    def silence(self, now: float) -> float:
        return min(READ_TIMEOUT_S, max(self._deadline - now, 0.001))

    def pause(self, error: Exception, now: float) -> float:
        self._check_time(now)
        return min(super().pause(error, now), self._deadline - now)

    def _check_time(self, now: float) -> None:
        if now >= self._deadline:
            raise WaitTimeout(self.run, self._timeout_s or 0.0)

    def connect(self) -> Call[None]:
        self._reader = EventReader()
        return _calls.stream_run(self.run.id, after=self.run.chunks, media_type=_calls.EVENT_STREAM)

    def receive(self, data: bytes) -> Iterator[RunInfo]:
        for event in self._reader.feed(data):
            if event.name in ("progress", "end"):
                self._state(_run(_document(event.data)), ended=event.name == "end")
                yield self.run
        if not self.ended:
            self._check_time(time.monotonic())


def _run(document: Any) -> RunInfo:
    try:
        return RunInfo.model_validate(document)
    except ValidationError as error:
        raise unreadable("a state of the run", error) from error


def _document(data: str) -> Any:
    """An event's run, bare or as {"run": …} like in the header of a frame."""
    document = json.loads(data)
    return document.get("run", document)


class BatchCursor(Cursor[Batch]):
    """Batches, each once. `seq` is the last chunk delivered whole.

    Who fetches ahead delivers to a copy, and this one is moved to where the copy was when a batch is given.
    """

    def __init__(self, run: RunInfo, *, seq: int = 0, verify: bool = False, progress: bool | None = None) -> None:
        super().__init__(run, seq=seq)
        self.steps = 0
        self.episodes = 0
        self._verify = verify
        self.bar = ProgressBar(progress)

    @abstractmethod
    def position(self) -> dict[str, Any]:
        """What was given so far, as JSON."""

    @abstractmethod
    def move(self, position: dict[str, Any]) -> None:
        """Continue from there."""

    def _read(self, position: Any, *names: str) -> list[Any]:
        """Parts of a position that `position` gave."""
        if not isinstance(position, dict) or not all(name in position for name in names):
            raise ValueError(f"{shorten(position)} is no position of a stream: state_dict() gives one")
        if position.get("run", self.run.id) != self.run.id:
            raise ValueError(f"this position is one of run {position['run']}, the stream that of {self.run.id}")
        return [position[name] for name in names]

    @abstractmethod
    def _delivered(self, seq: int) -> int | None:
        """How many batches of the chunk were delivered; None: all."""

    @abstractmethod
    def _deliver(self, seq: int, batches: int, *, of: int) -> None:
        """So many batches of the chunk are delivered now."""

    def move_to(self, other: Self) -> None:
        """Stand where the other stands."""
        self.run, self.ended = other.run, other.ended
        self.seq, self.steps, self.episodes = other.seq, other.steps, other.episodes

    def give(self) -> None:
        """The batch delivered last is given to the caller."""

    def resume(self) -> None:
        """The caller comes for more: it is done with what it was given."""

    def release(self, position: dict[str, Any] | None) -> None:
        """The pool may forget what was given until `position`, or until now."""

    def acknowledgement(self) -> Call[Any] | None:
        """What the pool is to be told; None: nothing."""
        return None

    def acknowledged(self) -> None:
        """The pool was told."""

    def receive(self, data: bytes) -> Iterator[Batch]:
        for frame in self._reader.feed(data):
            kind = frame.header.get("kind")
            if kind == "chunk":
                yield from self._unpack(frame)
            elif kind in ("progress", "end"):
                self._state(_run(frame.header.get("run")), ended=kind == "end")
            elif kind == "replaced":
                raise ConsumerReplaced(f"another stream of run {self.run.id} took this one's place")
            self.bar.update(self.run, steps=self.steps, episodes=self.episodes)

    def _connect(self, *, after: int, **shared: str | int | None) -> Call[None]:
        self._reader = FrameReader()
        return _calls.stream_run(self.run.id, after=after, media_type=_calls.CHUNK_STREAM, **shared)

    def _unpack(self, frame: Frame) -> Iterator[Batch]:
        seq = frame.header["seq"]
        delivered = self._delivered(seq)
        if delivered is None:
            return
        if frame.payload is None:
            raise Interrupted(f"chunk {seq} of run {self.run.id} came without its bytes")
        if self._verify and hashlib.sha256(frame.payload).hexdigest() != frame.header["sha256"]:
            raise Interrupted(f"chunk {seq} of run {self.run.id} arrived with another SHA-256 than announced")
        chunk = Chunk(frame.payload, seq=seq)
        self.patience.delivered()
        self.steps += chunk.steps
        self.episodes += chunk.episode_count
        count = len(chunk.batches)
        for number, batch in enumerate(chunk.batches[delivered:], start=delivered + 1):
            self._deliver(seq, number, of=count)  # before the batch is given: what was given is not given again
            yield batch
        if delivered >= count:
            self._deliver(seq, count, of=count)


class ChunkCursor(BatchCursor):
    """All batches in order of seq. `part` counts those that were delivered of the chunk after `seq`."""

    part = 0

    def connect(self) -> Call[None]:
        return self._connect(after=self.seq)

    def move_to(self, other: Self) -> None:
        super().move_to(other)
        self.part = other.part

    def position(self) -> dict[str, Any]:
        return {"run": self.run.id, "seq": self.seq, "part": self.part}

    def move(self, position: dict[str, Any]) -> None:
        if isinstance(position, dict) and "given" in position:
            raise ValueError("this position is that of a consumer of a group")
        self.seq, self.part = self._read(position, "seq", "part")

    def _delivered(self, seq: int) -> int | None:
        if seq <= self.seq:
            return None
        if seq != self.seq + 1:
            raise Interrupted(f"chunk {seq} of run {self.run.id} came after chunk {self.seq}")
        return self.part

    def _deliver(self, seq: int, batches: int, *, of: int) -> None:
        self.seq, self.part = (seq, 0) if batches == of else (self.seq, batches)
