"""Runs: requests for rollouts, cut into work items at submission, finished when every item is."""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import rfc8785
from sqlalchemy import Select, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from env_registry.splits import Carved
from service import (
    capacity,
    catalogue,
    db,
    fleet,
    keys,
    leases,
    policies,
    readers,
    retention,
    segments,
    splits,
    subsets,
    tables,
)
from service.api import schemas
from service.errors import Conflict, Forbidden, Invalid, NotFound
from service.ids import new_id, read, show
from service.keys import Caller
from service.models import FINISHED, Chunk, Commitment, Lease, LeaseState, QuotaNode, Run, Site, Split, WorkItem
from service.scheduler.entitlement import SLOT_MC
from service.scheduler.snapshot import held_back, reasons

MAX_ITEMS = 200_000
"""Work items of one run; at 4 s each nine days of one core."""

PICTURE = 600, 400
"""Pixels assumed of environments that draw in a size of their own; a PNG takes about a byte for each at most."""
PICTURE_US = 2000.0
"""Assumed of drawing and packing one."""

# --- submit


async def create(session: AsyncSession, caller: Caller, request: schemas.RunCreate) -> Run:
    """Queue a run: its row and all its items. Nothing is simulated here. The one that is there where the cell has one
    of this name and request.

    Raises
    ------
    Invalid
        An environment does not resolve, a policy is missing or does not fit, or the run is too large; names the field.
    Conflict
        The name is taken by another request.
    Holdout
        It would train on what the split in force holds out.
    BudgetExceeded
        It would look at holdouts more often than the cell may.
    """
    cell_id = caller.require_cell()
    if request.purpose == "evaluate":
        caller.require("evaluate")
    node = (await session.execute(select(QuotaNode).where(QuotaNode.cell_id == cell_id))).scalar_one()
    labels = await keys.labelled(session, caller, request.labels)
    subset_id, specs = await _specs(session, caller, request)
    field = "body.refs" if request.subset is None else "body.subset"
    chosen = await policies.documents(
        session,
        cell_id,
        request.all_policies,
        [ref for ref, _ in specs],
        field="body.policy" if request.policies is None else "body.policies",
    )
    content = _content(specs, request, chosen)
    known = await _named(session, cell_id, request.name, content)
    if known is not None:
        return known
    fitted = await tables.check(session, caller, (ref for ref, _ in specs), field=field)
    split = await splits.in_force(session, hold=True)
    admitted = await splits.admit(
        split, specs, purpose=request.purpose, holdout=request.holdout, fitted=fitted, field=field
    )
    specs = admitted.specs
    runtime = await fleet.runtime(session)
    if request.reuse and (same := await _same(session, cell_id, content, runtime, split)) is not None:
        return same
    row = (await session.execute(select(Commitment))).scalar_one()
    slots = max(row.limit_mc // SLOT_MC, 1)
    # seconds of work for a large run: not on the event loop
    expected, plans = await asyncio.to_thread(_cut, specs, request, chosen, slots)
    run = Run(
        id=new_id(),
        cell_id=cell_id,
        subset_id=subset_id,
        environments=len(specs),
        policies=request.all_policies,
        episodes=request.episodes,
        steps_per_env=request.steps_per_env,
        seeds=request.all_seeds,
        name=request.name,
        max_parallel=request.max_parallel,
        max_unread=request.max_unread,
        abandon_after_s=request.abandon_after_s,
        **retention.columns(request.retention),
        record=request.record.model_dump(),
        content_sha256=content,
        runtime=runtime,
        labels=labels,
        purpose=request.purpose,
        split=splits.ref(split) if split else None,
        held_out=admitted.counts,
        carved=[_show_carved(one) for one in admitted.carved],
        items_total=len(plans),
        steps_expected=expected,
    )
    session.add(run)
    await session.flush()
    await readers.found(session, run, request.groups)
    if split is not None:
        await splits.expose(session, caller, split, run, admitted)
    await session.execute(
        insert(WorkItem),
        [
            {
                "id": new_id(),
                "run_id": run.id,
                "node_id": node.id,
                "ordinal": ordinal,
                "memory_mb": item.memory_mb,
                "estimate_ms": max(int(item.estimate_ms), 1),
                "max_ms": item.max_ms,
                "policy": policy,
                "seed": seed,
                "batch": policies.batch(chosen[policy]),
                "specs": item.specs,
                "segments": item.segments,
            }
            for ordinal, (policy, seed, item) in enumerate(plans)
        ],
    )
    await session.refresh(run)
    await db.notify(session, db.SCHEDULE)
    return run


async def _named(session: AsyncSession, cell_id: UUID, name: str | None, content: bytes) -> Run | None:
    """The cell's run of the name, if it has one."""
    if name is None:
        return None
    # held until the end of the transaction, so that of two requests with a new name one sees the other's run
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"{cell_id} {name}"))))
    run = (await session.execute(select(Run).where(Run.cell_id == cell_id, Run.name == name))).scalar_one_or_none()
    if run is not None and run.content_sha256 != content:
        reason = f"names a run of other content: {show('run', run.id)}"
        raise Conflict(f"there is a run named {name}", errors=[("body.name", reason)])
    return run


def _content(
    specs: Sequence[tuple[str, str]], request: schemas.RunCreate, chosen: Mapping[str, policies.Document]
) -> bytes:
    """Identity of what a run simulates: equal on equal engines, bit for bit."""
    asked: list[Any] = [request.episodes, request.steps_per_env, request.all_seeds, request.purpose, request.holdout]
    asked.append(request.record.model_dump(exclude_defaults=True))  # so that a new field changes no content
    digest = hashlib.sha256(rfc8785.dumps([*asked, [policies.digest(document) for document in chosen.values()]]))
    for _, spec in specs:
        digest.update(bytes.fromhex(spec))
    return digest.digest()


async def _same(
    session: AsyncSession, cell_id: UUID, content: bytes, runtime: str | None, split: Split | None
) -> Run | None:
    """The cell's newest run of this content, runtime and split that has not failed and whose chunks stay."""
    query = select(Run).where(Run.cell_id == cell_id, Run.content_sha256 == content, Run.runtime == runtime)
    query = query.where(Run.split.is_not_distinct_from(splits.ref(split) if split else None))
    query = (
        query.where(Run.state.in_(("queued", "running", "succeeded")), Run.retention == "keep")
        .order_by(Run.id.desc())
        .limit(1)
    )
    return (await session.execute(query)).scalar_one_or_none()


def _show_carved(one: Carved) -> dict[str, Any]:
    return {"ref": one.ref, "parts": [{"ref": ref, "share": share} for ref, share in one.parts], "cut": one.cut}


def _cut(
    specs: list[tuple[str, str]],
    request: schemas.RunCreate,
    chosen: Mapping[str, policies.Document],
    slots: int,
) -> tuple[int, list[tuple[str, int, segments.ItemPlan]]]:
    """Steps that the run may take, and its work items, each with its policy and seed."""
    field = "body.episodes" if request.episodes is not None else "body.steps_per_env"
    times = len(request.all_seeds) * len(chosen)
    _check_steps(times * len(specs) * (request.steps_per_env or request.episodes or 0), field)
    costs = [_with_record(catalogue.cost(ref, digest), request.record) for ref, digest in specs]
    amount = {"episodes": request.episodes, "steps": request.steps_per_env}
    expected = times * segments.expected_steps(costs, **amount)
    _check_steps(expected, field)
    about = times * segments.estimate_items(costs, **amount, slots=slots)
    if about > MAX_ITEMS:
        reason = f"about {about:.3g} work items; one run takes at most {MAX_ITEMS}"
        raise Invalid("the run is too large", errors=[(field, reason)])
    sizes = {policies.batch(document) for document in chosen.values()}
    plans = {size: list(segments.items(costs, **amount, slots=slots, batch=size)) for size in sizes}
    return expected, [
        (name, seed, item)
        for seed in request.all_seeds
        for name, document in chosen.items()
        for item in plans[policies.batch(document)]
    ]


def _with_record(cost: segments.Cost, record: schemas.Record) -> segments.Cost:
    """What an environment costs where infos and pictures of it are recorded."""
    extra = 8 * len(record.infos)
    if record.pixels is None:
        return replace(cost, step_bytes=cost.step_bytes + extra) if extra else cost
    size = (record.pixels.width or PICTURE[0]) * (record.pixels.height or PICTURE[1])
    return replace(cost, step_bytes=cost.step_bytes + extra + size, step_us=cost.step_us + PICTURE_US)


def _check_steps(steps: int, field: str) -> None:
    if steps > schemas.MAX_STEPS:
        reason = f"{steps:.3g} steps over all environments; one run takes at most {schemas.MAX_STEPS:.0e}"
        raise Invalid("the run is too large", errors=[(field, reason)])


async def _specs(
    session: AsyncSession, caller: Caller, request: schemas.RunCreate
) -> tuple[UUID | None, list[tuple[str, str]]]:
    if request.subset is not None:
        try:
            subset = await subsets.get(session, caller, request.subset)
        except NotFound as problem:
            raise Invalid(problem.detail, errors=[("body.subset", problem.detail)]) from None
        return subset.id, await subsets.specs(session, subset)
    specs = [(spec.ref, spec.digest) for spec in catalogue.resolve_all(request.refs or [], field="body.refs")]
    return None, list(dict.fromkeys(specs))


# --- look


def owned(caller: Caller) -> Select[Run]:
    """Runs that the caller may see: its cell's; an operator sees all."""
    query = select(Run)
    return query.where(Run.cell_id == caller.cell_id) if caller.cell_id else query


async def get(session: AsyncSession, caller: Caller, run_id: str) -> Run:
    run = (
        await session.execute(
            owned(caller).where(Run.id == read("run", run_id)).execution_options(populate_existing=True)
        )
    ).scalar_one_or_none()
    if run is None:
        raise NotFound(f"there is no run {run_id}")
    return run


async def describe(session: AsyncSession, found: Sequence[Run]) -> list[schemas.Run]:
    """Runs as people see them, with what runs of them now and why nothing does."""
    ids = [run.id for run in found if run.state not in FINISHED]
    running: dict[UUID, int] = {}
    if ids:
        counts = await session.execute(
            select(WorkItem.run_id, func.count())
            .join(Lease, Lease.item_id == WorkItem.id)
            .where(WorkItem.run_id.in_(ids), Lease.state != LeaseState.RELEASED)
            .group_by(WorkItem.run_id)
        )
        running = dict(counts.all())
    idle = [run for run in found if run.id in ids and not running.get(run.id)]
    held = await held_back(session, [run.id for run in idle])
    waits = await reasons(session, {run.cell_id for run in idle if run.id not in held})
    return [_show(run, running.get(run.id, 0), held.get(run.id) or waits.get(run.cell_id)) for run in found]


def _show(run: Run, running: int, waiting: str | None) -> schemas.Run:
    return schemas.Run(
        id=show("run", run.id),
        state=run.state,
        subset=show("sub", run.subset_id) if run.subset_id else None,
        environments=run.environments,
        name=run.name,
        policies=run.policies,
        episodes=run.episodes,
        steps_per_env=run.steps_per_env,
        seeds=run.seeds,
        max_parallel=run.max_parallel,
        max_unread=run.max_unread,
        abandon_after_s=run.abandon_after_s,
        retention=retention.show(run),
        record=run.record,
        runtime=run.runtime,
        labels=run.labels,
        purpose=run.purpose,
        split=run.split,
        held_out=run.held_out,
        carved=run.carved,
        items_total=run.items_total,
        items_done=run.items_done,
        items_failed=run.items_failed,
        items_running=running,
        steps_expected=run.steps_expected,
        steps_done=run.steps_done,
        episodes_done=run.episodes_done,
        chunks=run.next_seq - 1,
        chunks_deleted=run.chunks_deleted,
        bytes=run.bytes,
        failure=run.failure,
        waiting=None if running or run.state in FINISHED else waiting,
        created_at=run.created_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
    )


def require_trajectories(caller: Caller, run: Run) -> None:
    """
    Raises
    ------
    Forbidden
        Of this run the caller may see scores only.
    """
    if run.purpose == "evaluate" and "trajectories" not in caller.scopes:
        raise Forbidden(
            "an evaluation gives scores (its summary, scores, report); for more this key lacks the scope trajectories"
        )


async def chunks_after(session: AsyncSession, run_id: UUID, seq: int, *, limit: int) -> Sequence[Chunk]:
    query = select(Chunk).where(Chunk.run_id == run_id, Chunk.seq > seq).order_by(Chunk.seq).limit(limit)
    return (await session.execute(query)).scalars().all()


def chunks(run: Run) -> Select[Chunk]:
    """Those that are there."""
    return select(Chunk).where(Chunk.run_id == run.id, Chunk.seq > run.chunks_deleted)


async def store_url(session: AsyncSession, chunk: Chunk) -> str:
    """Where the chunk's object lies."""
    return (await session.get_one(Site, chunk.site_id)).store_url


async def objects(session: AsyncSession, run: Run) -> dict[str, list[str]]:
    """Keys of all committed objects of the run, by the address of their store."""
    keys: defaultdict[str, list[str]] = defaultdict(list)
    kept = chunks(run).with_only_columns(Site.store_url, Chunk.object_key).join(Site, Site.id == Chunk.site_id)
    for url, key in await session.execute(kept):
        keys[url].append(key)
    return dict(keys)


async def chunk(session: AsyncSession, run: Run, seq: int) -> Chunk:
    found = await session.get(Chunk, (run.id, seq)) if 0 < seq < 2**63 else None
    if found is None:
        raise NotFound(f"{show('run', run.id)} has no chunk {seq}; it has {run.next_seq - 1}")
    retention.require_kept(run, seq)
    return found


def show_chunk(chunk: Chunk) -> schemas.Chunk:
    run = show("run", chunk.run_id)
    return schemas.Chunk(
        seq=chunk.seq,
        item=show("item", chunk.item_id),
        episodes=chunk.episodes,
        steps=chunk.steps,
        rows=chunk.rows,
        bytes=chunk.bytes,
        sha256=chunk.sha256,
        created_at=chunk.created_at,
        href=f"/v1/runs/{run}/chunks/{chunk.seq}",
    )


async def summary(session: AsyncSession, run: Run) -> list[dict[str, Any]]:
    """Episodes, steps and returns by spec, from the chunks committed so far."""
    rows = await session.execute(
        select(Chunk.summary, WorkItem.specs).join(WorkItem, WorkItem.id == Chunk.item_id).where(Chunk.run_id == run.id)
    )
    by_spec: dict[str, dict[str, Any]] = {}
    for parts, specs in rows:
        for part in parts:
            spec = specs[part["spec"]]
            total = by_spec.setdefault(
                spec["digest"], {**spec, "return_min": float("inf"), "return_max": float("-inf")}
            )
            for name in ("episodes", "steps", "returns", "return_sum", "wall_ms"):
                total[name] = total.get(name, 0) + part[name]
            total["return_min"] = min(total["return_min"], part["return_min"])
            total["return_max"] = max(total["return_max"], part["return_max"])
    for total in by_spec.values():
        total["return_mean"] = total.pop("return_sum") / max(total["returns"], 1)
        total.update(catalogue.place(total["ref"]))
    return sorted(by_spec.values(), key=lambda total: (total["domain"], total["ref"]))


# --- stop


async def cancel(session: AsyncSession, run: Run, *, now: datetime) -> None:
    """Stop a run: queued items never start, running ones are ended. What was committed stays. A finished run stays
    as it is."""
    await capacity.lock_root(session)
    await session.refresh(run)
    if run.state in FINISHED:
        return
    run.state, run.finished_at = "cancelled", now
    await session.flush()
    await session.execute(
        update(WorkItem).where(WorkItem.run_id == run.id, WorkItem.state == "queued").values(state="cancelled")
    )
    live = await session.scalars(
        select(Lease.id)
        .join(WorkItem, WorkItem.id == Lease.item_id)
        .where(WorkItem.run_id == run.id, Lease.state != LeaseState.RELEASED)
    )
    endings = [leases.Ending(lease_id=id, outcome=leases.Outcome.CANCELLED) for id in live.all()]
    if endings:
        await leases.end(session, endings, now=now)
    await db.notify(session, db.RUN, run.id.hex)
    await session.refresh(run)


async def remove(session: AsyncSession, run: Run) -> None:
    """Delete a finished run and its rows; its objects are deleted after the commit.

    Raises
    ------
    Conflict
        The run still runs.
    """
    if run.state not in FINISHED:
        raise Conflict(f"the run is {run.state}; cancel it first (POST /v1/runs/{show('run', run.id)}:cancel)")
    await session.execute(delete(Chunk).where(Chunk.run_id == run.id))
    await session.execute(delete(WorkItem).where(WorkItem.run_id == run.id))
    await session.execute(delete(Run).where(Run.id == run.id))
