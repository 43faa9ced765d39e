"""Grants, claims, releases, expiries, workers that join, drain and vanish: any order of them, on real PostgreSQL.

The machine keeps its own account of what it was told and holds the database to the invariants after every step. Each
invariant is also seen to fail when the guard behind it is taken out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, TypeVar, cast
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from service import (
    accounts,
    bootstrap,
    capacity,
    cells,
    changes,
    claims,
    db,
    departures,
    edited_tree,
    fleet,
    items,
    leases,
    runs,
    sites,
    successors,
    windows,
)
from service.api import schemas
from service.embedded.postgres import EmbeddedPostgres
from service.errors import Problem
from service.ids import new_id, show
from service.models import (
    COUNTED,
    FINISHED,
    CapacityEpoch,
    Chunk,
    Commitment,
    Duty,
    Lease,
    LeaseState,
    Outbox,
    QuotaNode,
    Run,
    Site,
    UsageSegment,
    Webhook,
    WebhookDelivery,
    WindowAccount,
    Worker,
    WorkerState,
    WorkItem,
)
from service.scheduler import loop, rounds, snapshot
from service.scheduler import plan as planning
from service.scheduler.plan import Plan, Snapshot, plan
from service.webhooks import Event
from service.windows import Length, Part, window_of
from tests.conftest import create_database
from tests.service.rederive import derive
from tests.service.scheduler.scene import CHUNK
from tests.service.scheduler.test_plan import lineage, spare
from workers import contract

T = TypeVar("T")
FAST = settings(
    max_examples=20,
    stateful_step_count=40,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink such a history takes longer than to read it
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)

LIMITS = st.none() | st.integers(0, 3).map(lambda slots: slots * 1000)
FREE = {"state": "active", "borrowing_limit_mc": None, "lending_limit_mc": None, "max_loan_ms": None}
GROUPS = ("group", "other")
FREE |= {"window_budget_core_ms": None}
CHANGES = st.fixed_dictionaries(
    {
        "weight": st.integers(1, 5),
        "state": st.sampled_from(["active", "active", "hold", "hold_and_drain"]),
        "borrowing_limit_mc": LIMITS,
        "lending_limit_mc": LIMITS,
        "max_loan_ms": st.sampled_from([None, 5, 10]),
        "window_budget_core_ms": st.sampled_from([None, 0, 2000, 9000, 4_000_000]),
    }
)


COMMITMENTS = st.sampled_from(
    [{"numerator": 10}, {"numerator": 33}, {"min_slots": 1}, {"min_slots": 3}, *({"window": each} for each in Length)]
)


MEMORY = st.sampled_from([1, 1, 3000, 6000, 12_000])
"""Of items, in MB: several fit a worker, or one, or none."""
WORKER_MB, LARGE_WORKER_MB = 9999, 99_999


@dataclass(frozen=True)
class Share:
    """What of a pool is committed."""

    numerator: int
    denominator: int
    min_slots: int

    def of(self, capacity_mc: int) -> int:
        return max(self.numerator * capacity_mc // self.denominator, min(1000 * self.min_slots, capacity_mc))


@dataclass
class Debt:
    """More runs than is committed: which leases, since when, and for how long nobody kept deadlines meanwhile."""

    live: set[UUID]
    since: datetime
    unswept_s: float = 0


class Leases(RuleBasedStateMachine):
    postgres: EmbeddedPostgres
    template: str
    checked: frozenset[int] = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
    without_constraints: tuple[str, ...] = ()
    steps = 0

    @initialize(cells=st.integers(1, 3))
    def found(self, cells: int) -> None:
        self.runner = asyncio.Runner()
        self.engine = db.create_engine(self.postgres.url_of(create_database(self.postgres, self.template)), pool_size=2)
        self.sessions = db.sessions(self.engine)
        self.now = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
        self.lengths = [(self.now, Length.HOUR)]
        self.paid_from: dict[int, set[UUID]] = {}
        self.messages: list[contract.Grant] = []
        self.claims: list[tuple[contract.Claim, contract.Item]] = []
        self.releases: list[leases.Ending] = []
        self.terminal: dict[UUID, tuple[str | None, datetime | None]] = {}
        self.fences: dict[UUID, int] = {}
        self.stale: tuple[Plan, Snapshot] | None = None
        self.pool: dict[UUID, Worker] = {}
        self.share: Share | None = None
        self.debt: Debt | None = None
        self.swept = False
        self.do(self._found, cells)

    async def _found(self, session: AsyncSession, count: int) -> None:
        for statement in self.without_constraints:
            await session.execute(text(statement))
        await bootstrap.plant(session)
        self.site = await sites.create(session, name="here", redis_url="redis://x", store_url="file:///x")
        self.cells = [(await cells.create(session, name=f"cell-{i}")).id for i in range(count)]
        root = await session.scalar(select(QuotaNode.id).where(QuotaNode.kind == "root"))
        group, other = (QuotaNode(parent_id=root, name=name, kind="group") for name in GROUPS)
        session.add_all([group, other])
        await session.flush()
        grouped = update(QuotaNode).where(QuotaNode.cell_id.in_(self.cells[1:])).values(parent_id=group.id)
        await session.execute(grouped)
        await session.execute(delete(WindowAccount))  # what came before was at another clock's time
        unopened = {"window_starts_at": None, "window_ends_at": None, "accrued_at": None}
        await session.execute(update(Commitment).values(window="hour", **unopened))
        told = Webhook(node_id=root, url="https://x", events=list(Event), secret=b"", created_by="key")
        session.add(told)
        await capacity.divide(session, now=self.now)

    def do(self, work: Callable[..., Awaitable[T]], *arguments: Any, **named: Any) -> T:
        """Run `work` in one transaction."""

        async def transaction() -> T:
            async with self.sessions.begin() as session:
                return await work(session, *arguments, **named)

        return self.runner.run(transaction())

    def claimed(self, lease_id: UUID, claim: contract.Claim) -> contract.Item | None:
        """The answer to a claim; None where it is refused."""
        try:
            return self.do(leases.claim, lease_id, claim, site_id=self.site.id, now=self.now)
        except Problem:
            return None

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        if self.debt:
            self.debt.unswept_s += seconds

    # --- what happens

    @rule(cell=st.integers(0, 2), count=st.integers(1, 12), memory_mb=MEMORY, max_ms=st.sampled_from([4, 9, 9, 20]))
    def submit(self, cell: int, count: int, memory_mb: int = 1, max_ms: int = 9) -> None:
        self.do(self._submit, self.cells[cell % len(self.cells)], count, memory_mb=memory_mb, max_ms=max_ms)

    async def _submit(self, session: AsyncSession, cell: UUID, count: int, *, memory_mb: int, max_ms: int) -> None:
        run = Run(
            id=new_id(), cell_id=cell, environments=1, policies=["random"], steps_per_env=1, seeds=[0], labels={},
            items_total=count, steps_expected=count,
        )  # fmt: skip
        session.add(run)
        await session.flush()
        node = await session.scalar(select(QuotaNode.id).where(QuotaNode.cell_id == cell))
        values = {
            "node_id": node,
            "memory_mb": memory_mb,
            "estimate_ms": 2000,
            "max_ms": max_ms,
            "specs": [],
            "segments": [],
        }
        values |= {"policy": "random", "seed": 0}
        rows = [{"id": new_id(), "run_id": run.id, "ordinal": i, **values} for i in range(count)]
        await session.execute(insert(WorkItem), rows)

    @rule(slots=st.integers(1, 4), name=st.integers(0, 2), contributes=st.sampled_from([None, None, 3031, 20_000]))
    def join(self, slots: int, name: int, contributes: int | None = None, memory_mb: int = WORKER_MB) -> None:
        """A worker comes, or comes again: the incarnation before it is lost at that moment."""
        request = contract.Registration(
            name=f"w{name}",
            incarnation=uuid4(),
            slots=slots,
            memory_mb=memory_mb,
            runtime="r",
            contributes_mc=contributes,
        )
        worker = self.do(fleet.register, self.site, request, now=self.now)
        for _ in range(departures.DWELL_HEARTBEATS):
            self.do(
                fleet.heartbeat, self.site, worker.id, contract.Heartbeat(incarnation=request.incarnation), now=self.now
            )

    @rule(which=st.integers(0, 9), change=CHANGES)
    def edit_a_quota(self, which: int, change: dict[str, Any]) -> None:
        self.do(self._edit, which, change)

    async def _edit(self, session: AsyncSession, which: int, change: dict[str, Any]) -> None:
        found = await self._quotas(session)
        await self._change(session, {found[which % len(found)]: change})

    async def _free(self, session: AsyncSession) -> None:
        """Take back all that was edited of quotas."""
        await self._change(session, dict.fromkeys(await self._quotas(session), FREE))

    async def _quotas(self, session: AsyncSession) -> Sequence[UUID]:
        return (
            await session.scalars(select(QuotaNode.id).where(QuotaNode.kind != "root").order_by(QuotaNode.id))
        ).all()

    async def _change(self, session: AsyncSession, edits: Mapping[UUID, dict[str, Any]]) -> None:
        wanted = [{"quota": show("quota", node), **change} for node, change in edits.items()]
        request = schemas.QuotaChange.model_validate({"quotas": wanted})
        await changes.apply(session, request, by="an operator", now=self.now)

    @rule(cell=st.integers(0, 2), where=st.sampled_from(["commitment", *GROUPS]))
    def move_a_cell(self, cell: int, where: str) -> None:
        """With whatever runs of it."""
        self.do(self._move, self.cells[cell % len(self.cells)], where)

    @rule(below=st.booleans())
    def move_a_group(self, below: bool) -> None:
        """One group below the other, or beside it again."""
        self.do(self._move, None, GROUPS[0] if below else "commitment")

    async def _move(self, session: AsyncSession, cell: UUID | None, where: str) -> None:
        which = QuotaNode.cell_id == cell if cell else QuotaNode.name == GROUPS[1]
        id = (await session.scalars(select(QuotaNode.id).where(which))).one()
        await self._change(session, {id: {"parent": where}})

    @rule(which=st.integers(0, 9))
    def drain(self, which: int) -> None:
        if live := self.do(fleet.live):
            worker = live[which % len(live)]
            message = contract.Heartbeat(incarnation=worker.incarnation, draining=True)
            self.do(fleet.heartbeat, self.site, worker.id, message, now=self.now)

    @rule(which=st.integers(0, 9))
    def beat(self, which: int) -> None:
        if live := self.do(fleet.live):
            worker = live[which % len(live)]
            reply = self.do(
                fleet.heartbeat,
                self.site,
                worker.id,
                contract.Heartbeat(incarnation=worker.incarnation),
                now=self.now,
            )
            assert reply.departed <= worker.leaving, "a worker that did not ask is sent away"

    @rule(which=st.integers(0, 9), duty=st.sampled_from(Duty), departs_in=st.none() | st.integers(1, 30))
    def ask_a_worker(self, which: int, duty: Duty, departs_in: int | None = None) -> None:
        """An operator cordons or drains a worker, or lets it work again."""
        if live := self.do(fleet.live):
            departs_at = self.now + timedelta(seconds=departs_in) if departs_in and duty == Duty.DRAINED else None
            self.do(self._ask_worker, live[which % len(live)].id, duty, departs_at)

    async def _ask_worker(self, session: AsyncSession, id: UUID, duty: Duty, departs_at: datetime | None) -> None:
        worker = await _get(session, Worker, id)
        await departures.ask_worker(session, worker, duty, departs_at=departs_at, now=self.now)

    @rule(duty=st.sampled_from(Duty))
    def ask_the_site(self, duty: Duty) -> None:
        self.do(self._ask_site, duty)

    async def _ask_site(self, session: AsyncSession, duty: Duty) -> None:
        await departures.ask_site(session, await _get(session, Site, self.site.id), duty, now=self.now)

    @rule(change=COMMITMENTS)
    def edit_the_commitment(self, change: dict[str, Any]) -> None:
        self.do(self._edit_commitment, change)

    async def _edit_commitment(self, session: AsyncSession, change: dict[str, Any]) -> None:
        until = {"min_slots_until": self.now + timedelta(seconds=9)} if "min_slots" in change else {}
        wanted = schemas.QuotaChange(commitment=schemas.CommitmentPatch.model_validate(change | until))
        for edit in await changes.apply(session, wanted, by="an operator", now=self.now):
            if "window" in edit.changed:
                self.lengths.append((self.now, change["window"]))

    @rule(which=st.integers(0, 9))
    def leave(self, which: int) -> None:
        if live := self.do(fleet.live):
            self.do(fleet.leave, self.site, live[which % len(live)].id, now=self.now)

    @rule(fresh=st.booleans())
    def grant(self, fresh: bool) -> None:
        """Plan and grant; or grant what was planned from an older snapshot, as a second leader might."""
        try:
            self.do(self._grant, fresh)
        except leases.StaleGrant:
            self.stale = None

    async def _grant(self, session: AsyncSession, fresh: bool) -> None:
        await capacity.lock_root(session)
        await accounts.open_window(session, await capacity.commitment(session), now=self.now)
        seen, decided = await rounds.decide(session, now=self.now)
        whole = plan(await snapshot.read(session, now=self.now, most=10_000))
        assert decided.grants == whole.grants, "19: a plan of few items of each cell is not that of all"
        await claims.remember(session, decided, of=seen, now=self.now)
        if not fresh and self.stale:
            decided, seen = self.stale
        self.stale = (decided, seen)
        if not decided.grants:
            return
        before = set((await session.scalars(select(Lease.id))).all())
        messages = await leases.grant(session, decided, of=seen, now=self.now)
        self.messages += [contract.Grant(**message.body) for message in messages]
        await self._check_grant(session, before)

    async def _check_grant(self, session: AsyncSession, before: set[UUID]) -> None:
        row = (await session.execute(select(Commitment))).scalar_one()
        used = await session.scalar(select(QuotaNode.used_mc).where(QuotaNode.kind == "root"))
        new = (await session.execute(select(Lease).where(Lease.id.not_in(before)))).scalars().all()
        if 1 in self.checked:
            assert used is not None
            assert used <= row.limit_mc, "1: in use above the commitment at a grant"
            assert {lease.epoch for lease in new} <= {row.epoch}, "1: granted at an old epoch"
        for lease in new:
            if 7 in self.checked:
                assert lease.fence > self.fences.get(lease.item_id, 0), "7: a fence did not increase"
            self.fences[lease.item_id] = lease.fence
            worker, site = await _get(session, Worker, lease.worker_id), await _get(session, Site, self.site.id)
            assert (worker.state, worker.duty, site.state) == ("active",) * 3, "granted to a worker that is cordoned"
        if 3 in self.checked:
            nodes = (await snapshot.read(session, now=self.now)).nodes
            for node in (node for lease in new for node in lineage(nodes, lease.node_id)):
                limit = 0 if node.parent is None else node.borrowing_limit_mc
                assert limit is None or spare(nodes, node.id) >= -limit, "3: beyond a borrowing limit after a grant"
        if 12 in self.checked:
            await self._check_budgets(session, {lease.node_id for lease in new})

    async def _check_budgets(self, session: AsyncSession, leaves: set[UUID]) -> None:
        nodes = (await session.execute(select(QuotaNode).execution_options(populate_existing=True))).scalars().all()
        live = (await session.execute(select(Lease).where(Lease.state != LeaseState.RELEASED))).scalars().all()
        segments = (await session.execute(select(UsageSegment))).scalars().all()
        self._note_budgets(nodes, segments)
        found = (await session.execute(select(WindowAccount))).scalars().all()
        open_ = {each.node_id: each for each in found if each.starts_at <= self.now < each.ends_at}
        above = {leaf: _ancestry(nodes, node) for leaf in leaves for node in nodes if node.id == leaf}
        for node in (node for node in nodes if node.id in set().union(*above.values())):
            if node.window_budget_core_ms is None:
                continue
            below = {each.id for each in nodes if node.id in _ancestry(nodes, each)}
            reserved = sum(lease.estimate_ms * lease.mc // 1000 for lease in live if lease.node_id in below)
            account = open_[node.id]
            settled = sum(
                segment.core_ms
                for segment in segments
                if node.id in self.paid_from[segment.id]
                and segment.payer == "cell"
                and account.starts_at <= segment.started_at < account.ends_at
            )
            used = account.debt_core_ms + settled + reserved
            assert used <= node.window_budget_core_ms, "12: beyond a window's budget after a grant"

    @rule(which=st.integers(0, 99))
    def claim(self, which: int) -> None:
        """Deliver a message, for another attempt each time: the first may start the lease, no later one may."""
        if not self.messages:
            return
        message = self.messages[which % len(self.messages)]
        lease = self.do(_get, Lease, message.lease_id)
        claim = contract.Claim(worker_id=lease.worker_id, fence=message.fence, attempt=uuid4())
        startable = lease.state == LeaseState.GRANTED
        item = self.claimed(lease.id, claim)
        if 8 in self.checked:
            assert (item is not None) == startable, "8: a message that was delivered again did something"
        if item is not None:
            self.claims.append((claim, item))

    @rule(which=st.integers(0, 99), seconds=st.integers(0, 4))
    def claim_again(self, which: int, seconds: int) -> None:
        """The answer to a claim was lost and it comes again: answered alike while the lease lives, nothing changes."""
        if not self.claims:
            return
        claim, item = self.claims[which % len(self.claims)]
        live = self.do(_get, Lease, item.lease_id).state != LeaseState.RELEASED
        before = self.do(_dump)
        self.pass_time(seconds)
        again = self.claimed(item.lease_id, claim)
        if 8 in self.checked:
            assert again == (item if live else None), "8: a claim that came again was answered otherwise"
            assert self.do(_dump) == before, "8: a claim that came again changed something"

    @rule(
        which=st.integers(0, 99), outcome=st.sampled_from(["done", "failed", "lost", "abandoned"]), wrong=st.booleans()
    )
    def release(self, which: int, outcome: str, wrong: bool) -> None:
        """A worker ends a lease that it claimed, perhaps with a wrong fence, perhaps too late."""
        if not self.claims:
            return
        claim, item = self.claims[which % len(self.claims)]
        ending = leases.Ending(
            lease_id=item.lease_id,
            outcome=leases.Outcome(outcome),
            fence=claim.fence + wrong,
            chunk=CHUNK if outcome == "done" else None,
        )
        live = self.do(_get, Lease, item.lease_id).state != LeaseState.RELEASED
        (accepted,) = self.do(leases.end, [ending], now=self.now)
        if 7 in self.checked and (wrong or not live):
            repeat = ending in self.releases
            assert not accepted or repeat, "7: a result was accepted whose fence is not current or whose lease is over"
        if accepted:
            self.releases.append(ending)

    @rule(which=st.integers(0, 99), times=st.integers(1, 3))
    def release_again(self, which: int, times: int) -> None:
        """An accepted release arrives again, several times in one batch: accepted again, and nothing changes."""
        if not self.releases:
            return
        ending = self.releases[which % len(self.releases)]
        before = self.do(_dump)
        answers = self.do(leases.end, [ending] * times, now=self.now)
        if 8 in self.checked:
            assert answers == [True] * times, "8: a release that was accepted is refused when it comes again"
            assert self.do(_dump) == before, "8: a release that came again changed something"

    @rule(which=st.integers(0, 99), times=st.integers(1, 3))
    def release_and_go_on(self, which: int, times: int) -> None:
        """A worker releases a lease and takes the slot's next item with it; the answer is lost a few times."""
        if not self.claims:
            return
        claim, item = self.claims[which % len(self.claims)]
        ending = leases.Ending(lease_id=item.lease_id, outcome=leases.Outcome.DONE, fence=claim.fence, chunk=CHUNK)
        take = uuid4()
        following = self.do(self._go_on, ending, take)
        if following is None:
            return
        before = self.do(_dump)
        for _ in range(times):
            if 8 in self.checked:
                assert self.do(self._go_on, ending, take) == following, "8: another item was given the second time"
                assert self.do(_dump) == before, "8: a release that came again changed something"
        self.claims.append((claim.model_copy(update={"fence": following.fence, "attempt": take}), following))

    async def _go_on(self, session: AsyncSession, ending: leases.Ending, take: UUID) -> contract.Item | None:
        live = (await _get(session, Lease, ending.lease_id)).state != LeaseState.RELEASED
        before = set((await session.scalars(select(Lease.id))).all())
        (accepted,) = await leases.end(session, [ending], now=self.now, wake=False)
        if accepted and ending not in self.releases:
            self.releases.append(ending)
        if 7 in self.checked:
            assert not live or accepted, "7: a result was refused whose fence is current and whose lease is live"
        found = await successors.start(session, {ending.lease_id: take}, now=self.now) if accepted else {}
        await self._check_grant(session, before)
        told = [contract.Grant(**message.body) for message in (await session.scalars(select(Outbox))).all()]
        self.messages += [message for message in told if message not in self.messages]
        return found.get(ending.lease_id)

    @rule(seconds=st.sampled_from([1, 6, 20, 1801, 9001, 10**6]), accepting=st.booleans())
    def time_passes(self, seconds: int, accepting: bool) -> None:
        self.pass_time(seconds)
        if self.debt:
            self.debt.unswept_s -= seconds
        self.do(self._expire, accepting)
        self.swept = accepting

    async def _expire(self, session: AsyncSession, accepting: bool) -> None:
        await capacity.lock_root(session)
        await loop.keep_deadlines(session, now=self.now, accepting=accepting)

    @rule(which=st.integers(0, 9))
    def cancel(self, which: int) -> None:
        self.do(self._cancel, which)

    async def _cancel(self, session: AsyncSession, which: int) -> None:
        found = (await session.execute(select(Run).order_by(Run.id))).scalars().all()
        if found:
            await runs.cancel(session, found[which % len(found)], now=self.now)

    # --- what must hold

    @invariant()
    def invariants_hold(self) -> None:
        if hasattr(self, "sessions"):
            type(self).steps += 1
            self.do(self._check)
            self.swept = False

    async def _check(self, session: AsyncSession) -> None:
        await self._check_debt(session)
        nodes = (await session.execute(select(QuotaNode))).scalars().all()
        found = (await session.execute(select(Lease))).scalars().all()
        live = [lease for lease in found if lease.state != LeaseState.RELEASED]
        if 4 in self.checked:
            for node in nodes:
                below = {each.id for each in nodes if node.id in _ancestry(nodes, each)}
                held = sum(lease.mc for lease in live if lease.node_id in below)
                assert node.used_mc == held, "4: a counter differs from the live leases"
                estimates = sum(lease.estimate_ms * lease.mc // 1000 for lease in live if lease.node_id in below)
                assert node.reserved_core_ms == estimates, "4: a reserve differs from the estimates of the live leases"
        if 6 in self.checked:
            assert all(node.used_mc >= 0 for node in nodes), "6: a counter is negative"
        if 7 in self.checked:
            assert len({lease.item_id for lease in live}) == len(live), "7: two live leases of one item"
        for lease in found:
            if lease.state == LeaseState.RELEASED:
                ended = (lease.outcome, lease.released_at)
                if 5 in self.checked:
                    assert self.terminal.get(lease.id, ended) == ended, "5: a lease ended twice"
                self.terminal[lease.id] = ended
        if 5 in self.checked:
            firsts = select(func.count()).select_from(UsageSegment).join(Lease, Lease.id == UsageSegment.lease_id)
            settled = await session.scalar(firsts.where(UsageSegment.started_at == Lease.granted_at))
            assert settled == len(found) - len(live), "5: a lease was settled twice, or not"
        if 10 in self.checked:
            await self._check_segments(session, nodes, [lease for lease in found if lease not in live])
        if 11 in self.checked:
            await self._check_ceiling(session)
        if 12 in self.checked:
            await self._check_told(session)

    async def _check_segments(self, session: AsyncSession, nodes: Sequence[QuotaNode], over: Sequence[Lease]) -> None:
        query = select(UsageSegment).order_by(UsageSegment.lease_id, UsageSegment.started_at)
        segments = (await session.execute(query)).scalars().all()
        self._note_budgets(nodes, segments)
        found = (await session.execute(select(WindowAccount).order_by(WindowAccount.starts_at))).scalars().all()
        ends = {each.starts_at: each.ends_at for each in found}
        for lease in over:
            own = [segment for segment in segments if segment.lease_id == lease.id]
            edges = [lease.granted_at, *(segment.ended_at for segment in own)]
            assert own, "10: a lease has no segment"
            assert [segment.started_at for segment in own] == edges[:-1], "10: segments of a lease leave a gap"
            assert edges[-1] == lease.released_at, "10: segments do not cover their lease"
            for segment in own:
                starts_at = segment.window_starts_at
                assert starts_at <= segment.started_at, "10: a segment begins before its window"
                assert segment.ended_at <= ends[starts_at], "10: a segment goes on after its window"
                ms = (segment.ended_at - segment.started_at) // timedelta(milliseconds=1)
                assert segment.core_ms == ms * segment.mc // 1000, "10: a segment is not what it occupied"
        for node in nodes:
            below = {each.id for each in nodes if node.id in _ancestry(nodes, each)}
            paid = [segment for segment in segments if segment.node_id in below and segment.payer == "cell"]
            assert node.used_core_ms == sum(segment.core_ms for segment in paid), "10: leaves do not sum to the root"
            own_accounts = [each for each in found if each.node_id == node.id]
            for account in own_accounts:
                charged = (s for s in segments if s.payer == "cell" and node.id in self.paid_from[s.id])
                settled = sum(s.core_ms for s in charged if s.window_starts_at == account.starts_at)
                assert account.settled_core_ms == settled, "10: an account differs from its segments"
            self._check_debts(own_accounts)

    def _note_budgets(self, nodes: Sequence[QuotaNode], segments: Sequence[UsageSegment]) -> None:
        """A segment is paid from the budgets of what its cell was below when its lease ended; there it stays."""
        above = {node.id: _ancestry(nodes, node) for node in nodes}
        for segment in segments:
            self.paid_from.setdefault(segment.id, set(above[segment.node_id]))

    def _check_debts(self, own: Sequence[WindowAccount]) -> None:
        """What is beyond a window's budget, and nothing else, is owed in the next, through windows without accounts
        too."""
        owed = 0
        for account, after in pairwise([*own, None]):
            assert account is not None
            assert account.debt_core_ms == owed, "10: a debt is not what was left of it"
            if after is None:
                break
            assert account.ends_at <= after.starts_at, "10: windows overlap"
            budget = account.budget_core_ms
            idle = self._idle(account.ends_at, after.starts_at)
            for _ in range(1 + idle):
                owed = 0 if budget is None else max(0, owed + account.settled_core_ms - budget)
                account = WindowAccount(settled_core_ms=0)

    def _idle(self, since: datetime, until: datetime) -> int:
        """Windows without accounts in between, of the length that was set before they began."""
        length = [length for at, length in self.lengths if at < since][-1]
        count = 0
        while since < until:
            since = window_of(length, since).ends_at
            count += 1
        return count

    async def _check_told(self, session: AsyncSession) -> None:
        """Webhooks: of each window in which a budget was nearly spent, and spent, and once of each."""
        accounts = (await session.scalars(select(WindowAccount))).all()
        row = await capacity.commitment(session)
        for account in accounts:
            used, budget = account.debt_core_ms + account.settled_core_ms, account.budget_core_ms
            if account.starts_at == row.window_starts_at and budget is not None and used:
                assert used < 0.8 * budget or account.nearly_spent_at, "12: a budget is nearly spent, nobody is told"
                assert used < budget or account.spent_at, "12: a budget is spent, nobody is told"
        for event, count in (
            (Event.BUDGET_NEARLY_SPENT, sum(account.nearly_spent_at is not None for account in accounts)),
            (Event.BUDGET_SPENT, sum(account.spent_at is not None for account in accounts)),
        ):
            promised = select(func.count()).select_from(WebhookDelivery).where(WebhookDelivery.event == event)
            assert await session.scalar(promised) == count, "12: of a window's budget is told twice, or not"

    async def _check_ceiling(self, session: AsyncSession) -> None:
        epochs = [vars(epoch) for epoch in await session.scalars(select(CapacityEpoch).order_by(CapacityEpoch.epoch))]
        fell = any(after["limit_mc"] < before["limit_mc"] for before, after in pairwise(epochs))
        leases = (await session.scalars(select(Lease))).all()
        root = select(WindowAccount).join(QuotaNode, QuotaNode.id == WindowAccount.node_id)
        for account in await session.scalars(root.where(QuotaNode.kind == "root")):
            start, end = account.starts_at, max(min(account.ends_at, self.now), account.starts_at)
            spans = [(max(each.granted_at, start), min(each.released_at or end, end), each.mc) for each in leases]
            held = [{"started_at": a, "ended_at": b, "mc": mc, "core_ms": 0} for a, b, mc in spans if a < b]
            found = derive(held, epochs, start, end)
            assert fell or not found["overage_core_ms"], "11: in use beyond the limit, and no capacity was lost"
            limit = found["entitled_core_ms"] + found["overage_core_ms"]
            assert account.settled_core_ms <= limit, "11: more was settled than the commitment was"

    async def _check_debt(self, session: AsyncSession) -> None:
        """Follows what is lost without a plan, step by step; departures that were planned are no such loss."""
        row = await capacity.commitment(session)
        share = Share(row.numerator, row.denominator, row.min_slots)
        pool = {worker.id: worker for worker in (await session.scalars(select(Worker))).all()}
        session.expunge_all()
        lost = any(self._is_lost(before, pool[id]) for id, before in self.pool.items()) or (
            self.share is not None and share.of(row.capacity_mc) < self.share.of(row.capacity_mc)
        )
        self.pool, self.share = pool, share
        used = await session.scalar(select(QuotaNode.used_mc).where(QuotaNode.kind == "root"))
        live = set((await session.scalars(select(Lease.id).where(Lease.state != LeaseState.RELEASED))).all())
        if (used or 0) <= row.limit_mc:
            self.debt = None
            return
        if 2 in self.checked:
            assert lost or self.debt, "2: more in use than committed, and no capacity was lost"
            assert not self.debt or live <= self.debt.live, "2: granted in debt"
        if lost or self.debt is None:
            self.debt = Debt(live, self.now)
        self.debt.live = live
        # no heartbeat here names a lease: each ends one TTL after its claim, and is claimed soon or never
        longest = timedelta(seconds=contract.CLAIM_DEADLINE_S + contract.TTL_S + self.debt.unswept_s)
        if 2 in self.checked and self.swept:
            assert self.now - self.debt.since <= longest, "2: more in use than committed after all of it had to end"

    def _is_lost(self, before: Worker, now: Worker) -> bool:
        """Whether its capacity went without regard to what runs."""
        late = now.state == WorkerState.DRAINED and now.departs_at is not None and now.departs_at <= self.now
        return before.state in COUNTED and (late or now.state in (WorkerState.LOST, WorkerState.LEFT))

    def teardown(self) -> None:
        if not hasattr(self, "sessions"):
            return
        try:
            if 9 in self.checked:
                self._finish()
        finally:
            self.runner.run(self.engine.dispose())
            self.runner.close()

    def _finish(self) -> None:
        """Serve everything: each accepted item must end in exactly one of its terminal states."""
        self.pass_time(60)
        self.do(self._expire, True)
        self.ask_the_site(Duty.ACTIVE)
        self.edit_the_commitment({"numerator": 33})
        self.do(self._free)
        self.join(4, 0, memory_mb=LARGE_WORKER_MB)
        self.ask_a_worker(-1, Duty.ACTIVE)
        for _ in range(200):
            self.stale = None
            self.grant(fresh=True)
            waiting = self.do(_granted)
            if not waiting:
                break
            for lease in waiting:
                claim = contract.Claim(worker_id=lease.worker_id, fence=lease.fence, attempt=uuid4())
                self.do(leases.claim, lease.id, claim, site_id=self.site.id, now=self.now)
                ending = leases.Ending(lease_id=lease.id, outcome=leases.Outcome.DONE, fence=lease.fence, chunk=CHUNK)
                assert self.do(leases.end, [ending], now=self.now) == [True]
        self.do(self._check_finished)

    async def _check_finished(self, session: AsyncSession) -> None:
        for run in (await session.execute(select(Run))).scalars():
            states = (await session.scalars(select(WorkItem.state).where(WorkItem.run_id == run.id))).all()
            assert set(states) <= {"done", "failed", "cancelled"}, f"9: an item ended as {set(states)}"
            chunks = (await session.scalars(select(Chunk.seq).where(Chunk.run_id == run.id).order_by(Chunk.seq))).all()
            assert list(chunks) == list(range(1, states.count("done") + 1)), (
                "9: not one chunk for each item done, in order"
            )
            assert run.state in FINISHED, "9: all items ended, the run did not"
            assert run.items_done == states.count("done")


def _ancestry(nodes: Sequence[QuotaNode], node: QuotaNode) -> set[UUID]:
    """A node and those above it."""
    parents = {each.id: each.parent_id for each in nodes}
    found, id = set[UUID](), cast("UUID | None", node.id)
    while id is not None:
        found.add(id)
        id = parents[id]
    return found


async def _get(session: AsyncSession, table: type[T], id: UUID) -> T:
    return await session.get_one(table, id)


async def _granted(session: AsyncSession) -> list[Lease]:
    return list((await session.execute(select(Lease).where(Lease.state == LeaseState.GRANTED))).scalars())


async def _dump(session: AsyncSession) -> list[list[tuple[Any, ...]]]:
    """All that a message could change; decayed use is left out, which time changes by itself."""
    tables: list[Any] = [Lease, WorkItem, Run, Chunk, UsageSegment, WindowAccount, WebhookDelivery, Worker, Site]
    content = []
    for table in tables:
        key = table.__table__.primary_key.columns
        content.append([tuple(row) for row in await session.execute(select(*table.__table__.columns).order_by(*key))])
    counters = QuotaNode.used_mc, QuotaNode.reserved_core_ms, QuotaNode.used_core_ms
    nodes = select(QuotaNode.id, *counters).order_by(QuotaNode.id)
    return [*content, [tuple(row) for row in await session.execute(nodes)]]


@pytest.fixture
def machine(postgres: EmbeddedPostgres, migrated: str) -> Iterator[type[Leases]]:
    class Machine(Leases):
        pass

    Machine.postgres, Machine.template = postgres, migrated
    return Machine


def run(machine: type[Leases], steps: int) -> None:
    """Histories until what must hold was checked after so many steps in all."""
    while machine.steps < steps:
        run_state_machine_as_test(machine, settings=FAST)


def test_any_history_keeps_the_invariants(machine: type[Leases]) -> None:
    run(machine, 2000)


# --- each invariant fails when its guard is taken out


UNDER_LIMIT = "AND (n.parent_id IS NOT NULL OR (n.used_mc + v.mc <= :limit AND n.moves = :moves))"


def without_commitment_check(patch: pytest.MonkeyPatch) -> tuple[str, ...]:
    patch.setattr(planning.Tree, "refuses", lambda *_, **__: None)
    patch.setattr(planning.Tree, "closed", lambda *_: None)
    patch.setattr(planning.Tree, "room_mc", 10**9)
    patch.setattr(planning.Placement, "full", False)
    patch.setattr(
        leases,
        "_OCCUPY",
        _edited(leases._OCCUPY, UNDER_LIMIT, "AND :limit >= 0 AND :moves >= 0"),
    )
    patch.setattr(planning.Placement, "take", lambda placement, _: next(iter(placement._free)))
    return ()


def without_waiting_to_leave(patch: pytest.MonkeyPatch) -> tuple[str, ...]:
    async def may_go(*_: object) -> bool:
        return True

    patch.setattr(departures, "_may_go", may_go)
    return ()


def drained_while_others_use_it(m: Leases) -> None:
    """Of two workers one stands for nearly all of the pool, and little of it runs there."""
    m.join(1, 0, 20_000)
    m.join(4, 1, 3031)
    m.submit(0, 9)
    m.grant(fresh=True)
    m.invariants_hold()
    m.ask_a_worker(0, Duty.DRAINED)


def granted_in_debt(m: Leases) -> None:
    m.join(1, 0, 20_000)
    m.join(4, 1, 3031)
    m.submit(0, 3)
    m.grant(fresh=True)
    m.invariants_hold()
    m.leave(0)
    m.invariants_hold()
    m.submit(0, 3)
    m.grant(fresh=True)


def without_borrowing_limits(patch: pytest.MonkeyPatch) -> tuple[str, ...]:
    patch.setattr(planning.Tree, "refuses", lambda *_, **__: None)
    return ()


def beyond_its_nominal(m: Leases) -> None:
    for which in range(4):
        m.edit_a_quota(which, {"borrowing_limit_mc": 0})
    m.submit(0, 4)
    m.join(4, 0)
    m.grant(fresh=True)


def without_counting_out(patch: pytest.MonkeyPatch) -> tuple[str, ...]:
    patch.setattr(
        leases, "_VACATE", _edited(leases._VACATE, "used_mc = n.used_mc - v.mc", "used_mc = n.used_mc - 0 * v.mc")
    )
    return ()


def without_carrying_counters(patch: pytest.MonkeyPatch) -> tuple[str, ...]:
    patch.setattr(edited_tree.EditedTree, "_carry_counters", lambda _: None)
    return ()


def moved_while_it_runs(m: Leases) -> None:
    m.submit(0, 2)
    m.join(2, 0)
    m.grant(fresh=True)
    m.move_a_cell(0, "group")


def without_the_gate(patch: pytest.MonkeyPatch) -> tuple[str, ...]:
    patch.setattr(leases, "_GATE", _edited(leases._GATE, "AND l.state <> 'released'", ""))
    return (
        "ALTER TABLE chunk DROP CONSTRAINT uq_chunk_item_id",
        "ALTER TABLE quota_node DROP CONSTRAINT ck_quota_node_used_not_negative",
        "ALTER TABLE quota_node DROP CONSTRAINT ck_quota_node_reserved_not_negative",
    )


def without_taking_items_once(patch: pytest.MonkeyPatch) -> tuple[str, ...]:
    async def take(session: AsyncSession, grants: Any) -> dict[UUID, int]:
        rows = await session.execute(
            select(WorkItem.id, WorkItem.fence).where(WorkItem.id.in_([g.item for g in grants]))
        )
        return {id: fence + 1 for id, fence in rows}

    patch.setattr(leases, "_take_items", take)
    patch.setattr(leases, "_OCCUPY", _edited(leases._OCCUPY, UNDER_LIMIT, "AND :limit >= 0 AND :moves >= 0"))
    return ("DROP INDEX uq_lease_live",)


def attempts_are(attempt: Callable[[], UUID]) -> Callable[[pytest.MonkeyPatch], tuple[str, ...]]:
    """Claims no longer say whose they are."""

    def take_out(patch: pytest.MonkeyPatch) -> tuple[str, ...]:
        keep = leases.claim

        async def claim(session: AsyncSession, id: UUID, request: contract.Claim, **named: Any) -> contract.Item:
            return await keep(session, id, request.model_copy(update={"attempt": attempt()}), **named)

        patch.setattr(leases, "claim", claim)
        return ()

    return take_out


def without_queueing_again(patch: pytest.MonkeyPatch) -> tuple[str, ...]:
    keep = items._next_state
    patch.setattr(items, "_next_state", lambda run, e: "leased" if keep(run, e) == "queued" else keep(run, e))
    return ()


def without_looking_for_what_fits(patch: pytest.MonkeyPatch) -> tuple[str, ...]:
    patch.setattr(snapshot._Largest, "fits", lambda *_: True)
    return ()


def without_looking_deeper(patch: pytest.MonkeyPatch) -> tuple[str, ...]:
    patch.setattr(rounds, "plan", lambda *seen, **named: replace(plan(*seen, **named), short=()))
    return ()


def small_behind_many_that_fit_no_worker(m: Leases) -> None:
    m.join(4, 0, 20_000)
    m.submit(0, 300, memory_mb=LARGE_WORKER_MB)
    m.submit(0, 1)
    m.grant(fresh=True)
    m.cancel(0)


def more_starts_than_are_read_at_first(m: Leases) -> None:
    m.join(9, 0, 50_000)
    m.submit(0, 9)
    m.grant(fresh=True)


def too_many_grants(m: Leases) -> None:
    m.submit(0, 5)
    m.join(1, 0)
    m.grant(fresh=True)
    m.grant(fresh=True)


def gone_on_again(m: Leases) -> None:
    m.submit(0, 3)
    m.join(1, 0)
    m.grant(fresh=True)
    m.claim(0)
    m.release_and_go_on(0, 1)


def without_knowing_attempts(patch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Each time a release comes it takes one more item."""
    keep = successors.start

    async def start(session: AsyncSession, takes: dict[UUID, UUID], *, now: datetime) -> dict[UUID, contract.Item]:
        return await keep(session, {lease: uuid4() for lease in takes}, now=now)

    patch.setattr(successors, "start", start)
    return ()


def without_cutting_at_windows(patch: pytest.MonkeyPatch) -> tuple[str, ...]:
    patch.setattr(windows, "parts", lambda spans, start, end: [Part(spans[0], start, end)])
    return ()


def without_carrying_what_comes_late(patch: pytest.MonkeyPatch) -> tuple[str, ...]:
    patch.setattr(accounts, "_CARRY", text("SELECT 1"))
    return ()


def without_debts(patch: pytest.MonkeyPatch) -> tuple[str, ...]:
    patch.setattr(
        accounts, "_OPEN", _edited(accounts._OPEN, "greatest(0, a.debt_core_ms", "greatest(0, 0 * a.debt_core_ms")
    )
    return ()


def without_counting_windows_in_which_nothing_was(patch: pytest.MonkeyPatch) -> tuple[str, ...]:
    patch.setattr(accounts, "_OPEN", _edited(accounts._OPEN, "CAST(:windows AS numeric)", "sign(:windows)"))
    return ()


def without_counting_up_to_the_root(patch: pytest.MonkeyPatch) -> tuple[str, ...]:
    patch.setattr(accounts, "_SETTLE", _edited(accounts._SETTLE, "n.id = v.id", "n.id = v.id AND n.kind <> 'root'"))
    return ()


def across_windows(m: Leases) -> None:
    """A lease begins in one window and ends in the next, whose accounts are open by then."""
    m.edit_a_quota(1, {"window_budget_core_ms": 2000})
    m.submit(0, 2)
    m.pass_time(3590)
    m.join(1, 0)
    m.grant(fresh=True)
    m.claim(0)
    m.pass_time(20)
    m.edit_a_quota(1, {"weight": 2})
    m.release(0, "done", wrong=False)


def in_debt(m: Leases) -> None:
    """The debt of a window is larger than the budgets of some to come."""
    across_windows(m)
    m.pass_time(3 * 3600)
    m.edit_a_quota(1, {"weight": 1})


def beyond_its_budget(m: Leases) -> None:
    m.edit_a_quota(1, {"window_budget_core_ms": 3000})
    m.submit(0, 3)
    m.join(3, 0)
    m.grant(fresh=True)


def too_many_for_a_while(m: Leases) -> None:
    too_many_grants(m)
    m.pass_time(1)


def done(m: Leases) -> None:
    m.submit(0, 3)
    m.join(3, 0)
    m.grant(fresh=True)
    m.claim(0)
    m.release(0, "done", wrong=False)


def ended_twice(m: Leases) -> None:
    m.submit(0, 1)
    m.join(1, 0)
    m.grant(fresh=True)
    m.claim(0)
    m.release(0, "lost", wrong=False)
    m.invariants_hold()
    m.pass_time(1)
    m.release(0, "abandoned", wrong=False)


def granted_from_an_old_snapshot(m: Leases) -> None:
    m.submit(0, 1)
    m.join(2, 0)
    m.grant(fresh=True)
    m.grant(fresh=False)


def released_again(m: Leases) -> None:
    done(m)
    m.release_again(0, 2)


def claimed_again(m: Leases) -> None:
    delivered(m)
    m.claim_again(0, 1)


def delivered_again(m: Leases) -> None:
    delivered(m)
    m.claim(0)


def delivered(m: Leases) -> None:
    m.submit(0, 1)
    m.join(1, 0)
    m.grant(fresh=True)
    m.claim(0)


def lost(m: Leases) -> None:
    m.submit(0, 2)
    m.join(2, 0)
    m.grant(fresh=True)
    m.claim(0)
    m.release(0, "lost", wrong=False)


@pytest.mark.parametrize(
    ("number", "take_out", "history"),
    [
        (1, without_commitment_check, too_many_grants),
        (2, without_waiting_to_leave, drained_while_others_use_it),
        (2, without_commitment_check, granted_in_debt),
        (3, without_borrowing_limits, beyond_its_nominal),
        (4, without_counting_out, done),
        (4, without_carrying_counters, moved_while_it_runs),
        (5, without_the_gate, ended_twice),
        (6, without_the_gate, ended_twice),
        (7, without_taking_items_once, granted_from_an_old_snapshot),
        (8, without_the_gate, released_again),
        (8, attempts_are(uuid4), claimed_again),
        (8, attempts_are(lambda: UUID(int=0)), delivered_again),
        (8, without_knowing_attempts, gone_on_again),
        (9, without_queueing_again, lost),
        (10, without_cutting_at_windows, across_windows),
        (10, without_carrying_what_comes_late, across_windows),
        (10, without_counting_up_to_the_root, across_windows),
        (10, without_debts, in_debt),
        (10, without_counting_windows_in_which_nothing_was, in_debt),
        (11, without_commitment_check, too_many_for_a_while),
        (12, without_borrowing_limits, beyond_its_budget),
        (19, without_looking_for_what_fits, small_behind_many_that_fit_no_worker),
        (19, without_looking_deeper, more_starts_than_are_read_at_first),
    ],
)
def test_an_invariant_fails_without_its_guard_and_holds_with_it(
    machine: type[Leases],
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    take_out: Callable[[pytest.MonkeyPatch], tuple[str, ...]],
    history: Callable[[Leases], None],
) -> None:
    replay(machine, history)
    machine.checked = frozenset({number})
    machine.without_constraints = take_out(monkeypatch)
    with pytest.raises(AssertionError, match=rf"^{number}: "):
        replay(machine, history)


def test_a_budget_that_is_edited_holds_from_the_open_window_on(machine: type[Leases]) -> None:
    """The window that it was spent in is over, but no transaction has noticed yet: its debt stays."""
    m = machine()
    m.found(cells=1)
    m.checked = frozenset({10})
    m.edit_a_quota(1, {"window_budget_core_ms": 2000})
    delivered(m)
    m.pass_time(10)
    m.release(0, "done", wrong=False)
    m.pass_time(3600)
    m.edit_a_quota(1, {"window_budget_core_ms": 50_000})
    accounts = m.do(_accounts)
    assert [(each.budget_core_ms, each.debt_core_ms) for each in accounts] == [(2000, 0), (50_000, 8000)]
    m.teardown()


def test_webhooks_are_told_of_a_budget_at_80_and_at_100_percent_once_in_each_window(machine: type[Leases]) -> None:
    m = machine()
    m.found(cells=1)
    m.edit_a_quota(1, {"window_budget_core_ms": 10_000})
    m.submit(0, 9)
    m.join(1, 0)

    def work(seconds: int) -> list[str]:
        m.grant(fresh=True)
        m.do(rounds.play, now=m.now)  # the next item is refused; what runs may yet give back of its estimate
        m.claim(-1)
        m.pass_time(seconds)
        m.release(-1, "done", wrong=False)
        m.invariants_hold()
        return m.do(_told)

    nearly, spent = "budget.nearly_spent", "budget.spent"
    assert work(7) == []
    assert work(1) == [nearly]
    assert work(1) == [nearly]
    m.do(rounds.play, now=m.now)
    assert m.do(_told) == [nearly, spent], "what is left, 1 s, holds no item"
    m.edit_a_quota(1, {"window_budget_core_ms": 12_000})
    assert work(3) == [nearly, spent], "each once, whatever is edited"
    m.pass_time(3600)
    assert work(22) == [nearly, spent] * 2, "at once, where one item takes more"
    m.pass_time(3600)
    m.do(_open_window, m.now)
    assert m.do(_told) == [nearly, spent] * 2 + [nearly], "10 s of 12 are a debt, which counts"
    m.edit_a_quota(1, {"window_budget_core_ms": 9_000})
    assert m.do(_told) == [nearly, spent] * 3, "an edit may make it too small"
    m.do(AsyncSession.execute, delete(WebhookDelivery))  # as months do, before the window ends
    m.edit_a_quota(1, {"window_budget_core_ms": 8_000})
    assert m.do(_told) == []
    m.teardown()


async def _open_window(session: AsyncSession, now: datetime) -> None:
    await accounts.open_window(session, await capacity.commitment(session), now=now)


async def _told(session: AsyncSession) -> list[str]:
    query = select(WebhookDelivery.event).order_by(WebhookDelivery.created_at, WebhookDelivery.event)
    return [*await session.scalars(query.where(WebhookDelivery.event.startswith("budget.")))]


async def _accounts(session: AsyncSession) -> list[WindowAccount]:
    query = select(WindowAccount).where(WindowAccount.budget_core_ms.is_not(None)).order_by(WindowAccount.starts_at)
    return list((await session.scalars(query)).all())


def replay(machine: type[Leases], history: Callable[[Leases], None]) -> None:
    m = machine()
    m.found(cells=2)
    try:
        history(m)
        m.invariants_hold()
    finally:
        m.teardown()


def _edited(statement: Any, old: str, new: str) -> Any:
    assert old in statement.text
    return text(statement.text.replace(old, new))
