"""What would follow from a change of quotas, of the commitment, or from a drain of workers: the change is carried out
by the very functions that would carry it out, the next plan is made, and all of it is rolled back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service import capacity, changes, departures, documents, fleet, quotas, roles, sites
from service.api import schemas
from service.edited_tree import Edit
from service.errors import Forbidden, Invalid, NotFound
from service.ids import show
from service.keys import Caller
from service.models import LIVE, Duty, Lease, LeaseState, Site, Worker, WorkerState, WorkItem
from service.scheduler import rounds
from service.scheduler.entitlement import Reason, Wait

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Standing:
    """What a node is entitled to and has."""

    nominal_mc: int
    used_mc: int

    @property
    def borrowed_mc(self) -> int:
        return max(self.used_mc - self.nominal_mc, 0)


@dataclass(frozen=True, slots=True)
class Turn:
    """How many items of a cell the next plan starts, why the one after those waits, and the node that blocks it."""

    starts: int
    reason: Reason | None
    node: str | None


IDLE = Turn(0, None, None)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What follows from the pool as it is. Nodes and cells by kind and name: ids of those that are made are not known
    beforehand."""

    limit_mc: int
    nodes: Mapping[tuple[str, str], Standing]
    turns: Mapping[str, Turn]
    recalled: Mapping[UUID, str]  # leases, with their cells


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A change as it would be: what it sets, and what follows before and after it."""

    edits: list[Edit]
    before: Outlook
    after: Outlook
    drained: schemas.Drained | None


async def ask(session: AsyncSession, caller: Caller, request: schemas.WhatIfAsk, *, now: datetime) -> schemas.WhatIf:
    """What would follow, of what the caller may see, and the token that binds the change to it. No row is changed.

    Raises
    ------
    Problem
        That with which the change itself would be refused.
    """
    if not (request.quotas or request.commitment or request.document or request.drain):
        raise Invalid("what if what?", errors=[("body", "give quotas, commitment, document or drain")])
    await roles.require_change(session, caller, roles.Act.READ, request)
    if request.drain is not None and roles.role(caller) is not roles.Role.OPERATOR:
        raise Forbidden("workers and sites are for operators to drain")
    await capacity.lock_root(session)
    expires = (now + changes.LIFE).replace(microsecond=0)
    token = await changes.token(session, request, expires=expires)
    tag = documents.digest(await quotas.document(session))
    found = await rehearse(session, request, by=caller.name, now=now, drain=request.drain)
    may_see = await _visible(session, caller)
    leases = await _leases(session)
    takes = [sentence for edit in found.edits for sentence in edit.takes]
    before, after = found.before, found.after
    return schemas.WhatIf(
        token=token,
        expires_at=expires,
        tag=f'"{tag}"',
        needed=bool(takes),
        takes=takes,
        edits=[line for edit in found.edits for line in edit.lines()],
        limit_before_mc=before.limit_mc,
        limit_after_mc=after.limit_mc,
        effective=[
            _effective(key, before.nodes.get(key), after.nodes.get(key), leases)
            for key in sorted(before.nodes.keys() | after.nodes.keys())
            if before.nodes.get(key) != after.nodes.get(key) and may_see(key)
        ],
        waits=[
            _wait(cell, before.turns.get(cell, IDLE), after.turns.get(cell, IDLE))
            for cell in sorted(before.turns.keys() | after.turns.keys())
            if before.turns.get(cell, IDLE) != after.turns.get(cell, IDLE) and may_see(("cell", cell))
        ],
        recalled=sorted(
            show("lease", id)
            for id, cell in after.recalled.items()
            if id not in before.recalled and may_see(("cell", cell))
        ),
        drained=found.drained,
    )


async def rehearse(
    session: AsyncSession,
    change: schemas.QuotaChange,
    *,
    by: str,
    now: datetime,
    drain: schemas.DrainPlan | None = None,
) -> Rehearsal:
    """Carry a change out and take it back. Holds the root's lock, so that nothing else happens meanwhile."""
    await capacity.lock_root(session)
    before = await look(session, now=now)
    rehearsal = await session.begin_nested()
    try:
        edits = await changes.apply(session, change, by=by, now=now)
        drained = await _drain(session, drain, now=now) if drain else None
        after = await look(session, now=now)
    finally:
        await rehearsal.rollback()
    return Rehearsal(edits, before, after, drained)


async def look(session: AsyncSession, *, now: datetime) -> Outlook:
    """What follows from the pool as it is."""
    seen, decided = await rounds.decide(session, now=now, reasons=True)
    nodes = await quotas.tree(session)
    names = {node.id: node.name for node in nodes}
    starts = Counter(grant.leaf for grant in decided.grants)
    return Outlook(
        seen.limit_mc,
        {(node.kind, node.name): Standing(node.nominal_mc, node.used_mc) for node in nodes},
        {
            names[leaf]: _turn(starts[leaf], decided.waits.get(leaf), names)
            for leaf in {item.leaf for item in seen.pending}
        },
        {loan.lease: names[loan.leaf] for loan in seen.loans if loan.lease in decided.recalls},
    )


def _turn(starts: int, wait: Wait | None, names: Mapping[UUID, str]) -> Turn:
    if wait is None:
        return Turn(starts, None, None)
    return Turn(starts, wait.reason, names[wait.node] if wait.node else None)


async def _visible(session: AsyncSession, caller: Caller) -> Callable[[tuple[str, str]], bool]:
    """Whether the caller may see a node, by kind and name: operators all, those too that are not there yet."""
    if roles.role(caller) is roles.Role.OPERATOR:
        return lambda key: True
    own = await roles.nodes(session, caller, roles.Act.SEE)
    return {(node.kind, node.name) for node in await quotas.tree(session) if node.id in own}.__contains__


async def _leases(session: AsyncSession) -> Counter[tuple[str, str]]:
    """Live leases below each node."""
    nodes = {node.id: node for node in await quotas.tree(session)}
    found: Counter[tuple[str, str]] = Counter()
    for leaf in await session.scalars(select(Lease.node_id).where(Lease.state != LeaseState.RELEASED)):
        node = nodes[leaf]
        found[node.kind, node.name] += 1
        while node.parent_id is not None:
            node = nodes[node.parent_id]
            found[node.kind, node.name] += 1
    return found


def _effective(
    key: tuple[str, str], before: Standing | None, after: Standing | None, leases: Counter[tuple[str, str]]
) -> schemas.EffectiveDifference:
    return schemas.EffectiveDifference(
        name=key[1],
        kind=key[0],
        nominal_before_mc=before.nominal_mc if before else None,
        nominal_after_mc=after.nominal_mc if after else None,
        borrowed_before_mc=before.borrowed_mc if before else 0,
        borrowed_after_mc=after.borrowed_mc if after else 0,
        leases=leases[key],
    )


def _wait(cell: str, before: Turn, after: Turn) -> schemas.WaitDifference:
    return schemas.WaitDifference(
        cell=cell,
        starts_before=before.starts,
        starts_after=after.starts,
        reason_before=before.reason,
        reason_after=after.reason,
        node_before=before.node,
        node_after=after.node,
    )


# --- drains


async def _drain(session: AsyncSession, plan: schemas.DrainPlan, *, now: datetime) -> schemas.Drained:
    """What operators would do to each of them; see `departures`."""
    sites, workers = await _sites(session, plan), await _workers(session, plan)
    of_sites = await session.scalars(
        select(Worker).where(Worker.site_id.in_([site.id for site in sites]), Worker.state.in_(LIVE))
    )
    leaving = {worker.id: worker for worker in (*workers, *of_sites)}
    rows = await session.execute(
        select(Lease.granted_at, WorkItem.max_ms)
        .join(WorkItem, WorkItem.id == Lease.item_id)
        .where(Lease.worker_id.in_(leaving), Lease.state != LeaseState.RELEASED)
    )
    ends = [granted_at + timedelta(milliseconds=max_ms) for granted_at, max_ms in rows]
    at = plan.departs_at
    for site in sites:
        await departures.ask_site(session, site, Duty.DRAINED, departs_at=at, now=now)
    for worker in workers:
        await departures.ask_worker(session, worker, Duty.DRAINED, departs_at=at, now=now)
    return schemas.Drained(
        workers=len(leaving),
        slots=sum(worker.slots for worker in leaving.values()),
        gone=sum(worker.state == WorkerState.DRAINED for worker in leaving.values()),
        leases=len(ends),
        ended_by=max(ends, default=None),
        outlasting=sum(at is not None and end > at for end in ends),
    )


async def _sites(session: AsyncSession, plan: schemas.DrainPlan) -> list[Site]:
    return [
        await _named(sites.find(session, name), f"body.drain.sites[{number}]")
        for number, name in enumerate(dict.fromkeys(plan.sites))
    ]


async def _workers(session: AsyncSession, plan: schemas.DrainPlan) -> list[Worker]:
    return [
        await _named(fleet.find(session, name), f"body.drain.workers[{number}]")
        for number, name in enumerate(dict.fromkeys(plan.workers))
    ]


async def _named(found: Awaitable[T], field: str) -> T:
    """What a body names: if it is not there, the field is wrong."""
    try:
        return await found
    except NotFound as problem:
        raise Invalid(problem.detail, errors=[(field, problem.detail)]) from None
