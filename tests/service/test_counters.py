"""A counter that differs from its leases freezes what is below its node until an operator thaws it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from service.models import QuotaNode
from service.scheduler import loop
from tests.service.api.test_groups import transact
from tests.service.api.test_me import join
from tests.service.api.test_quotas import edit, quota, submit
from tests.service.api.test_runs import HandWorker, worker  # noqa: F401  (a fixture)
from tests.service.conftest import Pool


@pytest.fixture(scope="module")
def rival(pool: Pool) -> httpx.AsyncClient:
    return pool.client(join(pool, "rival", 1))


@pytest.fixture(autouse=True)
def whole(pool: Pool, rival: httpx.AsyncClient) -> Iterator[None]:
    yield
    for client in (pool.cell, rival):
        for run in pool.get("/v1/runs", client).json()["items"]:
            pool.post(f"/v1/runs/{run['id']}:cancel", client)
    for name in ("demo", "rival", "commitment"):
        thaw(pool, name)


def miscount(pool: Pool, name: str, mc: int) -> None:
    """Somebody writes a counter by hand."""
    node = update(QuotaNode).where(QuotaNode.name == name)
    transact(pool, lambda session: session.execute(node.values(used_mc=QuotaNode.used_mc + mc)))


def sweep(pool: Pool) -> None:
    pool.runner.run(loop.sweep(pool.parts.sessions))


def thaw(pool: Pool, name: str) -> httpx.Response:
    return pool.post(f"/v1/admin/quotas/{quota(pool, name)['id']}:thaw", pool.operator)


def frozen(pool: Pool) -> dict[str, str]:
    found = pool.get("/v1/admin/quotas", pool.operator).json()["items"]
    return {node["name"]: node["frozen"] for node in found if node["frozen"]}


def audited(pool: Pool) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pool.get("/v1/admin/audit", pool.operator).json()["items"]
    return found


def test_counters_that_are_right_freeze_nothing(pool: Pool, worker: HandWorker) -> None:  # noqa: F811
    submit(pool, pool.cell)
    granted = worker.grants()
    sweep(pool)
    worker.finish(granted[0], worker.claim(granted[0]))
    sweep(pool)
    assert frozen(pool) == {}


@pytest.mark.parametrize("mc", [1000, -1000])
def test_a_cell_whose_counter_is_wrong_is_frozen_until_it_is_thawed(
    pool: Pool,
    worker: HandWorker,  # noqa: F811
    rival: httpx.AsyncClient,
    mc: int,
) -> None:
    edit(pool, "demo", {"borrowing_limit_mc": 0})
    run = submit(pool, pool.cell)
    (granted,) = worker.grants()
    edit(pool, "demo", {"borrowing_limit_mc": None})
    miscount(pool, "demo", mc)
    sweep(pool)
    found = f"its used_mc is {1000 + mc}, its live leases hold 1000"
    assert frozen(pool) == {"demo": found}
    assert worker.grants() == []
    why = pool.get(f"{run}/explanation").json()
    assert (why["reason"], why["node"], why["changes"][0]["lever"]) == ("FROZEN", "demo", "LIFT_FREEZE")
    wanted = submit(pool, rival)
    worker.grants()
    assert pool.get(f"{wanted}/explanation", rival).json()["reason"] != "FROZEN", "another cell is not frozen"
    sweep(pool)
    assert frozen(pool) == {"demo": found}, "what was found first stays"
    assert quota(pool, "demo")["used_mc"] == 1000 + mc, "nothing is repaired in silence"
    answer = thaw(pool, "demo")
    assert answer.status_code == 200
    assert (answer.json()["frozen"], answer.json()["used_mc"]) == (None, 1000)
    entry = audited(pool)[0]
    assert (entry["action"], entry["change"]) == (
        "quota.thaw",
        {"frozen": [found, None], "used_mc": [1000 + mc, 1000]},
    )
    sweep(pool)
    assert frozen(pool) == {}
    worker.finish(granted, worker.claim(granted))
    assert worker.grants()


def test_a_cell_whose_estimates_are_not_those_of_its_leases_is_frozen_too(pool: Pool) -> None:
    """What is left of its budget depends on them."""
    node = update(QuotaNode).where(QuotaNode.name == "demo").values(reserved_core_ms=QuotaNode.reserved_core_ms + 7)
    transact(pool, lambda session: session.execute(node))
    sweep(pool)
    assert frozen(pool) == {"demo": "its reserved_core_ms is 7, its live leases hold 0"}
    thaw(pool, "demo")
    assert audited(pool)[0]["change"]["reserved_core_ms"] == [7, 0]
    sweep(pool)
    assert frozen(pool) == {}


def test_below_the_root_everything_is_frozen(
    pool: Pool,
    worker: HandWorker,  # noqa: F811
    rival: httpx.AsyncClient,
) -> None:
    miscount(pool, "commitment", 1000)
    sweep(pool)
    runs = [(submit(pool, client), client) for client in (pool.cell, rival)]
    assert worker.grants() == []
    assert [pool.get(run, client).json()["waiting"] for run, client in runs] == ["FROZEN", "FROZEN"]
    thaw(pool, "commitment")
    assert len(worker.grants()) == 2


def test_what_runs_below_a_frozen_node_ends_as_ever_and_its_slot_starts_nothing_there(
    pool: Pool,
    worker: HandWorker,  # noqa: F811
) -> None:
    run = submit(pool, pool.cell)
    lent = worker.grants()
    miscount(pool, "demo", 1000)
    sweep(pool)
    worker.finish(lent[0], worker.claim(lent[0]))
    assert pool.get(run).json()["items_done"] == 1
    assert worker.grants() == []
    assert quota(pool, "demo")["used_mc"] == 2000


def test_a_node_that_is_not_frozen_is_not_changed_by_a_thaw(pool: Pool) -> None:
    before, entries = quota(pool, "demo"), audited(pool)
    answer = thaw(pool, "demo")
    assert answer.status_code == 200
    assert {**answer.json(), "decayed_core_ms": before["decayed_core_ms"]} == before
    assert audited(pool) == entries


def test_only_an_operator_thaws_and_only_what_is_there(pool: Pool) -> None:
    path = f"/v1/admin/quotas/{quota(pool, 'demo')['id']}:thaw"
    assert pool.post(path, pool.anonymous).status_code == 401
    assert pool.post(path, pool.cell).status_code == 403
    missing = path.replace(":thaw", "").rstrip("0123456789abcdef") + "0" * 32 + ":thaw"
    assert pool.post(missing, pool.operator).status_code == 404
