"""What a run leaves to others, by properties."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from service.scheduler.bounds import MOST_ROOM, Bounds, room
from service.scheduler.entitlement import Reason

counts = st.integers(0, 50)
spans = st.integers(0, 1000).map(lambda seconds: timedelta(seconds=seconds))
all_bounds = st.builds(
    Bounds,
    live=counts,
    max_parallel=st.none() | st.integers(1, 50),
    max_unread=st.none() | st.integers(1, 50),
    unread=st.none() | counts,
    abandon_after=st.none() | spans,
    away=st.none() | spans,
)


@given(all_bounds)
def test_no_reader_falls_further_behind_than_a_run_allows(bounds: Bounds) -> None:
    more, _ = room(bounds)
    assert more >= 0
    if bounds.max_unread is not None and bounds.unread is not None:
        if bounds.unread + bounds.live <= bounds.max_unread:
            assert bounds.unread + bounds.live + min(more, 10**6) <= bounds.max_unread
        else:
            assert more == 0
    if bounds.max_parallel is not None:
        assert more <= max(bounds.max_parallel - bounds.live, 0)


@given(all_bounds)
def test_a_run_that_its_readers_hold_back_says_so_and_no_other_does(bounds: Bounds) -> None:
    more, reason = room(bounds)
    gone = bounds.abandon_after is not None and bounds.away is not None and bounds.away > bounds.abandon_after
    assert (reason == Reason.NO_READER) == gone
    assert reason is None or more == 0
    if more == 0 and reason is None:
        assert bounds.max_parallel is not None
        assert bounds.live >= bounds.max_parallel


@given(all_bounds.filter(lambda bounds: bounds.unread is None and bounds.away is None and not bounds.max_parallel))
def test_nobody_holds_a_run_that_no_reader_has_come_to(bounds: Bounds) -> None:
    assert room(bounds) == (MOST_ROOM, None)
