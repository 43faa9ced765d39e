"""Changes that begin or end at a time: kept by the scheduler's sweep, taken back unless edited meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from service import audit, capacity, clock, db, quotas, schedules
from service.api import schemas
from service.errors import Conflict, Invalid, PreconditionRequired
from service.ids import show
from service.models import ScheduledChange
from service.scheduler import loop
from service.settings import Settings
from tests.service.quota_ground import OPERATOR, Ground, opened


@pytest.fixture
def ground(database_url: str) -> Iterator[Ground]:
    with opened(database_url) as found:
        found.cell("red")
        found.cell("blue")
        found.become(found.exported() | {"groups": {"axis": {}}})
        yield found


def schedule(ground: Ground, change: dict[str, Any], *, at: int | None = None, until: int | None = None) -> str:
    """With times in seconds from now; where something is taken away, as if it had been looked at."""
    asked = schemas.ScheduleCreate.model_validate(
        {
            "change": change,
            "at": None if at is None else ground.now + timedelta(seconds=at),
            "until": None if until is None else ground.now + timedelta(seconds=until),
        }
    )
    row = ground.do(schedules.create, OPERATOR, asked, shown=None, now=ground.now)
    return show("change", row.id)


def weigh(ground: Ground, weight: int, name: str = "red") -> dict[str, Any]:
    return {"quotas": [{"quota": ground.id(name), "weight": weight}]}


def pass_time(ground: Ground, seconds: int) -> int:
    ground.pass_time(seconds)
    return ground.do(_keep, ground)


async def _keep(session: AsyncSession, ground: Ground) -> int:
    await capacity.lock_root(session)
    return await schedules.keep(session, now=ground.now)


def found(ground: Ground, change: str) -> ScheduledChange:
    return ground.do(schedules.get, change)


def told(ground: Ground, change: str) -> list[tuple[str, dict[str, Any]]]:
    return [(action, said) for action, said in ground.audited(change) if action != "schedule.create"]


def test_a_change_begins_at_its_time_and_is_taken_back_at_its_end(ground: Ground) -> None:
    change = schedule(ground, weigh(ground, 5), at=10, until=20)
    assert ground.do(schedules.next_at) == ground.now + timedelta(seconds=10)
    assert pass_time(ground, 9) == 0
    assert ground.node("red").weight == 1
    assert pass_time(ground, 1) == 1
    assert (ground.node("red").weight, found(ground, change).state) == (5, "active")
    assert ground.do(schedules.next_at) == ground.now + timedelta(seconds=10)
    assert pass_time(ground, 10) == 1
    assert (ground.node("red").weight, found(ground, change).state) == (1, "done")
    assert ground.do(schedules.next_at) is None
    assert told(ground, change) == [("schedule.begin", {}), ("schedule.end", {"kept": []})]
    weights = [said["weight"] for action, said in ground.audited("red") if "weight" in said]
    assert weights == [[1, 5], [5, 1]]


def test_nobody_swept_for_long_and_a_change_begins_and_ends_at_once(ground: Ground) -> None:
    change = schedule(ground, weigh(ground, 5), at=10, until=20)
    assert pass_time(ground, 100) == 2
    assert (ground.node("red").weight, found(ground, change).state) == (1, "done")


def test_without_a_beginning_it_holds_at_once_and_all_it_set_is_taken_back(ground: Ground) -> None:
    both = {
        "quotas": [{"quota": ground.id("red"), "parent": "axis", "lending_limit_mc": None, "weight": 2}],
        "commitment": {"numerator": 50, "half_life_s": 60},
    }
    before = ground.exported()
    with pytest.raises(PreconditionRequired, match="moves red"):
        schedule(ground, both, until=10)
    both["quotas"][0].pop("parent")  # type: ignore[attr-defined]
    schedule(ground, both, until=10)
    assert ground.exported()["commitment"]["numerator"] == 50
    assert ground.exported()["cells"]["red"] == {"weight": 2}
    pass_time(ground, 10)
    assert ground.exported() == before


def test_what_was_edited_meanwhile_stays_and_the_audit_says_so(ground: Ground) -> None:
    both = {"quotas": [{"quota": ground.id(name), "weight": 5} for name in ("red", "blue")]}
    change = schedule(ground, both, until=10)
    ground.apply(ground.edit("red", weight=7))
    pass_time(ground, 10)
    assert (ground.node("red").weight, ground.node("blue").weight) == (7, 1)
    kept = [{"target": ground.id("red"), "field": "weight", "is": 7}]
    assert told(ground, change) == [("schedule.end", {"kept": kept})]


@pytest.mark.parametrize("ends", [(10, 20), (20, 10)])
def test_changes_that_overlap_leave_what_was_before_both(ground: Ground, ends: tuple[int, int]) -> None:
    both = [schedule(ground, weigh(ground, 5), until=ends[0]), schedule(ground, weigh(ground, 9), until=ends[1])]
    pass_time(ground, 10)
    assert ground.node("red").weight == (9 if ends[1] == 20 else 5)
    pass_time(ground, 10)
    assert ground.node("red").weight == 1
    assert [told(ground, change) for change in both] == [[("schedule.end", {"kept": []})]] * 2


def test_what_cannot_be_done_any_more_changes_nothing_and_says_why(ground: Ground) -> None:
    change = schedule(
        ground,
        {
            "document": ground.exported()
            | {"groups": {"axis": {}, "labs": {}}, "cells": ground.exported()["cells"] | {"new": {}}}
        },
        at=10,
    )
    ground.cell("green")
    ground.submit("green", 1)
    other = schedule(ground, weigh(ground, 5), at=10)
    assert pass_time(ground, 10) == 2
    row = found(ground, change)
    assert (row.state, "green stays" in (row.failure or "")) == ("failed", True)
    assert set(ground.exported()["cells"]) == {"red", "blue", "green"}
    assert set(ground.exported()["groups"]) == {"axis"}
    assert told(ground, change) == [("schedule.begin", {"failed": row.failure})]
    assert (found(ground, other).state, ground.node("red").weight) == ("done", 5)
    assert pass_time(ground, 10) == 0


def test_what_is_cancelled_never_begins_or_is_taken_back_now(ground: Ground) -> None:
    later, now = schedule(ground, weigh(ground, 5), at=10), schedule(ground, weigh(ground, 3, "blue"), until=10)
    for change in (later, now):
        assert ground.do(schedules.cancel, OPERATOR, change, now=ground.now).state == "cancelled"
        with pytest.raises(Conflict, match="cancelled"):
            ground.do(schedules.cancel, OPERATOR, change, now=ground.now)
    assert ground.node("blue").weight == 1
    assert pass_time(ground, 20) == 0
    assert ground.node("red").weight == 1


def test_what_could_not_be_done_now_is_refused_now_and_leaves_nothing(ground: Ground) -> None:
    before = ground.exported()
    with pytest.raises(Invalid, match="below itself"):
        schedule(ground, {"quotas": [{"quota": ground.id("axis"), "parent": "axis"}]}, at=10)
    assert ground.exported() == before
    schedule(ground, weigh(ground, 5), at=10)
    assert ground.exported() == before
    assert [action for action, _ in ground.audited("red")] == []


@pytest.mark.parametrize(
    ("times", "field"),
    [({}, "body"), ({"at": 0}, "body.at"), ({"until": -1}, "body.until"), ({"at": 5, "until": 5}, "body.until")],
)
def test_times_that_make_no_sense_are_refused(ground: Ground, times: dict[str, int], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        schedule(ground, weigh(ground, 5), **times)
    assert [name for name, _ in refused.value.errors] == [field]


def test_who_asked_for_it_stands_in_the_audit_when_it_happens(ground: Ground) -> None:
    schedule(ground, weigh(ground, 5), at=10)
    pass_time(ground, 10)
    set_by = ground.do(audit.provenance, [ground.id("red")])[ground.id("red")]["weight"]
    assert (set_by.by, set_by.reason) == (OPERATOR.name, OPERATOR.reason)


def test_the_scheduler_wakes_for_a_change_that_is_sooner_than_what_it_slept_for(
    ground: Ground, database_url: str
) -> None:
    red = ground.id("red")

    async def change(weight: int) -> None:
        """In a second."""
        async with ground.sessions.begin() as session:
            now = await clock.now(session)
            asked = {"change": {"quotas": [{"quota": red, "weight": weight}]}, "at": now + timedelta(seconds=1)}
            request = schemas.ScheduleCreate.model_validate(asked)
            await schedules.create(session, OPERATOR, request, shown=None, now=now)

    async def changed(connection: psycopg.AsyncConnection, weight: int) -> None:
        async with aclosing(connection.notifies()) as notifications:
            async for _ in notifications:  # that it is to be, then that it is
                async with ground.sessions() as session:
                    if (await quotas.get(session, red)).weight == weight:
                        return

    async def serve() -> None:
        stop = asyncio.Event()
        async with db.listening(database_url, db.SCHEDULE) as connection:
            scheduler = asyncio.create_task(loop.run(Settings(database_url=database_url), stop))
            try:
                async with asyncio.timeout(loop.IDLE_S / 2):
                    for weight in (5, 6):  # for the second, it has to be woken
                        await change(weight)
                        await changed(connection, weight)
            finally:
                stop.set()
                await scheduler

    ground.runner.run(serve())
