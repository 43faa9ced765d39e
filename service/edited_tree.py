"""The quota tree while it is edited: nodes are made, set, moved and deleted, and in the end counters and shares follow.
Knows nothing of who may want it or of what was shown."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID

from pydantic_core import to_jsonable_python
from sqlalchemy import ColumnElement, delete, exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from service import accounts, capacity, clock, db, documents, quotas, webhooks
from service.api import schemas
from service.documents import ROOT
from service.errors import Conflict, Invalid, NotFound
from service.ids import new_id, read, show
from service.models import Base, Cell, Commitment, Key, NodeState, QuotaNode, WindowAccount
from service.scheduler.entitlement import decayed
from service.webhooks import Event


@dataclass(frozen=True, slots=True)
class Edit:
    """Something that was changed: by field, the old and the new value; and what that takes away, in words."""

    action: str
    target: str
    name: str
    changed: Mapping[str, tuple[Any, Any]]
    takes: Sequence[str] = field(default=())

    def lines(self) -> list[schemas.EditLine]:
        return [
            schemas.EditLine(action=self.action, name=self.name, field=name, before=before, after=after)
            for name, (before, after) in self.changed.items()
        ]


_RESTRAINT = {NodeState.ACTIVE: 0, NodeState.HOLD: 1, NodeState.HOLD_AND_DRAIN: 2}


class EditedTree:
    """The nodes, and what was done to them so far. `finish` makes counters and shares follow."""

    @classmethod
    async def read(cls, session: AsyncSession, *, now: datetime) -> EditedTree:
        """As it is. Takes the root's lock."""
        await capacity.lock_root(session)
        row = await capacity.commitment(session)
        await accounts.open_window(session, row, now=now)  # windows that are over were of the old length and budgets
        return cls(session, await quotas.tree(session), row, now=now)

    def __init__(self, session: AsyncSession, nodes: Sequence[QuotaNode], row: Commitment, *, now: datetime) -> None:
        self.root = nodes[0]
        self._session, self._row, self._now = session, row, now
        self._nodes = {node.id: node for node in nodes}
        self._named = {(node.kind, node.name): node for node in nodes}
        self._before = {node.id: self._path(node) for node in nodes if node.kind == "cell"}
        self._edits: list[Edit] = []
        # ids in the order in which nodes come: shares that are equal are rounded by it, in what-if as in truth
        base = new_id().int
        self._next_id = base - base % 2**20

    # --- look

    def find(self, kind: str, name: str) -> QuotaNode | None:
        return self._named.get((kind, name))

    def node(self, quota_id: str) -> QuotaNode:
        found = self._nodes.get(read("quota", quota_id))
        if found is None:
            raise NotFound(f"there is no quota {quota_id}")
        return found

    def group(self, name_or_id: str, *, at: str) -> QuotaNode:
        """A node that others can be below."""
        found = self.root if name_or_id == ROOT else self.find("group", name_or_id)
        if found is None and name_or_id.startswith("quota_"):
            try:
                found = self.node(name_or_id)
            except NotFound as problem:
                raise Invalid(problem.detail, errors=[(at, problem.detail)]) from None
        if found is None:
            raise Invalid(f"there is no group {name_or_id}", errors=[(at, f"there is no group {name_or_id}")])
        if found.kind == "cell":
            raise Invalid("nothing is below a cell", errors=[(at, f"{found.name} is a cell")])
        return found

    def depth(self, node: QuotaNode) -> int:
        return len(self._path(node)) - 1

    def _path(self, node: QuotaNode) -> list[QuotaNode]:
        """The node and those above it, up to the root."""
        found = [node]
        while found[-1].parent_id is not None:
            found.append(self._nodes[found[-1].parent_id])
        return found

    def _below(self, node: QuotaNode) -> list[QuotaNode]:
        return [each for each in self._nodes.values() if each.parent_id == node.id]

    # --- edit

    def edit(self, edit: schemas.QuotaEdit, *, at: str) -> None:
        node = self.node(edit.quota)
        wanted = edit.model_dump(exclude_unset=True, exclude={"quota"})
        fields = sorted(wanted.keys() - set(documents.OF_ROOT))
        if node is self.root and fields:
            errors = [(f"{at}{name}", "edit /v1/admin/commitment instead") for name in fields]
            raise Invalid("the root lends to and borrows from nobody", errors=errors)
        parent = None
        if "parent" in wanted:
            parent = self.group(wanted.pop("parent"), at=f"{at}parent")
            self._check_move(node, parent, at=f"{at}parent")
        self.set(node, wanted, parent)

    def _check_move(self, node: QuotaNode, parent: QuotaNode, *, at: str) -> None:
        if node in self._path(parent):
            raise Invalid("a group cannot be below itself", errors=[(at, f"{parent.name} is below {node.name}")])
        height, level = 0, [node]
        while level := [child for each in level for child in self._below(each) if child.kind == "group"]:
            height += 1
        if node.kind == "group":
            documents.check_group(node.name, self.depth(parent) + 1 + height, field=at)

    def set(self, node: QuotaNode, wanted: Mapping[str, Any], parent: QuotaNode | None = None) -> None:
        changed = {name: (getattr(node, name), value) for name, value in wanted.items() if getattr(node, name) != value}
        takes = [_taken(node.name, name, *values) for name, values in changed.items()]
        for name, (_, value) in changed.items():
            setattr(node, name, value)
        if parent is not None and node.parent_id != parent.id:
            assert node.parent_id is not None
            old = self._nodes[node.parent_id].name
            changed["parent"] = (old, parent.name)
            takes.append(f"moves {node.name} from {old} to {parent.name}")
            node.parent_id, node.carry = parent.id, 0  # what its siblings' rounding owed it stays with them
        if changed:
            node.version += 1
            self._done("quota.edit", node, changed, [sentence for sentence in takes if sentence])

    async def create(self, kind: str, name: str, parent: QuotaNode, spec: Mapping[str, Any]) -> QuotaNode:
        cell = None
        if kind == "cell":
            cell = Cell(name=name)
            self._session.add(cell)
            await self._session.flush()
        self._next_id += 1
        node = QuotaNode(
            id=UUID(int=self._next_id),
            parent_id=parent.id,
            cell_id=cell and cell.id,
            name=name,
            kind=kind,
            used_mc=0,
            reserved_core_ms=0,
            used_core_ms=0,
            decayed_core_ms=0.0,
            decayed_at=self._now,
            **spec,
        )
        self._session.add(node)
        await self._session.flush()  # before what moves below it: a flush updates rows before it inserts any
        self._nodes[node.id] = self._named[kind, name] = node
        plain = schemas.QuotaSpec()
        said = {name: value for name, value in spec.items() if name == "weight" or value != getattr(plain, name)}
        new = {"name": name, "parent": parent.name} | said
        self._done(
            f"{'cell' if cell else 'quota'}.create", node, {field: (None, value) for field, value in new.items()}
        )
        return node

    async def delete(self, node: QuotaNode) -> None:
        if node is self.root:
            raise Conflict("the commitment cannot be deleted")
        below = self._below(node)
        if below:
            raise Conflict(f"{node.name} is not empty: {', '.join(sorted(each.name for each in below)[:5])} is in it")
        await self._check_unused(node)
        await self._session.execute(delete(Key).where(_owned(node)))
        await self._session.execute(delete(WindowAccount).where(WindowAccount.node_id == node.id))
        await self._session.execute(delete(QuotaNode).where(QuotaNode.id == node.id))
        self._session.expunge(node)
        if node.cell_id is not None:
            await self._session.execute(delete(Cell).where(Cell.id == node.cell_id))
        del self._nodes[node.id], self._named[node.kind, node.name]
        assert node.parent_id is not None
        old = {"name": node.name, "parent": self._nodes[node.parent_id].name, "weight": node.weight}
        cell = node.kind == "cell"
        takes = [f"deletes the cell {node.name}"] if cell else []
        gone = {name: (value, None) for name, value in old.items()}
        self._done(f"{'cell' if cell else 'quota'}.delete", node, gone, takes)

    async def _check_unused(self, node: QuotaNode) -> None:
        """
        Raises
        ------
        Conflict
            It has had work, or has webhooks or a key that works.
        """
        used = []
        for column in _REFERRING:
            id = node.id if column.name == "node_id" else node.cell_id
            if id is not None and await self._any(column == id):
                used.append(column.table.name)
        if node.cell_id is not None and await self._any(*_stated(node, self._now)):
            used.append("statement")
        if await self._any(_owned(node), Key.revoked_at.is_(None)):
            used.append("key")
        if used:
            raise Conflict(
                f"the {node.kind} {node.name} stays: it has had work, or has what would be lost ({', '.join(used)}); "
                "hold it, and revoke its keys"
            )

    async def _any(self, *conditions: ColumnElement[bool]) -> bool:
        return bool(await self._session.scalar(select(exists().where(*conditions))))

    def commit(self, wanted: Mapping[str, Any], *, by: str, at: str) -> None:
        row = self._row
        before = Fraction(row.numerator, row.denominator)
        numerator, denominator = wanted.get("numerator", row.numerator), wanted.get("denominator", row.denominator)
        if numerator > denominator:
            reason = f"must not exceed the denominator, {denominator}"
            raise Invalid("more than the whole pool", errors=[(f"{at}numerator", reason)])
        takes = []
        if Fraction(numerator, denominator) < before:
            takes.append(f"lowers the commitment from {before} to {Fraction(numerator, denominator)}")
        if wanted.keys() & {"min_slots", "min_slots_until"}:
            slots, until = self._exception(wanted, at=at)
            if row.min_slots_until and (until is None or slots < row.min_slots or until < row.min_slots_until):
                takes.append(f"ends or lowers the exception of {row.min_slots} slots by {row.min_slots_by}")
            wanted = {**wanted, "min_slots": slots, "min_slots_until": until}
        changed = {name: (getattr(row, name), value) for name, value in wanted.items() if getattr(row, name) != value}
        for name, (_, value) in changed.items():
            setattr(row, name, value)
        if changed.keys() & {"min_slots", "min_slots_until"}:
            row.min_slots_by = by if row.min_slots else None
        if changed:
            row.version += 1
            self._edits.append(Edit("commitment.edit", ROOT, ROOT, to_jsonable_python(changed), takes))

    def _exception(self, wanted: Mapping[str, Any], *, at: str) -> tuple[int, datetime | None]:
        """So many slots, and until when: an exception has an end, or it is none."""
        row = self._row
        slots, until = wanted.get("min_slots", row.min_slots), wanted.get("min_slots_until")
        if not slots and until is not None:
            raise Invalid("an exception of no slots", errors=[(f"{at}min_slots_until", "goes with min_slots")])
        if slots and until is None:
            raise Invalid("an exception needs an end", errors=[(f"{at}min_slots_until", "is missing")])
        if until is not None and (slots, until) != (row.min_slots, row.min_slots_until):
            clock.check_ahead(until, now=self._now, field=f"{at}min_slots_until")
        return slots, until

    async def become(self, document: schemas.QuotaDocument, *, by: str, at: str) -> None:
        """All that the document says, and nothing else."""
        kept = {self.root.id}
        for want in documents.wanted(document, field=at):
            parent = self.root if want.parent == ROOT else self._named["group", want.parent]
            node = self.find(want.kind, want.name)
            if node is None:
                node = await self.create(want.kind, want.name, parent, want.spec)
            else:
                self.set(node, want.spec, parent)
            kept.add(node.id)
        gone = [node for node in self._nodes.values() if node.id not in kept]
        for node in sorted(gone, key=lambda node: (-self.depth(node), node.name)):
            await self.delete(node)
        share = document.commitment.model_dump()
        self.set(self.root, {name: share.pop(name) for name in documents.OF_ROOT})
        self.commit(share, by=by, at=f"{at}commitment.")

    def _done(
        self, action: str, node: QuotaNode, changed: Mapping[str, tuple[Any, Any]], takes: Sequence[str] = ()
    ) -> None:
        self._edits.append(Edit(action, show("quota", node.id), node.name, changed, takes))

    # --- let the rest follow

    async def finish(self) -> list[Edit]:
        if self._edits:
            self._carry_counters()
            await self._session.flush()
            for edit in self._edits:
                if edit.target == ROOT:
                    await capacity.recount(self._session, now=self._now, cause=self._cause(edit))
                elif edit.action == "quota.edit":
                    await self._follow(self.node(edit.target), edit)
            if any(edit.target != ROOT for edit in self._edits):
                await capacity.divide(self._session, now=self._now)
            await capacity.move(self._session)
            await db.notify(self._session, db.SCHEDULE, db.SWEEP)
        return self._edits

    def _cause(self, edit: Edit) -> str:
        if self._row.min_slots and "min_slots" in edit.changed:
            return f"an exception of {self._row.min_slots} slots by {self._row.min_slots_by} began"
        return "the commitment was edited"

    async def _follow(self, node: QuotaNode, edit: Edit) -> None:
        if "window_budget_core_ms" in edit.changed:
            await accounts.set_budget(self._session, self._row, node, now=self._now)
        if "state" in edit.changed:
            event = Event.HOLD_RELEASED if node.state == NodeState.ACTIVE else Event.HOLD_SET
            await webhooks.notify(self._session, event, node, {"state": node.state}, now=self._now)

    def _carry_counters(self) -> None:
        """Cells that moved take with them what they use and have used, out of all that they were below and into all
        that they are below now. What a window's budgets paid for stays with whose they were."""
        used_mc: Counter[UUID] = Counter()
        reserved: Counter[UUID] = Counter()
        core_ms: Counter[UUID] = Counter()
        usage: defaultdict[UUID, float] = defaultdict(float)
        half_life = timedelta(seconds=self._row.half_life_s)
        for id, path in self._before.items():
            cell = self._nodes.get(id)
            if cell is None:
                continue
            before, after = {node.id for node in path}, {node.id for node in self._path(cell)}
            now_used = decayed(cell.decayed_core_ms, cell.decayed_at, self._now, half_life)
            for nodes, sign in ((before - after, -1), (after - before, 1)):
                for each in nodes:
                    used_mc[each] += sign * cell.used_mc
                    reserved[each] += sign * cell.reserved_core_ms
                    core_ms[each] += sign * cell.used_core_ms
                    usage[each] += sign * now_used
        for id in used_mc.keys() & self._nodes.keys():
            node = self._nodes[id]
            if node.frozen is not None or min(node.used_mc + used_mc[id], node.reserved_core_ms + reserved[id]) < 0:
                raise Conflict(f"the counter of {node.name} differs from its leases: thaw it before cells move")
            node.used_mc += used_mc[id]
            node.reserved_core_ms += reserved[id]
            node.used_core_ms += core_ms[id]
            left = decayed(node.decayed_core_ms, node.decayed_at, self._now, half_life) + usage[id]
            node.decayed_core_ms, node.decayed_at = max(left, 0.0), max(node.decayed_at, self._now)


def _owned(node: QuotaNode) -> ColumnElement[bool]:
    """Keys of the cell, or of the group's stewards."""
    return Key.cell_id == node.cell_id if node.cell_id is not None else Key.steward_of == node.id


def _stated(node: QuotaNode, now: datetime) -> tuple[ColumnElement[bool], ...]:
    """A window that is over, in which the cell was entitled to something: its statement does not change any more."""
    own = WindowAccount.node_id == node.id
    return own, WindowAccount.ends_at <= now, WindowAccount.entitled_core_ms > 0


def _taken(name: str, field: str, before: Any, after: Any) -> str | None:
    """What a new value takes away, in words."""
    if field == "state":
        return f"holds {name}" if _RESTRAINT[after] > _RESTRAINT[before] else None
    if field == "reclaim_first":
        return f"asks loans of {name} back before those of others" if after else None
    less = after is not None and (before is None or after < before)
    return f"lowers {field} of {name} from {'unlimited' if before is None else before} to {after}" if less else None


_REFERRING = [
    column
    for table in Base.metadata.sorted_tables
    for column in table.columns
    if column.name in ("cell_id", "node_id") and table.name not in ("key", "quota_node", "window_account")
]
"""Columns that name a node, or its cell, beside its keys and accounts."""
