"""Splits: which of them is in force, what it holds out, and who may look at that how often.

What a rule means, env_registry.splits says. A run is checked once, against the split in force when it is submitted, in
the transaction that submits it; a change of the split waits for such transactions and concerns those that follow.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row, Select, delete, false, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

import env_registry
from env_registry import Spec
from env_registry import splits as registry
from service import postings
from service.api import schemas
from service.errors import BudgetExceeded, Conflict, Invalid, NotFound
from service.errors import Holdout as HoldoutProblem
from service.ids import show
from service.keys import Caller
from service.models import (
    FINISHED,
    CatalogueState,
    Cell,
    Environment,
    Exposure,
    ExposureBudget,
    Holdout,
    Run,
    Split,
    SplitInForce,
)

BUDGET = 100_000
"""Evaluations of the shipped split's holdouts that a cell may ask for."""
NAMED = 20
"""Held-out environments that a refusal names."""
log = structlog.get_logger()


# --- find


async def in_force(session: AsyncSession, *, hold: bool = False) -> Split | None:
    """The split that training is held to; with `hold` it stays so until the end of this transaction."""
    pointer = select(SplitInForce).execution_options(populate_existing=True)
    found = (await session.execute(pointer.with_for_update(read=True) if hold else pointer)).scalar_one_or_none()
    return await session.get_one(Split, found.split_id) if found else None


async def find(session: AsyncSession, name: str) -> Split:
    """By name and version (`default@1`), or the newest of a name.

    Raises
    ------
    NotFound
        There is no such split.
    """
    base, _, version = name.partition("@")
    query = select(Split).where(Split.name == base).order_by(Split.version.desc()).limit(1)
    if version:
        query = query.where(Split.version == int(version)) if _is_version(version) else query.where(false())
    found = None if "\0" in name else (await session.execute(query)).scalar_one_or_none()
    if found is None:
        raise NotFound(f"there is no split {name[:100]!r}; see GET /v1/splits")
    return found


def _is_version(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def ref(split: Split | Row[Any]) -> str:
    return f"{split.name}@{split.version}"


def rules(split: Split | Row[Any]) -> registry.Split:
    """The split's rules, ready to be asked."""
    return _read(json.dumps(split.rules))


@lru_cache(maxsize=64)
def _read(text: str) -> registry.Split:
    return registry.Split(tuple(_rule(rule) for rule in json.loads(text)))


def _rule(given: Mapping[str, Any]) -> registry.Rule:
    tasks = given.get("tasks")
    lists = {name: tuple(given[name]) for name in ("families", "between", "trained", "parts") if given.get(name)}
    return registry.Rule(
        **{
            **given,
            **lists,
            "kind": registry.Kind(given["kind"]),
            "tasks": {name: tuple(values) for name, values in tasks.items()} if tasks else None,
        }
    )


@dataclass(frozen=True, eq=False)
class Known:
    """A split as this process read it once: its rules never change. Equal to nothing but itself."""

    ref: str
    rules: registry.Split

    def standing(self, spec: Spec) -> schemas.Standing:
        """How a spec stands in it."""
        nearest = registry.nearest(self.rules, spec)
        return schemas.Standing(
            split=self.ref,
            kind=self.rules.kind(spec),
            reasons=[schemas.HoldoutReason(**asdict(reason)) for reason in registry.reasons(self.rules, spec)],
            nearest=schemas.NearestTraining(**asdict(nearest)) if nearest else None,
        )


_known: dict[UUID, Known] = {}


async def known(reads: AsyncEngine, split_id: UUID | None) -> Known | None:
    if split_id is None:
        return None
    if split_id not in _known:
        async with reads.connect() as reader:
            split = (
                await reader.execute(select(Split.name, Split.version, Split.rules).where(Split.id == split_id))
            ).one()
        _known.setdefault(split_id, Known(ref(split), rules(split)))
    return _known[split_id]


# --- submit


@dataclass(frozen=True)
class Admitted:
    """What a run may run, as (ref, digest), after its check."""

    specs: list[tuple[str, str]]
    held: Mapping[str, registry.Kind]
    carved: list[registry.Carved]

    @property
    def counts(self) -> dict[str, int]:
        return dict(Counter(str(kind) for kind in self.held.values()))


async def admit(
    split: Split | None,
    specs: Sequence[tuple[str, str]],
    *,
    purpose: str,
    holdout: str,
    fitted: Mapping[str, Spec],
    field: str,
) -> Admitted:
    """Let specs pass to training if none is held out; with `holdout="carve"` after cutting distributions. For the
    purpose `evaluate` all pass, and those held out are told. `fitted` are those that draw from tables, see `tables`.

    Raises
    ------
    Holdout
        Training would reach a holdout; names the environments, kinds and rules.
    """
    if split is None:
        return Admitted(list(specs), {}, [])
    return await asyncio.to_thread(_admit, split, specs, purpose, holdout, fitted, field)


def _admit(
    split: Split,
    specs: Sequence[tuple[str, str]],
    purpose: str,
    holdout: str,
    fitted: Mapping[str, Spec],
    field: str,
) -> Admitted:
    own = rules(split)

    def meant(ref: str) -> Spec:
        return fitted.get(ref) or env_registry.parse(ref)

    held = {ref: kind for ref, _ in specs if (kind := own.kind(meant(ref))) is not None}
    if not held or purpose == "evaluate":
        return Admitted(list(specs), held, [])
    carved = {}
    if holdout == "carve":
        found = (registry.carve(own, env_registry.parse(ref)) for ref in held)
        carved = {one.ref: one for one in found if one is not None}
    refused = [(i, ref, held[ref]) for i, (ref, _) in enumerate(specs) if ref in held and ref not in carved]
    if refused:
        told = [(i, ref, meant(ref), kind) for i, ref, kind in refused[:NAMED]]
        raise _refusal(split, own, told, count=len(refused), of=len(specs), field=field)
    remaining = [part for ref, _ in specs for part in ([p for p, _ in carved[ref].parts] if ref in carved else [ref])]
    digests = dict(specs)
    unique = dict.fromkeys(remaining)
    return Admitted(
        [(ref, digests.get(ref) or env_registry.parse(ref).digest) for ref in unique], {}, list(carved.values())
    )


def _refusal(
    split: Split,
    own: registry.Split,
    told: Sequence[tuple[int, str, Spec, registry.Kind]],
    *,
    count: int,
    of: int,
    field: str,
) -> HoldoutProblem:
    errors = []
    for i, ref_, spec, kind in told:
        hardest = registry.reasons(own, spec)[0]
        carve = "" if registry.carve(own, env_registry.parse(ref_)) is None else "; holdout=carve would cut it"
        at = f"{field}[{i}]" if field == "body.refs" else field
        errors.append((at, f"{ref_[:300]}: {kind}, by the rule {hardest.rule!r}: {hardest.detail}{carve}"))
    return HoldoutProblem(
        f"{count} of {of} environments are held out of training by the split {ref(split)}; leave them out "
        "(a subset's where takes split=train), or ask for purpose=evaluate, which gives scores",
        errors=errors,
    )


async def expose(session: AsyncSession, caller: Caller, split: Split, run: Run, admitted: Admitted) -> None:
    """Charge an evaluation of held-out specs to the cell's budget and log it, in the transaction of its run.

    Raises
    ------
    BudgetExceeded
        It is more than is left.
    """
    asked, cell = len(admitted.held), caller.require_cell()
    if asked == 0:
        return
    own = {"split_id": split.id, "cell_id": cell}
    await session.execute(insert(ExposureBudget).values(**own, allowed=split.budget).on_conflict_do_nothing())
    mine = (ExposureBudget.split_id == split.id, ExposureBudget.cell_id == cell)
    taken = await session.scalar(
        update(ExposureBudget)
        .where(*mine, ExposureBudget.used + asked <= ExposureBudget.allowed)
        .values(used=ExposureBudget.used + asked)
        .returning(ExposureBudget.used)
    )
    if taken is None:
        row = (await session.execute(select(ExposureBudget).where(*mine))).scalar_one()
        raise BudgetExceeded(
            f"this cell may ask for {row.allowed} evaluations of held-out environments of {ref(split)}; "
            f"it has had {row.used} and asks for {asked} more. A steward can allow more"
        )
    session.add(
        Exposure(
            cell_id=cell,
            key_id=caller.key_id,
            run_id=run.id,
            split_id=split.id,
            kinds=admitted.counts,
            specs=asked,
            refs=list(admitted.held),
            episodes=run.episodes,
            steps_per_env=run.steps_per_env,
        )
    )


# --- declare


async def declare(session: AsyncSession, caller: Caller, request: schemas.SplitCreate) -> Split:
    """A new version of a split. It is not in force yet.

    Raises
    ------
    Invalid
        A rule does not mean what its kind says; names its field.
    Conflict
        The newest version has the same rules.
    """
    given = [rule.model_dump(exclude_none=True) for rule in request.rules]
    try:
        own = await asyncio.to_thread(registry.Split.of, [_rule(rule) for rule in given])
    except registry.RuleProblem as problem:
        raise Invalid("the split cannot be", errors=[(f"body.{problem.field}", problem.reason)]) from None
    split = await _add(
        session, own, name=request.name, note=request.note, budget=request.budget, created_by=caller.name
    )
    unseen = await _take(session, split, await _specs(session))
    if unseen:
        at = {rule.name: i for i, rule in enumerate(own.rules)}
        raise Invalid(
            "a part would never be trained on",
            errors=[
                (f"body.rules[{at[name]}].parts", f"no catalogued training environment has {', '.join(parts)}")
                for name, parts in unseen.items()
            ],
        )
    return split


async def _add(session: AsyncSession, own: registry.Split, **given: Any) -> Split:
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"split {given['name']}"))))
    newest = (
        await session.execute(select(Split).where(Split.name == given["name"]).order_by(Split.version.desc()).limit(1))
    ).scalar_one_or_none()
    if newest is not None and newest.digest == own.digest:
        raise Conflict(f"{ref(newest)} has the same rules")
    split = Split(
        version=newest.version + 1 if newest else 1,
        digest=own.digest,
        rules=[rule.json() for rule in own.rules],
        **given,
    )
    session.add(split)
    await session.flush()
    await session.refresh(split)
    return split


async def _specs(session: AsyncSession) -> Sequence[Spec]:
    """Those of the catalogue in the order of their numbers."""
    refs = (await session.scalars(select(Environment.ref).order_by(Environment.number))).all()
    return await asyncio.to_thread(lambda: [env_registry.parse(ref) for ref in refs])


async def _take(session: AsyncSession, split: Split, specs: Sequence[Spec]) -> Mapping[str, list[str]]:
    """Mark the catalogue's holdouts for search; parts of compositions, by rule, that nothing trains on."""
    own = rules(split)
    source = await session.scalar(select(CatalogueState.source_sha256))
    held, unseen = await asyncio.to_thread(_survey, own, specs)
    await session.execute(delete(Holdout).where(Holdout.split_id == split.id))
    for kind, numbers in held.items():
        packed = postings.pack(numbers, len(specs))
        session.add(Holdout(split_id=split.id, kind=str(kind), specs=len(numbers), numbers=packed))
    split.catalogue = source
    await session.flush()
    return unseen if specs else {}


def _survey(
    own: registry.Split, specs: Sequence[Spec]
) -> tuple[Mapping[registry.Kind, list[int]], Mapping[str, list[str]]]:
    """The numbers of those that are held out, by kind; and parts of compositions, by rule, that nothing trains on."""
    held: defaultdict[registry.Kind, list[int]] = defaultdict(list)
    for number, spec in enumerate(specs):
        kind = own.kind(spec)
        if kind is not None:
            held[kind].append(number)
    return held, registry.unseen_parts(own, specs)


async def activate(session: AsyncSession, split: Split) -> schemas.SplitActivation:
    """Put a split in force for all submissions from now on. Runs that were checked before go on under their split."""
    before = await in_force(session)
    await session.execute(
        insert(SplitInForce)
        .values(id=1, split_id=split.id)
        .on_conflict_do_update(index_elements=[SplitInForce.id], set_={"split_id": split.id})
    )  # waits for submissions that hold the one before
    unfinished = await session.scalars(
        select(Run.id)
        .where(Run.purpose == "train", Run.state.not_in(FINISHED), Run.split.is_distinct_from(ref(split)))
        .order_by(Run.id)
    )
    return schemas.SplitActivation(
        split=ref(split),
        before=ref(before) if before else None,
        unfinished=[show("run", run) for run in unfinished.all()],
    )


async def allow(session: AsyncSession, split: Split, cell: Cell, allowed: int) -> None:
    """Set how many evaluations of a split's holdouts a cell may ask for, in all."""
    row = insert(ExposureBudget).values(split_id=split.id, cell_id=cell.id, allowed=allowed)
    key = [ExposureBudget.split_id, ExposureBudget.cell_id]
    await session.execute(row.on_conflict_do_update(index_elements=key, set_={"allowed": allowed}))


async def load(session: AsyncSession, loaded: Sequence[Spec]) -> None:
    """See that the shipped split is there, that one is in force, and that search knows what they hold out of this
    catalogue, of which `loaded` are all specs if it is new. A newer shipped version waits for a steward to put it in
    force."""
    known = await session.scalar(
        select(Split).where(Split.name == registry.NAME, Split.digest == registry.DEFAULT.digest)
    )
    shipped = known or await _add(
        session, registry.DEFAULT, name=registry.NAME, note="ships with the pool", budget=BUDGET, created_by=None
    )
    if await in_force(session) is None:
        session.add(SplitInForce(id=1, split_id=shipped.id))
        await session.flush()
    source = await session.scalar(select(CatalogueState.source_sha256))
    query = select(Split).where(Split.catalogue.is_distinct_from(source)).order_by(Split.id)
    stale = (await session.scalars(query)).all()
    specs = loaded or (await _specs(session) if stale else [])
    for split in stale:
        unseen = await _take(session, split, specs)
        for rule, parts in unseen.items():
            log.warning("split.part_unseen", split=ref(split), rule=rule, parts=parts)


# --- show


def listed() -> Select[Split]:
    return select(Split)


async def describe(session: AsyncSession, caller: Caller, found: Sequence[Split]) -> list[schemas.Split]:
    """Splits as people see them, with what they hold out of the catalogue."""
    ids = [split.id for split in found]
    total = await session.scalar(select(func.count()).select_from(Environment)) or 0
    rows = await session.execute(select(Holdout.split_id, Holdout.kind, Holdout.specs).where(Holdout.split_id.in_(ids)))
    held = {(split_id, kind): specs for split_id, kind, specs in rows}
    budgets = select(ExposureBudget).where(ExposureBudget.split_id.in_(ids), ExposureBudget.cell_id == caller.cell_id)
    mine = {row.split_id: row for row in (await session.scalars(budgets)).all()}
    current = await in_force(session)
    shown = []
    for split in found:
        kinds = {str(kind): held.get((split.id, str(kind)), 0) for kind in registry.Kind}
        own = mine.get(split.id)
        use = schemas.ExposureUse(allowed=own.allowed if own else split.budget, used=own.used if own else 0)
        shown.append(
            schemas.Split(
                name=split.name,
                version=split.version,
                ref=ref(split),
                digest=split.digest,
                in_force=current is not None and current.id == split.id,
                rules=split.rules,
                note=split.note,
                budget=split.budget,
                exposure=use if caller.cell_id else None,
                counts={"train": total - sum(kinds.values()), **kinds},
                created_by=split.created_by,
                created_at=split.created_at,
            )
        )
    return shown


async def show_exposures(session: AsyncSession, rows: Sequence[Exposure]) -> list[schemas.Exposure]:
    names = dict((await session.execute(select(Cell.id, Cell.name))).all())
    refs = {split.id: ref(split) for split in (await session.scalars(select(Split))).all()}
    return [
        schemas.Exposure(
            id=row.id,
            at=row.at,
            cell=names[row.cell_id],
            key=show("key", row.key_id),
            run=show("run", row.run_id),
            split=refs[row.split_id],
            kinds=row.kinds,
            specs=row.specs,
            episodes=row.episodes,
            steps_per_env=row.steps_per_env,
        )
        for row in rows
    ]
