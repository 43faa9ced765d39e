"""A run divided among readers that know nothing of each other."""

from __future__ import annotations

import pytest
import worldpool
from hypothesis import given
from hypothesis import strategies as st
from worldpool._shares import share_of

from tests.clients.pool_double import BREAK, KEY, PoolDouble, run_state
from tests.clients.test_stream import event


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worldpool._cursors.backoff", lambda attempt, longest: 0.02)


@pytest.fixture(scope="module")
def whole() -> PoolDouble:
    pool = PoolDouble()
    pool.start()
    yield pool
    pool.stop()


@given(of=st.integers(1, 7), after=st.integers(0, 6))
def test_every_chunk_is_in_one_share(whole: PoolDouble, of: int, after: int) -> None:
    with worldpool.Client(url=whole.url, api_key=KEY) as pool:
        run = pool.runs.get("run_1")
        shares = [[c.seq for c in share_of(pool, run, index=i, of=of, after=after)] for i in range(of)]
    assert sorted(seq for share in shares for seq in share) == list(range(after + 1, 6))
    assert all(seq % of == index for index, share in enumerate(shares) for seq in share)


def test_a_reader_fetches_its_own_chunks_alone_through_cuts_and_a_busy_pool(double: PoolDouble) -> None:
    double.events = [[event("progress", run_state(chunks=2)), BREAK], [event("end", run_state("succeeded", chunks=5))]]
    with worldpool.Client(url=double.url, api_key=KEY) as pool:
        chunks = share_of(pool, pool.runs.get("run_1"), index=1, of=2)
        assert next(chunks).seq == 1
        double.refusals = [(503, {}, {}), (429, {}, {})]
        rest = list(chunks)
    assert [chunk.seq for chunk in rest] == [3, 5]
    assert rest[0].batches[0].rewards.sum() == 3
    fetched = [path for path in double.paths("GET") if "/chunks/" in path]
    assert [path[-1] for path in dict.fromkeys(fetched)] == ["1", "3", "5"]


def test_a_failed_run_raises_after_its_last_chunk(double: PoolDouble) -> None:
    double.events = [[event("end", run_state("failed", chunks=2, failure="boom"))]]
    with worldpool.Client(url=double.url, api_key=KEY) as pool:
        chunks = share_of(pool, pool.runs.get("run_1"), index=0, of=2)
        assert next(chunks).seq == 2
        with pytest.raises(worldpool.RunFailed, match="boom"):
            next(chunks)
