"""Streams of both clients over real HTTP: every batch once, in order, through cuts and restarts."""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading
from typing import Any

import numpy as np
import pytest
import worldpool
from worldpool._cursors import Patience

from tests.clients.chunk_bytes import chunk, episode_rows, single_chunk, single_rows
from tests.clients.conftest import Twin
from tests.clients.pool_double import BREAK, KEY, PoolDouble, chunk_frame, frame, run_state, state_frame


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worldpool._cursors.backoff", lambda attempt, longest: 0.02)


def stream_requests(double: PoolDouble) -> list[str]:
    return [seen.query["after"][0] for seen in double.seen if seen.path.endswith("/stream")]


def seqs(batches: list[worldpool.Batch]) -> list[int]:
    return [batch.seq for batch in batches]


def episodes_of(batches: list[worldpool.Batch]) -> list[int]:
    return [int(episode) for batch in batches for episode in np.unique(batch.episode_index)]


def test_a_stream_gives_every_batch_once_and_ends(double: PoolDouble, twin: Twin) -> None:
    batches = twin.with_run(lambda run: run.stream())
    assert seqs(batches) == [1, 2, 3, 4, 5]
    assert episodes_of(batches) == [1, 2, 3, 4, 5]
    assert stream_requests(double) == ["0"]


def test_batches_are_views_of_the_one_buffer_that_the_payload_arrived_in(twin: Twin) -> None:
    for batch in twin.with_run(lambda run: run.stream()):
        arrived = np.frombuffer(batch.chunk.buffer, np.uint8)
        assert np.shares_memory(batch.observations, arrived)
        assert np.shares_memory(batch.is_last, arrived)


@pytest.mark.parametrize("torn", [True, False], ids=["torn", "closed"])
@pytest.mark.parametrize("place", ["header", "payload", "between"])
def test_a_stream_cut_anywhere_continues_without_doubles_or_gaps(
    double: PoolDouble, twin: Twin, place: str, torn: bool
) -> None:
    one, two = chunk_frame(1, double.chunks[0]), chunk_frame(2, double.chunks[1])
    cut = {"header": two[:9], "payload": two[: len(two) // 2], "between": b"" if not torn else two[:0]}[place]
    parts = [state_frame("progress", double.run), one, *([cut] if cut else []), *([BREAK] if torn else [])]
    double.scripts = [parts]
    batches = twin.with_run(lambda run: run.stream())
    assert seqs(batches) == [1, 2, 3, 4, 5]
    assert episodes_of(batches) == [1, 2, 3, 4, 5]
    assert stream_requests(double) == ["0", "1"]


def test_chunks_that_come_again_are_dropped(double: PoolDouble, twin: Twin) -> None:
    frames = [chunk_frame(seq, double.chunks[seq - 1]) for seq in (1, 2, 1, 2, 3)]
    double.scripts = [frames]
    assert seqs(twin.with_run(lambda run: run.stream())) == [1, 2, 3, 4, 5]


def test_a_gap_is_asked_for_again(double: PoolDouble, twin: Twin) -> None:
    double.scripts = [[chunk_frame(1, double.chunks[0]), chunk_frame(3, double.chunks[2])]]
    assert seqs(twin.with_run(lambda run: run.stream())) == [1, 2, 3, 4, 5]
    assert stream_requests(double) == ["0", "1"]


def test_frames_of_a_kind_not_known_are_skipped(double: PoolDouble, twin: Twin) -> None:
    double.scripts = [[frame({"kind": "weather", "sun": True}, b"abc"), *double.stream(0)]]
    assert len(twin.with_run(lambda run: run.stream())) == 5


def test_a_state_of_another_shape_is_a_format_error(double: PoolDouble, twin: Twin) -> None:
    double.scripts = [[frame({"kind": "end"})]]
    with pytest.raises(worldpool.FormatError, match="a state of the run"):
        twin.with_run(lambda run: run.stream())


def test_a_damaged_chunk_is_fetched_again_when_verifying(double: PoolDouble, twin: Twin) -> None:
    double.scripts = [[chunk_frame(1, double.chunks[0], sha256="0" * 64)]]
    assert seqs(twin.with_run(lambda run: run.stream(verify=True))) == [1, 2, 3, 4, 5]
    assert stream_requests(double) == ["0", "0"]


def test_a_busy_pool_is_asked_again_and_a_refusal_is_raised(double: PoolDouble) -> None:
    with worldpool.Client(url=double.url, api_key=KEY) as pool:
        run = pool.runs.get("run_1")
        double.refusals = [(503, {}, {}), (429, {}, {})]
        assert len(list(run.stream())) == 5
        double.refusals = [(404, {}, {"detail": "deleted"})]
        with pytest.raises(worldpool.NotFound, match="deleted"):
            list(run.stream())


def test_a_stream_survives_a_restart_of_the_pool(double: PoolDouble, twin: Twin) -> None:
    double.scripts = [[state_frame("progress", double.run), chunk_frame(1, double.chunks[0]), BREAK]]
    restarter = threading.Thread(target=_restart_after_first_stream, args=(double,))
    restarter.start()
    assert seqs(twin.with_run(lambda run: run.stream())) == [1, 2, 3, 4, 5]
    restarter.join()


def _restart_after_first_stream(double: PoolDouble) -> None:
    while not stream_requests(double):
        threading.Event().wait(0.005)
    double.stop()
    double.start()


def test_a_stream_that_never_gets_on_ends_with_the_reason(double: PoolDouble, twin: Twin) -> None:
    double.scripts = [[chunk_frame(2, b"")] for _ in range(1000)]

    def impatient(run: Any) -> Any:
        stream = run.stream()
        stream._cursor.patience = Patience(limit_s=0.3)
        return stream

    with pytest.raises(worldpool.ConnectionFailed, match="chunk 2"):
        twin.with_run(impatient)


def test_a_failed_run_raises_after_its_last_batch(double: PoolDouble, twin: Twin) -> None:
    failed = run_state("failed", failure="boom", items_done=1)
    double.scripts = [[chunk_frame(1, double.chunks[0]), state_frame("end", failed)]]
    with pytest.raises(worldpool.RunFailed, match="boom") as caught:
        twin.with_run(lambda run: run.stream())
    assert caught.value.run.items_done == 1


def test_the_stream_of_a_cancelled_run_does_not_end_as_if_it_were_whole(double: PoolDouble, twin: Twin) -> None:
    double.scripts = [[chunk_frame(1, double.chunks[0]), state_frame("end", run_state("cancelled"))]]
    with pytest.raises(worldpool.RunFailed, match="was cancelled") as caught:
        twin.with_run(lambda run: run.stream())
    assert caught.value.run.state == "cancelled"


def test_after_leaves_out_what_is_known(double: PoolDouble, twin: Twin) -> None:
    assert seqs(twin.with_run(lambda run: run.stream(after=3))) == [4, 5]


def mixed_chunk() -> bytes:
    """Two environments with different spaces in one chunk."""
    streams = [("single", ["agent"], [i], single_rows([2], spec=i, size=3 + i)) for i in range(2)]
    return chunk(["a@1", "b@1"], streams, episode_rows([(i, 0, "agent", 2, 2.0) for i in range(2)]), steps=4)


def test_environments_with_different_spaces_come_as_separate_batches(double: PoolDouble, twin: Twin) -> None:
    double.chunks = [mixed_chunk()]
    first, second = twin.with_run(lambda run: run.stream())
    assert (first.observations.shape, second.observations.shape) == ((3, 3), (3, 4))
    assert (first.specs[first.spec_index[0]], second.specs[second.spec_index[0]]) == ("a@1", "b@1")
    assert (first.refs, second.refs) == (("a@1",), ("b@1",))
    assert first.specs == second.specs == ("a@1", "b@1")
    assert repr(first) == "<Batch seq=1 kind=single rows=3 refs=1>"
    assert first.chunk is second.chunk
    assert first.chunk.batches == (first, second)


@pytest.mark.parametrize("stop", range(1, 8))
def test_a_kept_position_continues_to_the_batch(double: PoolDouble, stop: int) -> None:
    double.chunks = [mixed_chunk(), single_chunk([2]), mixed_chunk(), mixed_chunk()]
    with worldpool.Client(url=double.url, api_key=KEY) as pool:
        run = pool.runs.get("run_1")
        whole = [(batch.seq, batch.observations.shape) for batch in run.stream()]
        first = run.stream()
        before = [(batch.seq, batch.observations.shape) for batch in itertools.islice(first, stop)]
        kept = first.state_dict()
        first.close()
        second = run.stream()
        second.load_state_dict(kept)
        after = [(batch.seq, batch.observations.shape) for batch in second]
    assert before + after == whole


def test_a_position_can_be_loaded_into_a_running_stream(double: PoolDouble) -> None:
    async def read() -> tuple[list[int], list[int]]:
        async with worldpool.AsyncClient(url=double.url, api_key=KEY) as pool:
            stream = (await pool.runs.get("run_1")).stream()
            first = [(await anext(stream)).seq for _ in range(3)]
            await stream.load_state_dict({"seq": 1, "part": 0})
            return first, [batch.seq async for batch in stream]

    assert asyncio.run(read()) == ([1, 2, 3], [2, 3, 4, 5])


@pytest.mark.parametrize(
    ("position", "why"),
    [
        ({}, "no position"),
        ("abc", "no position"),
        ({"seq": 1}, "no position"),
        ({"run": "run_2", "seq": 1, "part": 0}, "one of run run_2, the stream that of run_1"),
    ],
)
def test_a_position_of_something_else_is_refused(double: PoolDouble, position: Any, why: str) -> None:
    with worldpool.Client(url=double.url, api_key=KEY) as pool:
        stream = pool.runs.get("run_1").stream()
        with pytest.raises(ValueError, match=why):
            stream.load_state_dict(position)


def test_leaving_the_loop_lets_the_connection_go(double: PoolDouble) -> None:
    with worldpool.Client(url=double.url, api_key=KEY) as pool:
        run = pool.runs.get("run_1")
        gc.disable()  # the connection must not wait for the cycle collector
        try:
            for _ in run.stream():
                break
            (connections,) = [pool._http._transport._pool.connections]
            assert all(connection.is_idle() or connection.is_closed() for connection in connections)
        finally:
            gc.enable()


def test_the_stream_counts_steps_and_episodes_and_knows_the_run(double: PoolDouble) -> None:
    with worldpool.Client(url=double.url, api_key=KEY) as pool:
        stream = pool.runs.get("run_1").stream()
        list(stream)
        assert (stream.seq, stream.steps, stream.episodes, stream.run.state) == (5, 15, 5, "succeeded")


def event(kind: str, run: Any) -> bytes:
    return f"event: {kind}\ndata: {run.model_dump_json()}\n\n".encode()


def test_waiting_follows_events_and_survives_a_cut(double: PoolDouble, twin: Twin) -> None:
    double.events = [
        [event("progress", run_state("queued")), BREAK],
        [event("progress", run_state("running")), event("end", run_state("succeeded"))],
    ]
    assert twin(lambda pool: pool.runs.wait("run_1")).state == "succeeded"
    double.events = [[event("progress", run_state("queued")), event("end", run_state("failed"))]]
    assert [run.state for run in twin.with_run(lambda run: run.watch())] == ["queued", "failed"]


def test_waiting_ends_when_time_is_up(double: PoolDouble, twin: Twin) -> None:
    double.events = [[event("progress", run_state("queued"))]] * 1000
    with pytest.raises(worldpool.WaitTimeout, match=r"still queued after 0.2 s"):
        twin(lambda pool: pool.runs.wait("run_1", timeout_s=0.2))


def test_a_progress_bar_shows_steps_and_why_nothing_runs(
    double: PoolDouble, capsys: pytest.CaptureFixture[str]
) -> None:
    waiting = run_state("queued", waiting="quota_held")
    double.scripts = [[state_frame("progress", waiting), *double.stream(0)]]
    with worldpool.Client(url=double.url, api_key=KEY) as pool:
        list(pool.runs.get("run_1").stream(progress=True))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "15 steps" in captured.err
    assert "5 episodes" in captured.err


def test_no_progress_bar_is_shown_where_nobody_looks(double: PoolDouble, capsys: pytest.CaptureFixture[str]) -> None:
    with worldpool.Client(url=double.url, api_key=KEY) as pool:
        list(pool.runs.get("run_1").stream())
    assert capsys.readouterr() == ("", "")
