"""Workers and sites that are cordoned, drained and brought back; debt, exceptions and cooldown. Workers are played by
hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import select, update

from service import clock, leases
from service.ids import show
from service.models import Claim, Commitment, Lease, LeaseState, Site, UsageSegment, Worker, WorkItem
from service.scheduler import loop
from tests.service.api.test_groups import transact
from tests.service.api.test_me import join
from tests.service.api.test_quotas import commit, quota
from tests.service.api.test_refusals import problem
from tests.service.api.test_runs import REF, HandWorker
from tests.service.conftest import Pool

HOUR = timedelta(hours=1)


class Host(HandWorker):
    """A worker of a name, perhaps one of several."""

    def __init__(self, pool: Pool, store: Path, name: str, size: dict[str, int]) -> None:
        self.pool, self.store, self.name, self.incarnation = pool, store, name, str(uuid4())
        request = {"name": name, "incarnation": self.incarnation, "slots": 1, "memory_mb": 9999, "runtime": "r"}
        self.id = self.call("workers", request | size)["worker_id"]
        self.beat()
        self.beat()

    def beat(self, *, leaving: bool = False) -> bool:
        """Whether it may go."""
        told = self.call(f"workers/{self.id}/heartbeat", {"incarnation": self.incarnation, "draining": leaving})
        departed: bool = told["departed"]
        return departed

    @property
    def shown(self) -> dict[str, Any]:
        found: dict[str, Any] = self.pool.get(
            f"/v1/admin/workers/{show('worker', UUID(self.id))}", self.pool.operator
        ).json()
        return found

    def running(self) -> int:
        found: int = self.shown["busy"]
        return found

    def finish_one(self) -> None:
        """End one of its leases with a chunk."""

        async def first(session: Any) -> dict[str, Any]:
            lease = await session.scalar(
                select(Lease).where(Lease.worker_id == UUID(self.id), Lease.state != LeaseState.RELEASED)
            )
            return {"lease_id": str(lease.id), "fence": lease.fence}

        grant = transact(self.pool, first)
        self.finish(grant, self.claim(grant))


Hosts = Callable[..., Host]


@pytest.fixture
def hosts(pool: Pool, tmp_path: Path) -> Iterator[Hosts]:
    transact(pool, lambda session: session.execute(update(Site).values(store_url=tmp_path.as_uri())))
    made: list[Host] = []

    def make(name: str, **size: int) -> Host:
        made.append(Host(pool, tmp_path, name, size))
        return made[-1]

    yield make
    for run in pool.get("/v1/runs").json()["items"]:
        pool.post(f"/v1/runs/{run['id']}:cancel")
    assert ask(pool, "sites/local", "uncordon").status_code == 200
    commit(pool, {"min_slots": 0, "cooldown_s": 0})
    for host in made:
        ask(pool, f"workers/{show('worker', UUID(host.id))}", "uncordon")
        host.call(f"workers/{host.id}/leave", {})


def ask(pool: Pool, path: str, verb: str, body: Any = None, client: httpx.AsyncClient | None = None) -> httpx.Response:
    return pool.post(f"/v1/admin/{path}:{verb}", client or pool.operator, json=body)


def commitment(pool: Pool) -> dict[str, Any]:
    found: dict[str, Any] = pool.get("/v1/admin/commitment", pool.operator).json()
    return found


def submit(pool: Pool, client: httpx.AsyncClient | None = None) -> str:
    """A run of many items; where it is."""
    answer = pool.post("/v1/runs", client, json={"refs": [REF], "steps_per_env": 3_000_000, "seed": 1})
    assert answer.status_code == 202
    return f"/v1/runs/{answer.json()['id']}"


def audited(pool: Pool) -> list[tuple[str, str, dict[str, Any]]]:
    """Newest first."""
    entries = pool.get("/v1/admin/audit", pool.operator).json()["items"]
    return [(entry["action"], entry["target"], entry["change"]) for entry in entries]


def sweep(pool: Pool) -> None:
    pool.runner.run(loop.sweep(pool.parts.sessions))


def soon(delta: timedelta = HOUR) -> str:
    return (datetime.now(UTC) + delta).isoformat()


# --- refusals


@pytest.mark.parametrize("path", ["workers/w", "sites/local"])
@pytest.mark.parametrize("verb", ["cordon", "uncordon", "drain"])
def test_only_operators_cordon_and_drain(pool: Pool, path: str, verb: str) -> None:
    problem(ask(pool, path, verb, client=pool.anonymous), 401)
    problem(ask(pool, path, verb, client=pool.cell), 403)
    problem(ask(pool, path, verb, client=pool.site), 403)


@pytest.mark.parametrize("path", ["workers/nobody", "workers/worker_1", "sites/nowhere"])
def test_what_is_not_there_is_not_found(pool: Pool, path: str) -> None:
    for verb in ("cordon", "uncordon", "drain"):
        problem(ask(pool, path, verb), 404)


@pytest.mark.parametrize("path", ["workers/w", "sites/local"])
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"departs_at": "2020-01-01T00:00:00Z"}, "body.departs_at"),
        ({"departs_at": "2999-01-01T00:00:00Z"}, "body.departs_at"),
        ({"departs_at": "0001-01-01T00:00:00+14:00"}, "body.departs_at"),
        ({"departs_at": "9999-12-31T23:59:59-14:00"}, "body.departs_at"),
        ({"departs_at": "2027-01-01T00:00:00"}, "body.departs_at"),
        ({"departs_at": "soon"}, "body.departs_at"),
        ({"when": None}, "body.when"),
    ],
)
def test_a_time_to_depart_that_makes_no_sense_changes_nothing(
    pool: Pool, hosts: Hosts, path: str, body: dict[str, Any], field: str
) -> None:
    host = hosts("w")
    before = host.shown, audited(pool)
    (error,) = problem(ask(pool, path, "drain", body), 422)["errors"]
    assert error["field"] == field
    assert (host.shown, audited(pool)) == before


def test_a_worker_that_is_gone_is_not_cordoned(pool: Pool, hosts: Hosts) -> None:
    host = hosts("w")
    host.call(f"workers/{host.id}/leave", {})
    problem(ask(pool, f"workers/{show('worker', UUID(host.id))}", "cordon"), 409)
    problem(ask(pool, "workers/w", "cordon"), 404)


# --- cordon


def test_a_cordoned_worker_starts_nothing_and_counts_until_it_is_uncordoned(pool: Pool, hosts: Hosts) -> None:
    idle, other = hosts("idle", slots=4), hosts("other", slots=1)
    before = commitment(pool)
    cordoned = ask(pool, "workers/idle", "cordon")
    assert (cordoned.status_code, cordoned.json()["cordoned"], cordoned.json()["state"]) == (200, True, "active")
    assert audited(pool)[0] == (
        "worker.cordon",
        show("worker", UUID(idle.id)),
        {"duty": ["active", "cordoned"], "departs_at": None},
    )
    ask(pool, "workers/idle", "cordon")
    submit(pool)
    other.grants()
    assert (idle.running(), other.running()) == (0, 1)
    assert commitment(pool)["limit_mc"] == before["limit_mc"] == 5000
    assert ask(pool, "workers/idle", "uncordon").json()["cordoned"] is False
    other.grants()
    assert (idle.running(), other.running()) == (4, 1)
    newest = [action for action, *_ in audited(pool)[:2]]
    assert newest == ["worker.uncordon", "worker.cordon"], "what changed nothing is there too"


def test_where_all_workers_are_cordoned_a_run_says_so_and_what_would_start_it(pool: Pool, hosts: Hosts) -> None:
    host = hosts("w")
    ask(pool, "workers/w", "cordon")
    run = submit(pool)
    assert host.grants() == []
    assert pool.get(run).json()["waiting"] == "WORKERS_CORDONED"
    why = pool.get(f"{run}/explanation").json()
    assert [change["lever"] for change in why["changes"]] == ["UNCORDON"]
    ask(pool, "workers/w", "uncordon")
    assert len(host.grants()) == 1


def test_a_cordon_of_a_site_holds_for_workers_that_come_later(pool: Pool, hosts: Hosts) -> None:
    first = hosts("first")
    assert ask(pool, "sites/local", "cordon").json()["state"] == "cordoned"
    assert audited(pool)[0][:2] == ("site.cordon", "local")
    later = hosts("later")
    submit(pool)
    assert first.grants() == []
    assert (first.shown["cordoned"], later.shown["cordoned"]) == (True, True)
    assert commitment(pool)["limit_mc"] == 2000
    ask(pool, "workers/first", "cordon")
    assert ask(pool, "sites/local", "uncordon").json()["state"] == "active"
    later.grants()
    assert (first.running(), later.running()) == (0, 1)


def test_a_cordon_holds_for_a_worker_that_was_restarted(pool: Pool, hosts: Hosts) -> None:
    before = hosts("w")
    ask(pool, "workers/w", "cordon")
    again = hosts("w")
    assert again.id != before.id
    assert (again.shown["state"], again.shown["cordoned"]) == ("active", True)
    submit(pool)
    assert again.grants() == []


# --- drain


def test_a_drained_worker_counts_until_what_runs_there_has_ended(pool: Pool, hosts: Hosts) -> None:
    host, other = hosts("w"), hosts("other")
    submit(pool)
    host.grants()
    epoch = commitment(pool)["epoch"]
    drained = ask(pool, "workers/w", "drain").json()
    assert (drained["state"], drained["cordoned"], drained["departs_at"]) == ("draining", True, None)
    host.beat()
    now = commitment(pool)
    assert (now["limit_mc"], now["grants_mc"], now["leaving_mc"], now["epoch"]) == (2000, 1000, 3031, epoch)
    host.finish_one()
    assert host.grants() == []
    assert host.beat() is False, "it did not ask to go: it stays, and may be brought back"
    assert host.shown["state"] == "drained"
    now = commitment(pool)
    assert (now["limit_mc"], now["grants_mc"], now["leaving_mc"], now["epoch"]) == (1000, 1000, 0, epoch + 1)
    assert ask(pool, "workers/w", "uncordon").json()["state"] == "active"
    assert commitment(pool)["limit_mc"] == 2000
    host.grants()
    assert (host.running(), other.running()) == (1, 1)


def test_a_planned_departure_waits_for_work_elsewhere_that_its_capacity_stands_for(pool: Pool, hosts: Hosts) -> None:
    large, busy = hosts("large", slots=1, contributes_mc=20_000), hosts("busy", slots=4, contributes_mc=3031)
    submit(pool)
    large.grants()
    assert (large.running(), busy.running()) == (1, 4)
    ask(pool, "workers/large", "drain")
    large.finish_one()
    for left in (4, 3, 2):
        large.beat()
        now = commitment(pool)
        assert (large.shown["state"], now["used_mc"], now["debt"]) == ("draining", 1000 * left, None)
        assert now["limit_mc"] >= now["used_mc"]
        busy.finish_one()
        assert busy.grants() == [], "what it takes with it was granted anew"
    large.beat()
    now = commitment(pool)
    assert (large.shown["state"], now["used_mc"], now["limit_mc"], now["debt"]) == ("drained", 1000, 1000, None)
    busy.finish_one()
    assert len(busy.grants()) == 1


def test_while_its_capacity_is_to_leave_a_run_waits_for_the_commitment_and_not_for_a_debt(
    pool: Pool, hosts: Hosts
) -> None:
    hosts("large", slots=1, contributes_mc=20_000)
    busy = hosts("busy", slots=4, contributes_mc=3031)
    submit(pool)
    busy.grants()
    ask(pool, "workers/large", "drain")
    run = submit(pool)
    assert pool.get(f"{run}/explanation").json()["reason"] == "COMMITMENT_FULL"


def test_a_worker_that_says_it_leaves_is_let_go_when_nothing_needs_it(pool: Pool, hosts: Hosts) -> None:
    host = hosts("w")
    submit(pool)
    host.grants()
    assert host.beat(leaving=True) is False
    assert host.beat() is False, "a heartbeat that comes late brings it back"
    assert (host.shown["state"], host.shown["cordoned"]) == ("draining", False)
    host.finish_one()
    assert host.beat(leaving=True) is True
    assert commitment(pool)["limit_mc"] == 0
    assert ask(pool, "workers/w", "uncordon").json()["state"] == "drained"


def test_a_worker_that_leaves_before_it_counted_never_does(pool: Pool, hosts: Hosts) -> None:
    host = hosts("w")
    epoch = commitment(pool)["epoch"]
    request = {"name": "new", "incarnation": str(uuid4()), "slots": 9}
    worker = host.call("workers", request | {"memory_mb": 9999, "runtime": "r"})["worker_id"]
    beat = {"incarnation": request["incarnation"], "draining": True}
    assert [host.call(f"workers/{worker}/heartbeat", beat)["departed"] for _ in range(3)] == [True] * 3
    assert commitment(pool)["epoch"] == epoch
    host.call(f"workers/{worker}/leave", {})


def test_at_its_time_a_worker_goes_whatever_it_runs(pool: Pool, hosts: Hosts) -> None:
    host, other = hosts("w"), hosts("other")
    run = submit(pool)
    host.grants()
    at = soon()
    assert datetime.fromisoformat(ask(pool, "workers/w", "drain", {"departs_at": at}).json()["departs_at"]) == (
        datetime.fromisoformat(at)
    )
    assert audited(pool)[0][2] == {"duty": ["active", "drained"], "departs_at": at}
    sweep(pool)
    assert (host.running(), other.running()) == (1, 1)
    transact(
        pool,
        lambda session: session.execute(
            update(Worker).where(Worker.id == UUID(host.id)).values(departs_at=datetime.now(UTC) + timedelta(seconds=3))
        ),
    )
    assert pool.runner.run(loop.next_deadline_s(pool.parts.sessions)) <= 3
    transact(
        pool,
        lambda session: session.execute(
            update(Worker).where(Worker.id == UUID(host.id)).values(departs_at=datetime.now(UTC))
        ),
    )
    sweep(pool)
    assert (host.running(), other.running(), host.shown["state"]) == (0, 1, "drained")
    assert commitment(pool)["limit_mc"] == 1000
    assert pool.get(run).json()["items_running"] == 1


def test_a_drained_site_takes_its_workers_with_it_and_those_that_come_later_never_count(
    pool: Pool, hosts: Hosts
) -> None:
    first = hosts("first")
    assert ask(pool, "sites/local", "drain").json()["state"] == "drained"
    later = hosts("later")
    assert (first.shown["state"], later.shown["state"], commitment(pool)["limit_mc"]) == ("drained", "drained", 0)
    run = submit(pool)
    assert pool.get(run).json()["waiting"] == "NO_WORKERS"
    ask(pool, "sites/local", "uncordon")
    assert (first.shown["state"], later.shown["state"], commitment(pool)["limit_mc"]) == ("active", "active", 2000)


# --- memory


def test_no_item_lands_where_its_memory_is_not_free_and_none_on_a_cordoned_worker_that_has_it(
    pool: Pool, hosts: Hosts
) -> None:
    large, small = hosts("large", slots=3, memory_mb=10_000), hosts("small", slots=3, memory_mb=5_000)
    run = submit(pool)
    transact(pool, lambda session: session.execute(update(WorkItem).values(memory_mb=6_000)))
    ask(pool, "workers/large", "cordon")
    assert large.grants() == []
    why = pool.get(f"{run}/explanation").json()
    assert (why["reason"], why["deficit"], why["unit"]) == ("NO_WORKER_LARGE_ENOUGH", 1_000, "MB")
    ask(pool, "workers/large", "uncordon")
    large.grants()
    assert (large.running(), small.running()) == (1, 0)
    why = pool.get(f"{run}/explanation").json()
    assert (why["reason"], why["deficit"], why["unit"]) == ("NO_FREE_MEMORY", 1_000, "MB")


# --- debt


def test_a_debt_is_shown_with_its_expected_end(pool: Pool, hosts: Hosts) -> None:
    large, busy = hosts("large", slots=1, contributes_mc=20_000), hosts("busy", slots=4, contributes_mc=3031)
    run = submit(pool)
    longer = {"max_ms": 3_600_000, "estimate_ms": 60_000 * (WorkItem.ordinal + 1)}
    transact(pool, lambda session: session.execute(update(WorkItem).values(**longer)))
    large.grants()
    assert commitment(pool)["debt"] is None
    large.call(f"workers/{large.id}/leave", {})
    debt = commitment(pool)["debt"]
    assert debt["mc"] == 3000
    ends = sorted(transact(pool, estimated_ends))
    assert len(ends) == 4
    assert datetime.fromisoformat(debt["expected_end"]) == ends[2], "three of four must end"
    assert debt["latest_end"] > debt["expected_end"]
    why = pool.get(f"{run}/explanation").json()
    assert (why["reason"], why["deficit"], why["expected_end"]) == ("CAPACITY_DEBT", 3000, debt["expected_end"])
    for _ in range(3):
        assert busy.grants() == []
        busy.finish_one()
    assert commitment(pool)["debt"] is None
    assert pool.get(f"{run}/explanation").json()["expected_end"] is None


async def live(session: Any) -> list[UUID]:
    return list(await session.scalars(select(Lease.id).where(Lease.state != LeaseState.RELEASED).order_by(Lease.id)))


async def estimated_ends(session: Any) -> list[datetime]:
    rows = await session.execute(select(Lease.granted_at, Lease.estimate_ms).where(Lease.state != LeaseState.RELEASED))
    return [at + timedelta(milliseconds=ms) for at, ms in rows]


# --- small pools


def test_a_pool_below_one_slot_says_which_size_it_needs(pool: Pool, hosts: Hosts) -> None:
    host = hosts("w", contributes_mc=3030)
    run = submit(pool)
    assert host.grants() == []
    why = pool.get(f"{run}/explanation").json()
    assert (why["reason"], why["deficit"], why["pool_needed_mc"]) == ("COMMITMENT_BELOW_ONE_SLOT", 1, 3031)
    hosts("one-more", contributes_mc=1)
    assert pool.get(f"{run}/explanation").json()["pool_needed_mc"] is None
    assert len(host.grants()) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"min_slots": 1}, "body.min_slots_until"),
        ({"min_slots_until": "2030-01-01T00:00:00Z"}, "body.min_slots_until"),
        ({"min_slots": 0, "min_slots_until": "2030-01-01T00:00:00Z"}, "body.min_slots_until"),
        ({"min_slots": 1, "min_slots_until": "2020-01-01T00:00:00Z"}, "body.min_slots_until"),
        ({"min_slots": 1, "min_slots_until": "9999-12-31T23:59:59-14:00"}, "body.min_slots_until"),
        ({"min_slots": 1, "min_slots_until": "2030-01-01T00:00:00"}, "body.min_slots_until"),
        ({"min_slots": -1}, "body.min_slots"),
        ({"cooldown_s": -1}, "body.cooldown_s"),
    ],
)
def test_an_exception_without_an_end_ahead_changes_nothing(pool: Pool, change: dict[str, Any], field: str) -> None:
    before = commitment(pool)
    (error,) = problem(commit(pool, change), 422)["errors"]
    assert error["field"] == field
    assert commitment(pool) == before


def test_an_exception_commits_slots_to_a_small_pool_until_its_end_and_is_shown_everywhere(
    pool: Pool, hosts: Hosts
) -> None:
    host = hosts("w", slots=4, contributes_mc=2500)
    submit(pool)
    assert host.grants() == []
    until = soon()
    begun = commit(pool, {"min_slots": 2, "min_slots_until": until})
    assert begun.status_code == 200
    shown = begun.json()["small_pool"]
    assert (shown["min_slots"], datetime.fromisoformat(shown["until"])) == (2, datetime.fromisoformat(until))
    action, _, change = audited(pool)[0]
    assert (action, change["min_slots"]) == ("commitment.edit", [0, 2])
    assert commitment(pool)["provenance"]["min_slots"]["by"] == shown["by"]
    assert pool.get("/v1/me").json()["small_pool"] == shown
    assert quota(pool, "demo")["small_pool"] == quota(pool, "commitment")["small_pool"] == shown
    assert len(host.grants()) == 2
    assert [epoch(pool)[name] for name in ("limit_mc", "min_slots")] == [2000, 2]
    assert shown["by"] in epoch(pool)["cause"]
    end(pool, soon(timedelta(seconds=4)))
    assert pool.runner.run(loop.next_deadline_s(pool.parts.sessions)) <= 4
    end(pool, soon(timedelta(0)))
    host.finish_one()
    host.finish_one()
    assert host.grants() == [], "granted after its end, before anybody swept"
    sweep(pool)
    assert [epoch(pool)[name] for name in ("limit_mc", "min_slots")] == [825, 0]
    assert commitment(pool)["small_pool"] is pool.get("/v1/me").json()["small_pool"] is None


def test_no_exception_commits_more_than_the_pool_has(pool: Pool, hosts: Hosts) -> None:
    hosts("w", slots=4, contributes_mc=2500)
    commit(pool, {"min_slots": 9, "min_slots_until": soon()})
    assert commitment(pool)["limit_mc"] == 2500
    assert commit(pool, {"min_slots": 0}).json()["limit_mc"] == 825


def epoch(pool: Pool) -> dict[str, Any]:
    """The newest."""
    found: dict[str, Any] = pool.get("/v1/admin/commitment/epochs", pool.operator).json()["items"][0]
    return found


def end(pool: Pool, at: str) -> None:
    until = datetime.fromisoformat(at)
    transact(pool, lambda session: session.execute(update(Commitment).values(min_slots_until=until)))


# --- cooldown and who pays


def test_after_a_reclaim_a_cell_lends_nothing_for_a_while(pool: Pool, hosts: Hosts) -> None:
    owner = pool.client(join(pool, "owner", 1))
    commit(pool, {"cooldown_s": 60})
    host = hosts("w", slots=2)
    borrowed = submit(pool)
    host.grants()
    assert host.running() == 2
    wanted = submit(pool, owner)
    host.grants()
    host.finish_one()
    host.grants()
    assert pool.get(wanted, owner).json()["items_running"] == 1
    pool.post(f"{wanted}:cancel", owner)
    assert host.running() == 1
    assert host.grants() == []
    why = pool.get(f"{borrowed}/explanation").json()
    assert (why["reason"], why["node"]) == ("NOTHING_LENT", "commitment")
    again = submit(pool, owner)
    assert len(host.grants()) == 1, "its own is there at once"
    pool.post(f"{again}:cancel", owner)
    assert host.grants() == []
    assert pool.runner.run(loop.next_deadline_s(pool.parts.sessions)) <= 60
    ago = datetime.now(UTC) - timedelta(seconds=60)
    transact(pool, lambda session: session.execute(update(Claim).values(closed_at=ago)))
    assert len(host.grants()) == 1


def test_what_is_recalled_the_pool_pays_and_the_item_waits_again(pool: Pool, hosts: Hosts) -> None:
    host = hosts("w")
    run = submit(pool)
    host.grants()
    before = pool.get("/v1/me").json()["used_core_ms"]
    (id,) = transact(pool, live)

    async def recall(session: Any) -> tuple[bool, str]:
        later = await clock.now(session) + timedelta(seconds=5)
        endings = [leases.Ending(lease_id=id, outcome=leases.Outcome.RECALLED)]
        (ended,) = await leases.end(session, endings, now=later)
        segment = await session.scalar(select(UsageSegment).where(UsageSegment.lease_id == id))
        assert segment.core_ms >= 5000
        return ended, segment.payer

    assert transact(pool, recall) == (True, "pool")
    assert pool.get("/v1/me").json()["used_core_ms"] == before
    assert pool.get(run).json()["items_failed"] == 0
    assert len(host.grants()) == 1
