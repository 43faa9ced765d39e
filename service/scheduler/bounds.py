"""What a run does not take though it could: its own parallelism, and how far its readers are behind. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from service.scheduler.entitlement import Reason

MOST_ROOM = 2**31
"""Room of a run that nothing bounds now."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """A run that does not take all that it could get, and what decides how much it takes."""

    live: int  # items of it that run
    max_parallel: int | None
    max_unread: int | None
    unread: int | None  # chunks that its slowest reader has not read; None: it has no reader
    abandon_after: timedelta | None
    away: timedelta | None  # for how long it has had no reader; None: it has never had one


def room(bounds: Bounds) -> tuple[int, Reason | None]:
    """How many more items of the run may start, and why none may, where its readers are the cause.

    Each item becomes a chunk: with those that run counted in, no reader is ever further behind than `max_unread`,
    unless it was when it came.
    """
    if bounds.abandon_after is not None and bounds.away is not None and bounds.away > bounds.abandon_after:
        return 0, Reason.NO_READER
    readable = None
    if bounds.max_unread is not None and bounds.unread is not None:
        readable = max(bounds.max_unread - bounds.unread - bounds.live, 0)
    parallel = None if bounds.max_parallel is None else max(bounds.max_parallel - bounds.live, 0)
    least = min((limit for limit in (readable, parallel) if limit is not None), default=MOST_ROOM)
    return least, Reason.READER_BEHIND if readable == 0 else None
