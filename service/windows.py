"""Windows: the spans of time that budgets and statements are for. Half-open, in UTC, one behind another. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple


class Length(StrEnum):
    """How long a window is. Weeks begin on Monday."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Window(NamedTuple):
    starts_at: datetime
    ends_at: datetime


class Part(NamedTuple):
    """What of a span of time lies in one window."""

    window: Window
    start: datetime
    end: datetime


def window_of(length: Length, at: datetime) -> Window:
    """The window that holds an instant: it begins at or before it, and ends after it."""
    at = at.astimezone(UTC)
    hour = at.replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    match length:
        case Length.HOUR:
            return Window(hour, hour + timedelta(hours=1))
        case Length.DAY:
            return Window(day, day + timedelta(days=1))
        case Length.WEEK:
            monday = day - timedelta(days=day.weekday())
            return Window(monday, monday + timedelta(weeks=1))
        case Length.MONTH:
            first = day.replace(day=1)
            return Window(first, (first + timedelta(days=31)).replace(day=1))


def following(length: Length, since: datetime, until: datetime) -> list[Window]:
    """The windows from `since` on, up to the one that holds `until`. The first begins at `since`, wherever in a window
    that is: so windows of another length begin where the last one ended."""
    found = [Window(since.astimezone(UTC), window_of(length, since).ends_at)]
    while found[-1].ends_at <= until:
        found.append(window_of(length, found[-1].ends_at))
    return found


def parts(windows: Sequence[Window], start: datetime, end: datetime) -> list[Part]:
    """A span cut where windows begin: without gaps, and one part at least. What lies before all of `windows` is counted
    in with the first of them."""
    cuts = [start, *(window.starts_at for window in windows if start < window.starts_at < end), end]
    return [Part(_latest(windows, left), left, right) for left, right in pairwise(cuts)]


def _latest(windows: Sequence[Window], at: datetime) -> Window:
    return max((window for window in windows if window.starts_at <= at), default=windows[0])
