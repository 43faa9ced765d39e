"""Versions of a policy, and streams that leave out what old ones played."""

from __future__ import annotations

import itertools

import pytest
import worldpool
from worldpool import PolicyClock
from worldpool.models import Policy

from tests.clients.chunk_bytes import single_chunk
from tests.clients.conftest import Twin
from tests.clients.pool_double import KEY, NOW, PoolDouble
from tests.clients.test_stream import seqs

VERSIONS = ["a" * 64, "b" * 64, "c" * 64]


@pytest.fixture(autouse=True)
def _a_chunk_of_each_version(double: PoolDouble) -> None:
    played = [*VERSIONS, "random", *VERSIONS]
    double.chunks = [single_chunk([2], first_episode=i, policy=policy) for i, policy in enumerate(played)]


def test_a_clock_counts_how_many_versions_came_later() -> None:
    clock = PolicyClock(["random", *VERSIONS[:2]])
    assert [clock.lag(version) for version in ("random", *VERSIONS[:2])] == [2, 1, 0]
    clock.advance(Policy(digest=VERSIONS[2], kind="onnx", document={}, signature=None, created_at=NOW))
    assert [clock.lag(version) for version in ("random", *VERSIONS)] == [3, 2, 1, 0]
    clock.advance("random")
    assert [clock.lag(version) for version in ("random", *VERSIONS)] == [0, 3, 2, 1]


@pytest.mark.parametrize(
    ("most", "kept"), [(0, [3, 7]), (1, [2, 3, 6, 7]), (2, [1, 2, 3, 5, 6, 7]), (3, [1, 2, 3, 4, 5, 6, 7])]
)
@pytest.mark.parametrize("prefetch", [0, 3])
def test_batches_of_versions_too_far_behind_are_left_out_and_counted(
    double: PoolDouble, twin: Twin, most: int, kept: list[int], prefetch: int
) -> None:
    clock = PolicyClock(["random", *VERSIONS])
    streams = []

    def read(run: worldpool.Run) -> worldpool.Stream:
        streams.append(run.stream(clock=clock, max_policy_lag=most, prefetch=prefetch))
        return streams[-1]

    assert seqs(twin.with_run(read)) == kept
    assert (streams[0].seq, streams[0].stale) == (7, 7 - len(kept))


def test_what_was_fetched_ahead_is_measured_when_its_turn_comes(double: PoolDouble) -> None:
    clock = PolicyClock(["random", *VERSIONS[:2]])
    with worldpool.Client(url=double.url, api_key=KEY) as pool:
        stream = pool.runs.get("run_1").stream(clock=clock, max_policy_lag=1, prefetch=100)
        assert seqs(list(itertools.islice(stream, 1))) == [1]
        clock.advance(VERSIONS[2])
        assert seqs(list(stream)) == [2, 3, 6, 7]


def test_a_policy_that_is_no_version_is_an_error_and_nothing_that_is_left_out(double: PoolDouble, twin: Twin) -> None:
    with pytest.raises(ValueError, match=f"{VERSIONS[2]} is no version"):
        twin.with_run(lambda run: run.stream(clock=PolicyClock(VERSIONS[:2]), max_policy_lag=5))


@pytest.mark.parametrize("options", [{"max_policy_lag": 1}, {"clock": PolicyClock()}])
def test_clock_and_lag_go_together(twin: Twin, options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="go together"):
        twin.with_run(lambda run: run.stream(**options))
    with pytest.raises(ValueError, match="0 or more"):
        twin.with_run(lambda run: run.stream(clock=PolicyClock(), max_policy_lag=-1))
