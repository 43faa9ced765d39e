"""Positions of the consumers of a group, without I/O: what came, what is doubled, what the pool is to be told."""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Sequence
from typing import Any, Self

from worldpool import _calls
from worldpool._core import Call
from worldpool._cursors import BatchCursor, ChunkCursor
from worldpool.models import RunInfo

AUTO_WINDOW = 4
"""Chunks that a consumer of a group gets ahead of its acknowledgement, so that slow ones leave the others theirs."""
MOST_SEQS = 1000
"""Chunks acknowledged by one request."""


class GroupCursor(BatchCursor):
    """The part of a run's batches that one consumer of a group gets.

    The pool sends a chunk again on each new connection, until it is told that the chunk is done with. `given` are the
    chunks that were given whole and of which it was not told; of those in `parts` only the first batches were given.
    """

    def __init__(
        self, run: RunInfo, *, group: str, consumer: str, manual: bool, window: int | None, after: int, **options: Any
    ) -> None:
        super().__init__(run, **options)
        self.group = group
        self.consumer = consumer
        self._manual = manual
        self._window = window
        self._after = after
        self._last = (0, 0, 0)
        """What was delivered last: seq, how many of its batches, how many it has."""
        self._told: Sequence[int] = ()
        self._stand(set(), {})

    def _stand(self, given: set[int], parts: dict[int, int]) -> None:
        self.given, self.parts, self._due = given, parts, set[int]()
        # apart from the above, which change when a batch is given: these change when one is delivered
        self._had, self._begun = set(given), dict(parts)

    def connect(self) -> Call[None]:
        until = "given" if self._manual else "acknowledged"
        return self._connect(
            after=self._after, group=self.group, consumer=self.consumer, window=self._window, until=until
        )

    def move_to(self, other: Self) -> None:
        super().move_to(other)
        self._last = other._last

    def position(self) -> dict[str, Any]:
        return {
            "run": self.run.id,
            "consumer": self.consumer,
            "given": sorted(self.given),
            "parts": sorted(self.parts.items()),
        }

    def move(self, position: dict[str, Any]) -> None:
        if isinstance(position, dict) and "seq" in position:
            raise ValueError("this position is that of a stream without a group")
        self.consumer, given, parts = self._read(position, "consumer", "given", "parts")
        self._stand(set(given), dict(parts))

    def give(self) -> None:
        seq, batches, of = self._last
        if batches < of:
            self.parts[seq] = batches
        else:
            self.parts.pop(seq, None)
            self.given.add(seq)

    def resume(self) -> None:
        if not self._manual:
            self.release(None)

    def release(self, position: dict[str, Any] | None) -> None:
        if position is None:
            self._due |= self.given
        else:
            (given,) = self._read(position, "given")
            self._due |= self.given.intersection(given)

    def _state(self, run: RunInfo, *, ended: bool) -> None:
        super()._state(run, ended=ended)
        if self._manual and run.waiting == "READER_BEHIND" and self.given:
            warnings.warn(
                f"run {run.id} waits until chunks are acknowledged (max_unread={run.max_unread}), and this consumer "
                f"has {len(self.given)} that are not: call stream.ack()",
                RuntimeWarning,
                stacklevel=2,
            )

    def acknowledgement(self) -> Call[Any] | None:
        self._told = sorted(self._due)[:MOST_SEQS]
        return _calls.acknowledge(self.run, self.group, seqs=self._told) if self._told else None

    def acknowledged(self) -> None:
        self._due.difference_update(self._told)
        self.given.difference_update(self._told)

    def _delivered(self, seq: int) -> int | None:
        return None if seq in self._had else self._begun.get(seq, 0)

    def _deliver(self, seq: int, batches: int, *, of: int) -> None:
        self._last = seq, batches, of
        if batches < of:
            self._begun[seq] = batches
        else:
            self._begun.pop(seq, None)
            self._had.add(seq)
            self.seq = seq


def batches_of(
    run: RunInfo,
    *,
    after: int,
    group: str | None,
    consumer: str | None,
    ack: str,
    window: int | None,
    prefetch: int,
    verify: bool,
    progress: bool | None,
) -> BatchCursor:
    """The cursor that `Run.stream` asks for."""
    if ack not in ("auto", "manual"):
        raise ValueError(f"ack is 'auto' or 'manual', not {ack!r}")
    if group is None:
        if consumer is not None or window is not None or ack != "auto":
            raise ValueError("consumer, window and ack='manual' go with group")
        return ChunkCursor(run, seq=after, verify=verify, progress=progress)
    return GroupCursor(
        run,
        group=group,
        consumer=consumer or secrets.token_hex(8),
        manual=ack == "manual",
        window=AUTO_WINDOW + prefetch if window is None and ack == "auto" else window,
        after=after,
        verify=verify,
        progress=progress,
    )
