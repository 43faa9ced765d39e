"""Runs that heed their readers: none is further behind than allowed, and where all have gone nothing more is spent."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from service import db
from service.api import stream
from service.api.dependencies import Sharing
from service.ids import read
from service.models import Reader, Run, Site
from tests.service.api.test_groups import WAIT_S, ack, let_time_pass, path, transact, until
from tests.service.api.test_runs import HandWorker
from tests.service.api.test_runs import submit as submit_any
from tests.service.conftest import Pool


@pytest.fixture
def worker(pool: Pool, tmp_path: Path) -> Iterator[HandWorker]:
    """With more slots than any run here may fill."""
    url = tmp_path.as_uri()
    transact(pool, lambda session: session.execute(update(Site).values(store_url=url)))
    found = HandWorker(pool, tmp_path, slots=8)
    yield found
    for run in pool.get("/v1/runs").json()["items"]:
        pool.post(f"/v1/runs/{run['id']}:cancel")
    found.call(f"workers/{found.id}/leave", {})


def submit(pool: Pool, **body: Any) -> dict[str, Any]:
    """Of more items than are run here."""
    run = submit_any(pool, steps_per_env=3_000_000, **body)
    assert run["items_total"] > 24
    return run


def state(pool: Pool, run: dict[str, Any]) -> tuple[int, int, str | None]:
    """Chunks, items that run, and why none does."""
    found = pool.get(path(run)).json()
    return found["chunks"], found["items_running"], found["waiting"]


Events = AsyncGenerator[tuple[str, int | None]]


def opened(pool: Pool, run: dict[str, Any], sharing: Sharing | None = None) -> Events:
    """A stream that has begun to be read."""

    async def follow() -> Events:
        async with pool.parts.sessions.begin() as session:
            row = await session.get_one(Run, read("run", run["id"]))
            reader = await stream.reader(session, row, 0, sharing)
        async with aclosing(stream.follow(pool.parts, row, reader)) as found:
            async for event in found:
                yield event.kind, event.chunk.seq if event.chunk else None

    events = follow()
    pool.runner.run(_first(events))
    return events


async def _first(events: Events) -> None:
    await anext(events)


def take(pool: Pool, events: Events) -> list[int | None]:
    """The chunks that the stream gives now, but the first."""
    return pool.runner.run(until(events, "progress"))


def close(pool: Pool, events: Events) -> None:
    async def closed() -> None:
        await events.aclose()
        await pool.parts.presence.mark()

    pool.runner.run(closed())


def finish(worker: HandWorker) -> int:
    """Run what is granted at once; the number of items."""
    grants = worker.grants()
    for grant in grants:
        worker.finish(grant, worker.claim(grant))
    return len(grants)


# --- refusals


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"max_unread": 0}, "body.max_unread"),
        ({"max_unread": "4"}, "body.max_unread"),
        ({"abandon_after_s": 29}, "body.abandon_after_s"),
        ({"groups": ["No"]}, "body.groups.0"),
        ({"groups": ["a", "a"]}, "body.groups"),
        ({"groups": [f"g{n}" for n in range(17)]}, "body.groups"),
        ({"max_unread": 4, "reuse": True}, "body"),
    ],
)
def test_what_cannot_be_heeded_is_refused(pool: Pool, body: dict[str, Any], field: str) -> None:
    answer = pool.post("/v1/runs", json={"refs": ["classic/cartpole@1"], "episodes": 1, **body})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


# --- readers that are behind

LEARNERS = Sharing("learners", "one", None, "given")


def test_a_run_goes_no_further_ahead_of_a_group_than_it_may(pool: Pool, worker: HandWorker) -> None:
    run = submit(pool, groups=["learners"], max_unread=3)
    grants = worker.grants()
    assert len(grants) == 3, "items that run are chunks to come"
    assert worker.grants() == []
    assert state(pool, run) == (0, 3, None)
    for grant in grants:
        worker.finish(grant, worker.claim(grant))
    assert finish(worker) == 0
    assert state(pool, run) == (3, 0, "READER_BEHIND")
    take(pool, opened(pool, run, LEARNERS))
    assert finish(worker) == 0, "what was given and not acknowledged counts"
    ack(pool, run, [1, 3])
    assert finish(worker) == 1, "chunk 2 is not acknowledged"
    ack(pool, run, [2])
    assert finish(worker) == 2
    assert state(pool, run) == (6, 0, "READER_BEHIND")


def test_the_slowest_of_several_readers_counts(pool: Pool, worker: HandWorker) -> None:
    run = submit(pool, groups=["learners", "watchers"], max_unread=2)
    assert finish(worker) == 2
    for group in ("learners", "watchers"):
        assert finish(worker) == 0
        take(pool, opened(pool, run, Sharing(group, "one", None, "given")))
        ack(pool, run, [1, 2], group)
    assert finish(worker) == 2


def test_nobody_is_behind_until_a_first_reader_comes(pool: Pool, worker: HandWorker) -> None:
    run = submit(pool, max_unread=2)
    assert finish(worker) == 8
    events = opened(pool, run)
    assert state(pool, run) == (8, 0, "READER_BEHIND")
    assert finish(worker) == 0
    assert take(pool, events) == list(range(2, 9))
    assert finish(worker) == 2
    close(pool, events)


def test_a_reader_that_takes_nothing_more_holds_the_run(pool: Pool, worker: HandWorker) -> None:
    run = submit(pool, max_unread=4)
    events = opened(pool, run)
    assert finish(worker) == 4
    pool.runner.run(_first(events))  # one chunk, and then it stalls
    assert finish(worker) == 0
    assert state(pool, run) == (4, 0, "READER_BEHIND")
    close(pool, events)


@pytest.mark.parametrize("says_so", [True, False])
def test_a_reader_that_left_holds_nobody(pool: Pool, worker: HandWorker, says_so: bool) -> None:
    run = submit(pool, max_unread=2)
    assert finish(worker) == 8
    events = opened(pool, run)
    assert finish(worker) == 0
    if says_so:
        close(pool, events)
    else:  # its API was killed
        let_time_pass(pool, 31)
    assert finish(worker) == 8
    close(pool, events)


def test_who_watches_events_is_no_reader(pool: Pool, worker: HandWorker) -> None:
    run = submit(pool, max_unread=1, abandon_after_s=30)

    async def watch() -> None:
        async with pool.parts.sessions() as session:
            row = await session.get_one(Run, read("run", run["id"]))
        events = stream.events(pool.parts, row, 0)
        await anext(events)
        await events.aclose()  # type: ignore[attr-defined]

    pool.runner.run(watch())
    let_time_pass(pool, 60)
    assert finish(worker) == 8


def test_a_group_that_is_deleted_holds_nobody(pool: Pool, worker: HandWorker) -> None:
    run = submit(pool, groups=["learners"], max_unread=1)
    assert finish(worker) == 1
    assert pool.request(pool.cell, "DELETE", f"{path(run)}/groups/learners").status_code == 204
    assert finish(worker) == 8


def test_other_runs_of_the_cell_take_the_place_of_one_that_is_held_back(pool: Pool, worker: HandWorker) -> None:
    held = submit(pool, groups=["learners"], max_unread=1)
    free = submit(pool)
    later = submit(pool, groups=["learners"], max_unread=2)
    assert worker.serve() == 1 + free["items_total"] + 2
    assert [state(pool, run)[2] for run in (held, free, later)] == ["READER_BEHIND", None, "READER_BEHIND"]


def test_who_waits_is_not_told_to_wait_for_a_run_that_is_held_back(pool: Pool, worker: HandWorker) -> None:
    held = submit(pool, groups=["learners"], max_unread=1)
    assert finish(worker) == 1
    free = submit(pool)
    assert len(worker.grants()) == 8
    held_back = pool.get(f"{path(held)}/explanation").json()
    assert (held_back["reason"], held_back["start_p90"]) == ("READER_BEHIND", None)
    why = pool.get(f"{path(free)}/explanation").json()
    assert why["ahead"] == held["items_total"] - 1
    soon = datetime.fromisoformat(why["start_p50"]) - datetime.now(UTC)
    assert pool.request(pool.cell, "DELETE", f"{path(held)}/groups/learners").status_code == 204
    later = pool.get(f"{path(free)}/explanation").json()
    assert datetime.fromisoformat(later["start_p50"]) - datetime.now(UTC) > 1.5 * soon


@pytest.mark.parametrize(("bounds", "times"), [({"max_unread": 8}, 1), ({"abandon_after_s": 60}, 1), ({}, 0)])
def test_the_scheduler_is_woken_where_readers_decide_what_may_start(
    pool: Pool, worker: HandWorker, bounds: dict[str, int], times: int
) -> None:
    run = submit(pool, groups=["learners"], **bounds)
    finish(worker)
    events = opened(pool, run, LEARNERS)

    async def wake_ups() -> int:
        async with db.listening(pool.parts.settings.database_url, db.SCHEDULE) as connection:
            await pool.cell.post(f"{path(run)}/groups/learners:ack", json={"seqs": [1]})
            await connection.execute(f"NOTIFY {db.SCHEDULE}, 'last'".encode())
            count = 0
            async for found in connection.notifies(timeout=WAIT_S):
                if found.payload == "last":
                    return count
                count += 1
        raise AssertionError("nothing came")

    assert pool.runner.run(wake_ups()) == times
    close(pool, events)


# --- readers that have gone


@pytest.mark.parametrize("sharing", [None, LEARNERS], ids=["alone", "group"])
def test_a_run_whose_readers_have_all_gone_stops_until_one_is_back(
    pool: Pool, worker: HandWorker, sharing: Sharing | None
) -> None:
    run = submit(pool, abandon_after_s=60)
    let_time_pass(pool, 3600)
    assert finish(worker) == 8, "nobody was there yet"
    events = opened(pool, run, sharing)
    let_time_pass(pool, 3600)
    pool.runner.run(pool.parts.presence.mark())
    assert finish(worker) == 8, "it is open"
    close(pool, events)
    let_time_pass(pool, 50)
    assert state(pool, run)[2] is None
    let_time_pass(pool, 20, api_was_up=False)
    assert state(pool, run)[2] is None, "nobody could be heard"
    let_time_pass(pool, 0)
    assert state(pool, run)[2] == "NO_READER"
    assert finish(worker) == 0
    events = opened(pool, run, sharing)
    assert finish(worker) == 8
    close(pool, events)


def test_a_run_that_heeds_no_reader_writes_nothing_down_of_them(pool: Pool, worker: HandWorker) -> None:
    run = submit(pool)
    close(pool, opened(pool, run))
    count = select(func.count()).select_from(Reader).where(Reader.run_id == read("run", run["id"]))
    assert transact(pool, lambda session: session.scalar(count)) == 0
