"""Windows by properties: every instant is in one, and what goes on from one to the next is cut between them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.windows import Length, following, parts, window_of

MOMENT = timedelta(microseconds=1)
lengths = st.sampled_from(list(Length))
instants = st.datetimes(*map(datetime.fromisoformat, ("2020-01-01", "2040-01-01")), timezones=st.timezones())
spans = st.timedeltas(timedelta(0), timedelta(days=40))


@pytest.mark.parametrize(
    ("length", "starts_at", "ends_at"),
    [
        (Length.HOUR, "2028-02-29T10:00", "2028-02-29T11:00"),
        (Length.DAY, "2028-02-29T00:00", "2028-03-01T00:00"),
        (Length.WEEK, "2028-02-28T00:00", "2028-03-06T00:00"),
        (Length.MONTH, "2028-02-01T00:00", "2028-03-01T00:00"),
    ],
)
def test_an_instant_lies_in_the_hour_day_week_and_month_of_the_calendar(
    length: Length, starts_at: str, ends_at: str
) -> None:
    at = datetime.fromisoformat("2028-02-29T11:59:59.999999+01:00")
    assert window_of(length, at) == tuple(datetime.fromisoformat(f"{text}+00:00") for text in (starts_at, ends_at))


@given(lengths, instants)
def test_windows_are_half_open_and_one_behind_another(length: Length, at: datetime) -> None:
    window = window_of(length, at)
    assert window.starts_at <= at < window.ends_at
    assert window_of(length, window.starts_at) == window == window_of(length, window.ends_at - MOMENT)
    assert window_of(length, window.ends_at).starts_at == window.ends_at
    assert window.starts_at.utcoffset() == timedelta(0)
    assert length != Length.WEEK or window.starts_at.weekday() == 0


@given(lengths, instants, spans)
def test_those_that_follow_leave_no_gap_and_end_with_the_one_that_holds_the_last_instant(
    length: Length, since: datetime, span: timedelta
) -> None:
    found = following(length, since, since.astimezone(UTC) + span)
    assert found[0].starts_at == since.astimezone(UTC)  # Python finds a time that a zone has twice equal to no other
    assert all(before.ends_at == after.starts_at for before, after in pairwise(found))
    assert found[-1].starts_at <= since.astimezone(UTC) + span < found[-1].ends_at
    assert found[1:] == [window_of(length, window.starts_at) for window in found[1:]]


@given(lengths, instants, spans, spans)
def test_parts_are_contiguous_cover_the_span_and_lie_each_in_one_window(
    length: Length, since: datetime, before: timedelta, span: timedelta
) -> None:
    start = since.astimezone(UTC) + before
    windows = following(length, since, start + span)
    found = parts(windows, start, start + span)
    assert (found[0].start, found[-1].end) == (start, start + span)
    assert all(one.end == other.start for one, other in pairwise(found))
    assert all(part.window.starts_at <= part.start <= part.end <= part.window.ends_at for part in found)
    assert len({part.window for part in found}) == len(found)


def test_what_lies_before_all_windows_counts_in_the_first_and_nothing_is_one_part() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    windows = following(Length.HOUR, start, start + timedelta(hours=1))
    early = start - timedelta(minutes=1)
    assert [part.window for part in parts(windows, early, start + MOMENT)] == [windows[0], windows[0]]
    assert len(parts(windows, start, start)) == 1
