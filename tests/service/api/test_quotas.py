"""Limits of the entitlement tree as operators set them, and what they do: borrowing, lending, loans, claims."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service import clock
from service.claims import open_since, remember
from service.models import Claim
from service.scheduler import plan as planning
from service.scheduler import snapshot
from tests.service.api.test_groups import transact
from tests.service.api.test_me import join
from tests.service.api.test_runs import REF, HandWorker, worker  # noqa: F401  (a fixture)
from tests.service.conftest import Pool

UNLIMITED = {"borrowing_limit_mc": None, "lending_limit_mc": None, "max_loan_ms": None}


@pytest.fixture(scope="module")
def rival(pool: Pool) -> httpx.AsyncClient:
    """A second cell, of equal weight: on a pool of two slots each is entitled to one."""
    return pool.client(join(pool, "rival", 1))


@pytest.fixture(autouse=True)
def unlimited(pool: Pool, rival: httpx.AsyncClient) -> Iterator[None]:
    yield
    for name in ("demo", "rival"):
        edit(pool, name, UNLIMITED | {"state": "active"})
    for client in (pool.cell, rival):
        for run in pool.get("/v1/runs", client).json()["items"]:
            pool.post(f"/v1/runs/{run['id']}:cancel", client)


def quota(pool: Pool, name: str) -> dict[str, Any]:
    found = pool.get("/v1/admin/quotas", pool.operator).json()["items"]
    return next(node for node in found if node["name"] == name)


def edit(pool: Pool, name: str, change: dict[str, Any]) -> httpx.Response:
    """Edit a node, having looked at what follows where that can be said."""
    node = quota(pool, name)
    return edit_as(pool, pool.operator, node["id"], change, node["version"])


def edit_as(pool: Pool, who: httpx.AsyncClient, id: str, change: dict[str, Any], version: int = 1) -> httpx.Response:
    headers = {"If-Match": f'"{version}"'} | looked(pool, who, quotas=[{"quota": id, **change}])
    return pool.request(who, "PATCH", f"/v1/admin/quotas/{id}", json=change, headers=headers)


def commit(pool: Pool, change: dict[str, Any]) -> httpx.Response:
    """Edit the commitment, having looked at what follows where that can be said."""
    version = pool.get("/v1/admin/commitment", pool.operator).json()["version"]
    headers = {"If-Match": f'"{version}"'} | looked(pool, pool.operator, commitment=change)
    return pool.request(pool.operator, "PATCH", "/v1/admin/commitment", json=change, headers=headers)


def looked(pool: Pool, who: httpx.AsyncClient, **change: Any) -> dict[str, str]:
    """The header that a change has which was looked at; none where it would be refused."""
    shown = pool.post("/v1/admin/what-if", who, json=change)
    return {"Worldpool-What-If": shown.json()["token"]} if shown.is_success else {}


def submit(pool: Pool, client: httpx.AsyncClient) -> str:
    """A run of many items; where it is."""
    answer = pool.post("/v1/runs", client, json={"refs": [REF], "steps_per_env": 3_000_000, "seed": 1})
    assert answer.status_code == 202
    return f"/v1/runs/{answer.json()['id']}"


def test_a_limit_is_set_and_shown_and_taken_away_again(pool: Pool) -> None:
    limits = {"borrowing_limit_mc": 1000, "lending_limit_mc": 0, "max_loan_ms": 60_000}
    changed = edit(pool, "demo", limits)
    assert changed.status_code == 200
    assert changed.json().items() >= limits.items()
    assert (
        edit(pool, "demo", {"lending_limit_mc": None}).json().items() >= (limits | {"lending_limit_mc": None}).items()
    )
    last = pool.get("/v1/admin/audit", pool.operator).json()["items"][0]
    assert (last["action"], last["change"]) == ("quota.edit", {"lending_limit_mc": [0, None]})


@pytest.mark.parametrize(
    ("name", "change", "field"),
    [
        ("demo", {"borrowing_limit_mc": -1}, "body.borrowing_limit_mc"),
        ("demo", {"max_loan_ms": 0.5}, "body.max_loan_ms"),
        ("demo", {"weight": None}, "body.weight"),
        ("demo", {"state": None}, "body.state"),
        ("demo", {"nominal_mc": 1000}, "body.nominal_mc"),
        ("commitment", {"lending_limit_mc": 0}, "body.lending_limit_mc"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused_and_changes_nothing(
    pool: Pool, name: str, change: dict[str, Any], field: str
) -> None:
    before = quota(pool, name)
    answer = edit(pool, name, change)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert quota(pool, name) == before


@pytest.mark.parametrize(
    ("of", "change", "reason"),
    [
        ("demo", {"borrowing_limit_mc": 0}, "BORROWING_LIMIT"),
        ("demo", {"max_loan_ms": 1}, "LOAN_TOO_LONG"),
        ("rival", {"lending_limit_mc": 0}, "NOTHING_LENT"),
    ],
)
def test_beyond_its_nominal_a_cell_gets_what_the_limits_allow(
    pool: Pool,
    worker: HandWorker,  # noqa: F811
    of: str,
    change: dict[str, Any],
    reason: str,
) -> None:
    edit(pool, of, change)
    first, second = submit(pool, pool.cell), submit(pool, pool.cell)
    assert len(worker.grants()) == 1
    assert pool.get(first).json()["items_running"] == 1
    assert pool.get(second).json()["waiting"] == reason
    why = pool.get(f"{second}/explanation").json()
    assert (why["reason"], why["unit"] is not None) == (reason, True)
    assert why["node"] in {"demo", "commitment"}
    edit(pool, of, UNLIMITED)
    assert len(worker.grants()) == 1


def test_an_explanation_says_what_would_start_it_and_doing_that_does(
    pool: Pool,
    worker: HandWorker,  # noqa: F811
) -> None:
    edit(pool, "demo", {"borrowing_limit_mc": 300, "max_loan_ms": 1, "state": "hold"})
    run = submit(pool, pool.cell)
    assert worker.grants() == []
    held = pool.get(f"{run}/explanation").json()
    assert (held["reason"], held["node"], held["ahead"]) == ("HELD", "demo", 0)
    assert [change["lever"] for change in held["changes"]] == ["RELEASE_HOLD"]
    edit(pool, "demo", {"state": "active"})
    assert len(worker.grants()) == 1
    found = pool.get(f"{run}/explanation").json()
    levers = {change["lever"]: change["amount"] for change in found["changes"]}
    assert levers.keys() == {"RAISE_MAX_LOAN", "RAISE_BORROWING_LIMIT"}
    assert levers["RAISE_BORROWING_LIMIT"] == 700
    edit(pool, "demo", {"borrowing_limit_mc": 300 + 700, "max_loan_ms": 1 + levers["RAISE_MAX_LOAN"]})
    assert len(worker.grants()) == 1


def test_an_explanation_tells_when_a_run_may_start_and_a_later_run_is_told_later(
    pool: Pool,
    worker: HandWorker,  # noqa: F811
) -> None:
    submit(pool, pool.cell)
    assert len(worker.grants()) == 2
    runs = [submit(pool, pool.cell) for _ in range(2)]
    told = [pool.get(f"{run}/explanation").json() for run in runs]
    assert {why["reason"] for why in told} == {"COMMITMENT_FULL"}
    now = datetime.now(UTC)
    starts = [[datetime.fromisoformat(why[name]) for name in ("start_p50", "start_p90")] for why in told]
    assert all(now < p50 < p90 < now + timedelta(days=1) for p50, p90 in starts)
    first, second = (p90 - p50 for p50, p90 in starts)
    assert second > 1.2 * first  # a part of the wait
    assert told[0]["ahead"] < told[1]["ahead"]
    edit(pool, "demo", {"state": "hold"})
    held = pool.get(f"{runs[0]}/explanation").json()
    assert (held["reason"], held["start_p50"], held["start_p90"]) == ("HELD", None, None)  # nobody knows until when


def test_what_waits_at_a_held_cell_is_not_waited_for(
    pool: Pool,
    worker: HandWorker,  # noqa: F811
    rival: httpx.AsyncClient,
) -> None:
    def told() -> timedelta:
        why = pool.get(f"{waits}/explanation").json()
        return datetime.fromisoformat(why["start_p50"]) - datetime.now(UTC)

    submit(pool, pool.cell)
    assert len(worker.grants()) == 2
    waits = submit(pool, pool.cell)
    alone = told()
    for _ in range(4):
        submit(pool, rival)
    assert told() > 1.5 * alone
    edit(pool, "rival", {"state": "hold"})
    assert told() < 1.2 * alone


def test_an_explanation_names_nothing_of_another_cell(
    pool: Pool,
    worker: HandWorker,  # noqa: F811
    rival: httpx.AsyncClient,
) -> None:
    run = submit(pool, pool.cell)
    wanted = submit(pool, rival)
    worker.grants()
    told = pool.get(f"{wanted}/explanation", rival)
    assert told.status_code == 200
    assert "demo" not in told.text
    assert run.removeprefix("/v1/runs/") not in told.text
    assert pool.get(f"{run}/explanation", rival).status_code == 404


def test_a_run_of_which_nothing_waits_is_explained_as_such(
    pool: Pool,
    worker: HandWorker,  # noqa: F811
) -> None:
    body = {"refs": [REF], "steps_per_env": 100, "max_parallel": 1}
    run = f"/v1/runs/{pool.post('/v1/runs', json=body).json()['id']}"
    assert pool.get(f"{run}/explanation").json()["reason"] is None
    worker.grants()
    assert pool.get(f"{run}/explanation").json()["reason"] is None
    narrow = pool.post("/v1/runs", json=body | {"steps_per_env": 3_000_000}).json()["id"]
    worker.grants()
    assert pool.get(f"/v1/runs/{narrow}/explanation").json()["reason"] == "MAX_PARALLEL"


def test_who_is_entitled_claims_what_is_lent_and_gets_the_next_that_comes_free(
    pool: Pool,
    worker: HandWorker,  # noqa: F811
    rival: httpx.AsyncClient,
) -> None:
    submit(pool, pool.cell)
    lent = worker.grants()
    assert len(lent) == 2
    wanted = submit(pool, rival)
    assert worker.grants() == []
    assert pool.get(wanted, rival).json()["waiting"] == "COMMITMENT_FULL"
    (opened,) = claims(pool)
    assert (opened.mc, opened.closed_at) == (1000, None)
    worker.finish(lent[0], worker.claim(lent[0]))
    assert len(worker.grants()) == 1
    assert pool.get(wanted, rival).json()["items_running"] == 1
    (closed,) = claims(pool)
    assert closed.granted
    assert closed.closed_at is not None
    assert closed.closed_at >= closed.opened_at


@pytest.mark.parametrize("entitled", [True, False])
def test_only_what_an_owner_claims_is_reclaimed(pool: Pool, entitled: bool) -> None:
    before = {claim.id for claim in claims(pool)}

    async def claimed(session: AsyncSession) -> None:
        now = await clock.now(session)
        seen = await snapshot.read(session, now=now)
        lent = replace(seen, nodes=[replace(node, used_mc=node.nominal_mc + 1) for node in seen.nodes])
        claim = planning.Claim(planning.Shape(1000, 1, 1, 1), 1, entitled=entitled)
        leaf = next(node.id for node in seen.nodes if node.name == "demo")
        for wants in ({leaf: claim}, {}):
            decided = planning.Plan([], {}, {}, wants, [], cut=False, short=())
            await remember(session, decided, of=replace(lent, claimed=await open_since(session)), now=now)

    transact(pool, claimed)
    (opened,) = (claim for claim in claims(pool) if claim.id not in before)
    assert (opened.mc, opened.lent) == (1000, entitled)
    assert opened.closed_at is not None


def claims(pool: Pool) -> list[Claim]:
    return transact(pool, _claims)


async def _claims(session: Any) -> list[Claim]:
    found = list((await session.scalars(select(Claim).order_by(Claim.id))).all())
    session.expunge_all()
    return found
