"""Groups that share a run: each chunk goes to one consumer, until it is acknowledged. A worker is played by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

import httpx
import pytest
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service import clock, readers
from service.api import stream
from service.api.dependencies import Sharing
from service.ids import read
from service.models import Delivery, HeartbeatClock, Reader, ReaderGroup, Run
from tests.service.api.test_runs import HandWorker, frames, submit, worker  # noqa: F401  (a fixture)
from tests.service.conftest import Pool

T = TypeVar("T")
WAIT_S = 20


@pytest.fixture(autouse=True)
def _no_groups_of_other_tests(pool: Pool) -> None:
    transact(pool, lambda session: session.execute(delete(ReaderGroup)))


@pytest.fixture
def run(pool: Pool, worker: HandWorker) -> dict[str, Any]:  # noqa: F811
    """A finished run of several chunks."""
    submitted = submit(pool)
    worker.serve()
    found: dict[str, Any] = pool.get(f"/v1/runs/{submitted['id']}").json()
    assert found["state"] == "succeeded"
    assert found["chunks"] >= 6
    return found


def transact(pool: Pool, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
    async def transaction() -> T:
        async with pool.parts.sessions.begin() as session:
            return await work(session)

    return pool.runner.run(transaction())


def path(run: dict[str, Any]) -> str:
    return f"/v1/runs/{run['id']}"


def given(pool: Pool, run: dict[str, Any], consumer: str, **options: Any) -> list[int]:
    """Seqs of a stream that is read until all is given out."""
    params = {"group": "learners", "consumer": consumer, "until": "given", **options}
    answer = pool.get(f"{path(run)}/stream", params=params)
    assert answer.status_code == 200, answer.text
    found = frames(answer.content)
    assert found[-1][0]["kind"] == "end"
    return [header["seq"] for header, _ in found if header["kind"] == "chunk"]


def ack(pool: Pool, run: dict[str, Any], seqs: list[int], group: str = "learners") -> httpx.Response:
    return pool.post(f"{path(run)}/groups/{group}:ack", json={"seqs": seqs})


def group_of(pool: Pool, run: dict[str, Any]) -> dict[str, Any]:
    (found,) = pool.get(f"{path(run)}/groups").json()["items"]
    return dict(found)


async def reading(pool: Pool, run: dict[str, Any], consumer: str, window: int | None = None) -> AsyncIterator[Any]:
    """What an open stream tells, as (kind, seq)."""
    sharing = Sharing("learners", consumer, window, "acknowledged")
    async with pool.parts.sessions.begin() as session:
        row = await session.get_one(Run, read("run", run["id"]))
        reader = await stream.reader(session, row, 0, sharing)
    async for event in stream.follow(pool.parts, row, reader):
        yield event.kind, event.chunk.seq if event.chunk else None


async def until(events: AsyncIterator[Any], kind: str) -> list[Any]:
    """What comes before an event of this kind."""
    found = []
    async with asyncio.timeout(WAIT_S):
        async for seen, seq in events:
            if seen == kind:
                return found
            found.append(seq)
    raise AssertionError(f"ended without {kind}")


def let_time_pass(pool: Pool, seconds: float, *, api_was_up: bool = True) -> None:
    """As if the readers had been seen so much earlier, and the API had been up all the time, or not."""

    async def age(session: AsyncSession) -> None:
        await session.execute(update(Reader).values(seen_at=Reader.seen_at - timedelta(seconds=seconds)))
        now = func.clock_timestamp()
        since = now - timedelta(days=1) if api_was_up else now
        await session.execute(update(HeartbeatClock).values(accepting_since=since, seen_at=now))

    transact(pool, age)


# --- refusals


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"consumer": "one"}, "query.consumer"),
        ({"window": 3}, "query.window"),
        ({"until": "given"}, "query.until"),
        ({"group": "learners"}, "query.consumer"),
        ({"group": "learners", "consumer": "one", "window": 0}, "query.window"),
        ({"group": "learners", "consumer": "one", "until": "later"}, "query.until"),
        ({"group": "no group", "consumer": "one"}, "query.group"),
        ({"group": "learners", "consumer": "x" * 64}, "query.consumer"),
        ({"group": "learners", "consumer": "one", "after": 10**9}, "query.after"),
    ],
)
def test_a_stream_that_cannot_be_shared_is_refused_and_makes_no_group(
    pool: Pool, run: dict[str, Any], params: dict[str, Any], field: str
) -> None:
    answer = pool.get(f"{path(run)}/stream", params=params)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert pool.get(f"{path(run)}/groups").json()["items"] == []


def test_events_are_not_shared(pool: Pool, run: dict[str, Any]) -> None:
    params = {"group": "learners", "consumer": "one"}
    answer = pool.get(f"{path(run)}/stream", params=params, headers={"Accept": "text/event-stream"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "query.group")


@pytest.mark.parametrize("body", [{}, {"seqs": []}, {"seqs": [0]}, {"seqs": ["1"]}, {"seqs": [1] * 1001}, {"seq": 1}])
def test_an_acknowledgement_of_another_shape_is_refused(pool: Pool, run: dict[str, Any], body: Any) -> None:
    given(pool, run, "one")
    assert pool.post(f"{path(run)}/groups/learners:ack", json=body).status_code == 422


def test_a_group_of_a_run_is_its_cells_alone(pool: Pool, run: dict[str, Any]) -> None:
    given(pool, run, "one")
    pool.post("/v1/admin/cells", pool.operator, json={"name": "others"})
    key = pool.post("/v1/admin/keys", pool.operator, json={"cell": "others"}).json()["secret"]
    other = pool.client(key)
    stranger = {"group": "learners", "consumer": "two"}
    assert pool.get(f"{path(run)}/stream", other, params=stranger).status_code == 404
    assert pool.get(f"{path(run)}/groups", other).status_code == 404
    assert pool.post(f"{path(run)}/groups/learners:ack", other, json={"seqs": [1]}).status_code == 404
    assert pool.request(other, "DELETE", f"{path(run)}/groups/learners").status_code == 404
    assert pool.get(f"{path(run)}/groups", pool.anonymous).status_code == 401
    assert group_of(pool, run)["unacknowledged"] == run["chunks"]


def test_chunks_that_were_not_given_out_cannot_be_acknowledged_and_nothing_is(pool: Pool, run: dict[str, Any]) -> None:
    assert ack(pool, run, [1]).status_code == 404
    given(pool, run, "one")
    answer = ack(pool, run, [1, run["chunks"] + 1])
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.seqs.1")
    assert group_of(pool, run)["unacknowledged"] == run["chunks"]


def test_a_run_has_so_many_groups_and_no_more(pool: Pool, run: dict[str, Any]) -> None:
    for number in range(readers.MOST_GROUPS):
        given(pool, run, "one", group=f"group-{number}")
    params = {"group": "one-more", "consumer": "one"}
    assert pool.get(f"{path(run)}/stream", params=params).status_code == 409
    given(pool, run, "one", group="group-0")


# --- sharing


def test_a_consumer_that_comes_again_gets_again_what_it_did_not_acknowledge(pool: Pool, run: dict[str, Any]) -> None:
    everything = list(range(1, run["chunks"] + 1))
    assert given(pool, run, "one") == everything
    assert given(pool, run, "one") == everything
    assert given(pool, run, "two") == []
    for _ in range(2):  # the same again does nothing
        state = ack(pool, run, [1, 2, 4]).json()
        assert (state["given"], state["acknowledged"], state["unacknowledged"]) == (
            everything[-1],
            2,
            len(everything) - 3,
        )
    assert given(pool, run, "one") == [3, *everything[4:]]


def test_groups_know_nothing_of_each_other(pool: Pool, run: dict[str, Any]) -> None:
    given(pool, run, "one")
    ack(pool, run, [1])
    assert given(pool, run, "one", group="others") == list(range(1, run["chunks"] + 1))
    assert [group["acknowledged"] for group in pool.get(f"{path(run)}/groups").json()["items"]] == [1, 0]


def test_a_group_begins_where_its_first_consumer_says(pool: Pool, run: dict[str, Any]) -> None:
    assert given(pool, run, "one", after=3) == list(range(4, run["chunks"] + 1))
    assert given(pool, run, "one", after=0) == list(range(4, run["chunks"] + 1))


def test_consumers_share_within_their_windows_and_end_when_all_is_acknowledged(pool: Pool, run: dict[str, Any]) -> None:
    async def consume(events: AsyncIterator[Any], got: list[int]) -> list[int]:
        async for kind, seq in events:
            if kind == "chunk":
                got.append(seq)
            await pool.cell.post(f"{path(run)}/groups/learners:ack", json={"seqs": got})
        return got

    async def share() -> list[list[int]]:
        one, two = reading(pool, run, "one", window=2), reading(pool, run, "two", window=1)
        first = [await until(one, "progress"), await until(two, "progress")]
        assert first == [[1, 2], [3]]
        async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as both:
            tasks = [both.create_task(consume(events, got)) for events, got in zip((one, two), first, strict=True)]
            await pool.cell.post(f"{path(run)}/groups/learners:ack", json={"seqs": [1, 2, 3]})
        return [task.result() for task in tasks]

    shares = pool.runner.run(share())
    assert sorted(shares[0] + shares[1]) == list(range(1, run["chunks"] + 1))
    assert group_of(pool, run)["unacknowledged"] == 0


def test_what_a_consumer_left_goes_to_another_when_it_has_been_away_for_a_while(
    pool: Pool, run: dict[str, Any]
) -> None:
    everything = list(range(1, run["chunks"] + 1))
    assert given(pool, run, "one") == everything
    let_time_pass(pool, 20)
    assert given(pool, run, "two") == []
    let_time_pass(pool, 20, api_was_up=False)
    assert given(pool, run, "two") == []
    let_time_pass(pool, 0)
    assert given(pool, run, "two") == everything
    assert given(pool, run, "one") == []


def test_an_open_connection_is_marked_however_slowly_it_reads(pool: Pool, run: dict[str, Any]) -> None:
    async def stall() -> None:
        events = reading(pool, run, "one")
        await anext(events)  # and nothing more: the stream waits for its reader
        async with pool.parts.sessions.begin() as session:
            await session.execute(update(Reader).values(seen_at=Reader.seen_at - timedelta(hours=1)))
        await pool.parts.presence.mark()
        async with pool.parts.sessions() as session:
            (group,) = await readers.groups(session, await session.get_one(Run, read("run", run["id"])))
            away = await clock.now(session) - group.consumers[0].seen_at
        await events.aclose()
        assert away < readers.GONE

    pool.runner.run(stall())


def test_a_second_connection_of_a_consumer_ends_the_first(pool: Pool, run: dict[str, Any]) -> None:
    async def twice() -> None:
        first = reading(pool, run, "one")
        seqs = await until(first, "progress")
        again = reading(pool, run, "one")
        assert await until(again, "progress") == seqs == list(range(1, run["chunks"] + 1))
        assert await until(first, "replaced") == []
        with pytest.raises(StopAsyncIteration):
            await anext(first)

    pool.runner.run(twice())


def test_a_group_that_is_deleted_ends_its_streams_and_leaves_no_row(pool: Pool, run: dict[str, Any]) -> None:
    async def deleted() -> None:
        events = reading(pool, run, "one")
        await until(events, "progress")
        assert (await pool.cell.delete(f"{path(run)}/groups/learners")).status_code == 204
        assert await until(events, "replaced") == []

    pool.runner.run(deleted())
    assert rows(pool) == 0
    assert pool.request(pool.cell, "DELETE", f"{path(run)}/groups/learners").status_code == 404


def test_a_run_is_deleted_with_its_groups(pool: Pool, run: dict[str, Any]) -> None:
    given(pool, run, "one")
    assert rows(pool) > 0
    assert pool.request(pool.cell, "DELETE", path(run)).status_code == 204
    assert rows(pool) == 0


def rows(pool: Pool) -> int:
    """Of readers, over all runs."""

    async def count(session: AsyncSession) -> int:
        tables = (ReaderGroup, Reader, Delivery)
        return sum([await session.scalar(select(func.count()).select_from(table)) or 0 for table in tables])

    return transact(pool, count)
