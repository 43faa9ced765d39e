"""The queue and the shares: the same reasons as the runs' own, and of others no more than the operators allow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import httpx
import pytest

from service import queue
from service.api import schemas
from service.scheduler.entitlement import Reason
from tests.service.api.test_groups import transact
from tests.service.api.test_quotas import commit, edit, quota
from tests.service.api.test_runs import REF, HandWorker, worker  # noqa: F401  (a fixture)
from tests.service.conftest import Pool


@pytest.fixture(scope="module")
def guest(pool: Pool) -> httpx.AsyncClient:
    """A cell in a group, of one slot of two."""
    assert pool.post("/v1/admin/cells", pool.operator, json={"name": "guest", "group": "guests"}).status_code == 201
    return pool.client(pool.post("/v1/admin/keys", pool.operator, json={"cell": "guest"}).json()["secret"])


@pytest.fixture(autouse=True)
def as_before(pool: Pool, guest: httpx.AsyncClient) -> Iterator[None]:
    yield
    assert commit(pool, {"shares_visible": "own", "numerator": 33}).is_success
    for client in (pool.cell, guest):
        for run in pool.get("/v1/queue", client).json()["items"]:
            pool.post(f"/v1/runs/{run['run']}:cancel", client)
    edit(pool, "guest", {"borrowing_limit_mc": None, "state": "active"})


def submit(pool: Pool, client: httpx.AsyncClient, **more: Any) -> str:
    body = {"refs": [REF], "steps_per_env": 3_000_000, "seed": 1} | more
    answer = pool.post("/v1/runs", client, json=body)
    assert answer.status_code == 202, answer.text
    run: str = answer.json()["id"]
    return run


def queued(pool: Pool, client: httpx.AsyncClient) -> list[dict[str, Any]]:
    answer = pool.get("/v1/queue", client)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def shares(pool: Pool, client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in pool.get("/v1/shares", client).json()["items"]}


def test_slurms_names_are_of_our_reasons() -> None:
    assert set(queue.SLURM) <= set(Reason)
    assert queue.SLURM[Reason.BUDGET_SPENT] == "AssocGrpCPUMinutesLimit"


def test_each_run_has_a_line_with_the_reason_that_it_has_itself(
    pool: Pool,
    worker: HandWorker,  # noqa: F811
    guest: httpx.AsyncClient,
) -> None:
    edit(pool, "guest", {"borrowing_limit_mc": 0})
    first, second = submit(pool, guest, name="first"), submit(pool, guest)
    narrow, unread = submit(pool, pool.cell, max_parallel=1), submit(pool, pool.cell, groups=["g"], max_unread=1)
    large = submit(pool, pool.cell)
    worker.grants()
    of_guest, of_demo = queued(pool, guest), queued(pool, pool.cell)
    assert [entry["run"] for entry in of_guest] == [first, second]
    assert [entry["run"] for entry in of_demo] == [narrow, unread, large]
    for client, entries in ((guest, of_guest), (pool.cell, of_demo)):
        for entry in entries:
            own = pool.get(f"/v1/runs/{entry['run']}/explanation", client).json()
            assert (entry["reason"], entry["ahead"]) == (own["reason"], own["ahead"])
            run = pool.get(f"/v1/runs/{entry['run']}", client).json()
            assert entry["running"] == run["items_running"]
            assert entry["running"] + entry["waiting"] == run["items_total"]
            assert (entry["name"], entry["since"]) == (run["name"], run["created_at"])
    assert (of_guest[0]["running"], of_guest[1]["running"]) == (1, 0)
    assert (of_guest[0]["reason"], of_guest[0]["slurm"]) == ("BORROWING_LIMIT", "AssocGrpCpuLimit")
    assert of_guest[1]["ahead"] == of_guest[0]["waiting"]
    assert (of_demo[0]["reason"], of_demo[0]["slurm"]) == ("MAX_PARALLEL", "JobArrayTaskLimit")
    everyone = pool.get("/v1/queue", pool.operator).json()["items"]
    assert [entry["run"] for entry in everyone] == [first, second, narrow, unread, large]
    assert {entry["cell"] for entry in everyone} == {"guest", "demo"}


def test_the_queue_has_pages_and_nothing_that_has_ended(pool: Pool, guest: httpx.AsyncClient) -> None:
    runs = [submit(pool, pool.cell, steps_per_env=10) for _ in range(3)]
    pool.post(f"/v1/runs/{runs[1]}:cancel")
    submit(pool, guest)
    page = pool.get("/v1/queue", params={"limit": 1}).json()
    rest = pool.get("/v1/queue", params={"limit": 1, "cursor": page["next_cursor"]}).json()
    assert [page["items"][0]["run"], rest["items"][0]["run"]] == [runs[0], runs[2]]
    assert rest["next_cursor"] is None


def test_a_cell_sees_its_own_share_and_the_rest_as_one(
    pool: Pool,
    worker: HandWorker,  # noqa: F811
    guest: httpx.AsyncClient,
) -> None:
    submit(pool, guest)
    assert len(worker.grants()) == 2
    seen = shares(pool, pool.cell)
    assert list(seen) == ["commitment", "demo", "(others)"]
    assert [row["depth"] for row in seen.values()] == [0, 1, 1]
    assert (seen["demo"]["order"], seen["(others)"]["order"]) == (1, 2)
    assert (seen["(others)"]["used_mc"], seen["(others)"]["borrowed_mc"]) == (2000, 1000)
    assert seen["(others)"]["weight"] is None
    of_guest = shares(pool, guest)
    assert list(of_guest) == ["commitment", "(others)", "guest"]
    assert of_guest["guest"].items() >= {"used_mc": 2000, "borrowed_mc": 1000, "nominal_mc": 1000, "order": 2}.items()
    for rows in (seen, of_guest):
        for figure in ("nominal_mc", "used_mc", "share_mc"):
            assert sum(row[figure] for row in rows.values() if row["depth"]) == rows["commitment"][figure]


@pytest.mark.parametrize(
    ("allowed", "rows"),
    [
        ("own", {"commitment", "demo", "(others)"}),
        ("groups", {"commitment", "demo", "guests", "(others)"}),
        ("cells", {"commitment", "demo", "guests", "guest"}),
    ],
)
def test_a_cell_sees_of_others_what_operators_allow(pool: Pool, allowed: str, rows: set[str]) -> None:
    assert commit(pool, {"shares_visible": allowed}).is_success
    assert set(shares(pool, pool.cell)) == rows
    assert set(shares(pool, pool.operator)) == {"commitment", "demo", "guests", "guest"}
    assert get_args(schemas.SharesVisible) == ("own", "groups", "cells")


def test_what_cells_see_is_one_of_three(pool: Pool) -> None:
    answer = commit(pool, {"shares_visible": "everything"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.shares_visible")


def test_a_debt_is_marked_and_told_when_it_begins_and_when_it_ends(
    pool: Pool,
    worker: HandWorker,  # noqa: F811
) -> None:
    webhook = pool.post("/v1/webhooks", json={"url": "https://example.org/", "events": ["debt.began", "debt.ended"]})
    path = f"/v1/webhooks/{webhook.json()['id']}/deliveries"
    submit(pool, pool.cell)
    first, second = worker.grants()
    assert commit(pool, {"numerator": 17}).is_success
    assert pool.get("/v1/admin/commitment", pool.operator).json()["debt_since"] is not None
    assert commit(pool, {"numerator": 18}).is_success  # still in debt: not told again
    (told,) = pool.get(path).json()["items"]
    assert (told["event"], told["content"]["detail"]["used_mc"]) == ("debt.began", 2000)
    assert worker.grants() == []
    worker.finish(first, worker.claim(first))
    assert pool.get("/v1/admin/commitment", pool.operator).json()["debt_since"] is None
    told, _ = pool.get(path).json()["items"]
    assert (told["event"], told["content"]["detail"]["used_mc"]) == ("debt.ended", 1000)
    worker.finish(second, worker.claim(second))
    assert len(pool.get(path).json()["items"]) == 2


def test_the_queue_costs_as_many_queries_for_many_runs_as_for_one(pool: Pool) -> None:
    for _ in range(3):
        submit(pool, pool.cell, steps_per_env=10)
    assert statements(pool, 1) == statements(pool, 3) > 0


def statements(pool: Pool, limit: int) -> int:
    from sqlalchemy import event, select
    from sqlalchemy.ext.asyncio import AsyncSession

    from service.models import Run

    async def count(session: AsyncSession) -> int:
        runs = (await session.scalars(select(Run).where(Run.state == "queued").limit(limit))).all()
        assert len(runs) == limit
        seen: list[object] = []
        connection = (await session.connection()).sync_connection
        assert connection is not None
        listen = lambda *arguments: seen.append(arguments[2])  # noqa: E731
        event.listen(connection, "before_cursor_execute", listen)
        await queue.describe(session, runs)
        event.remove(connection, "before_cursor_execute", listen)
        return len(seen)

    return transact(pool, count)


def test_quota_of_a_guest_is_below_guests(pool: Pool) -> None:
    assert quota(pool, "guest")["parent"] == quota(pool, "guests")["id"]
