"""Streams that fetch ahead: the same batches, positions, errors and end as without; and nothing left behind."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator

import pytest
import worldpool

from tests.clients.chunk_bytes import single_chunk
from tests.clients.conftest import Twin
from tests.clients.pool_double import BREAK, KEY, PoolDouble, chunk_frame, frame, run_state, state_frame
from tests.clients.test_stream import mixed_chunk, seqs, stream_requests

AHEAD = [1, 3, 100]


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worldpool._cursors.backoff", lambda attempt, longest: 0.02)


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert fetching() == []


def fetching() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "worldpool-prefetch"]


@pytest.mark.parametrize("ahead", AHEAD)
def test_the_batches_are_those_of_a_stream_without(double: PoolDouble, twin: Twin, ahead: int) -> None:
    double.scripts = [[state_frame("progress", double.run), chunk_frame(1, double.chunks[0]), BREAK]]
    batches = twin.with_run(lambda run: run.stream(prefetch=ahead))
    assert seqs(batches) == [1, 2, 3, 4, 5]
    assert [batch.rewards.sum() for batch in batches] == [1, 2, 3, 4, 5]
    assert stream_requests(double) == ["0", "1"]


def test_it_fetches_while_the_learner_is_busy(double: PoolDouble) -> None:
    double.chunks = [single_chunk([20_000], size=100)] * 4  # more than the connection holds by itself
    sent = threading.Event()

    def script() -> Iterator[bytes]:
        yield from double.stream(0)
        sent.set()

    double.scripts = [script()]
    with worldpool.Client(url=double.url, api_key=KEY) as pool:
        stream = pool.runs.get("run_1").stream(prefetch=8)
        first = next(stream)
        assert sent.wait(30)
        assert (first.seq, stream.seq, stream.steps, stream.run.state) == (1, 1, 20_000, "running")
        assert seqs(list(stream)) == [2, 3, 4]
        assert stream.run.state == "succeeded"


@pytest.mark.parametrize("stop", range(8))
def test_a_kept_position_is_that_of_the_last_batch_given(double: PoolDouble, stop: int) -> None:
    double.chunks = [mixed_chunk(), single_chunk([2]), mixed_chunk(), mixed_chunk()]
    with worldpool.Client(url=double.url, api_key=KEY) as pool:
        run = pool.runs.get("run_1")
        whole = [(batch.seq, batch.observations.shape) for batch in run.stream()]
        with run.stream(prefetch=10) as first:
            before = [(batch.seq, batch.observations.shape) for batch in itertools.islice(first, stop)]
            kept = first.state_dict()
        second = run.stream(prefetch=10)
        second.load_state_dict(kept)
        assert before + [(batch.seq, batch.observations.shape) for batch in second] == whole


def test_errors_come_after_the_batches_before_them(double: PoolDouble) -> None:
    double.scripts = [[chunk_frame(1, double.chunks[0]), state_frame("end", run_state("failed", failure="boom"))]]
    with worldpool.Client(url=double.url, api_key=KEY) as pool:
        stream = pool.runs.get("run_1").stream(prefetch=3)
        assert next(stream).seq == 1
        with pytest.raises(worldpool.RunFailed, match="boom"):
            next(stream)
        assert list(stream) == []


def test_a_refusal_is_raised_as_it_came(double: PoolDouble, twin: Twin) -> None:
    double.scripts = [[frame({"kind": "end"})]]
    with pytest.raises(worldpool.FormatError, match="a state of the run"):
        twin.with_run(lambda run: run.stream(prefetch=3))


@pytest.mark.parametrize("leave", ["close", "drop"])
def test_leaving_the_loop_ends_the_thread_and_lets_the_connection_go_though_nothing_comes(
    double: PoolDouble, leave: str
) -> None:
    never = threading.Event()
    double.scripts = [[chunk_frame(1, double.chunks[0]), never, *double.stream(1)]]
    try:
        with worldpool.Client(url=double.url, api_key=KEY) as pool:
            stream = pool.runs.get("run_1").stream(prefetch=2)
            assert next(stream).seq == 1
            assert len(fetching()) == 1
            if leave == "close":
                stream.close()
                assert list(stream) == []
            del stream
            assert fetching() == []
            connections = pool._http._transport._pool.connections
            assert all(connection.is_idle() or connection.is_closed() for connection in connections)
    finally:
        never.set()


def test_leaving_the_loop_ends_the_task(double: PoolDouble) -> None:
    never = threading.Event()
    double.scripts = [[chunk_frame(1, double.chunks[0]), never, *double.stream(1)]]

    async def leave() -> list[str]:
        async with worldpool.AsyncClient(url=double.url, api_key=KEY) as pool:
            async with (await pool.runs.get("run_1")).stream(prefetch=2) as stream:
                assert (await anext(stream)).seq == 1
            assert [batch async for batch in stream] == []
            return [task.get_name() for task in asyncio.all_tasks()]

    try:
        assert "worldpool-prefetch" not in asyncio.run(leave())
    finally:
        never.set()


def test_closing_ends_the_wait_of_another_thread(double: PoolDouble) -> None:
    never = threading.Event()
    double.scripts = [[never, *double.stream(0)]]
    with worldpool.Client(url=double.url, api_key=KEY) as pool:
        stream = pool.runs.get("run_1").stream(prefetch=1)
        found: list[worldpool.Batch] = []
        learner = threading.Thread(target=lambda: found.extend(stream))
        learner.start()
        assert double.streaming.wait(30)
        stream.close()
        learner.join(30)
        assert not learner.is_alive()
        never.set()
    assert found == []


def test_closing_ends_the_wait_of_another_task(double: PoolDouble) -> None:
    never = threading.Event()
    double.scripts = [[never, *double.stream(0)]]

    async def read() -> list[worldpool.Batch]:
        async with worldpool.AsyncClient(url=double.url, api_key=KEY) as pool:
            stream = (await pool.runs.get("run_1")).stream(prefetch=1)
            learner = asyncio.create_task(_all(stream))
            await asyncio.to_thread(double.streaming.wait, 30)
            await stream.aclose()
            never.set()
            return await asyncio.wait_for(learner, 30)

    assert asyncio.run(read()) == []


async def _all(stream: worldpool.AsyncStream) -> list[worldpool.Batch]:
    return [batch async for batch in stream]


@pytest.mark.parametrize("ahead", [-1, -5])
def test_a_number_below_zero_is_refused(double: PoolDouble, twin: Twin, ahead: int) -> None:
    with pytest.raises(ValueError, match="prefetch"):
        twin.with_run(lambda run: run.stream(prefetch=ahead))
