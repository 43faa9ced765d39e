"""Cells: teams with keys and an entitlement. A cell is created together with its leaf in the quota tree."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service import capacity, clock
from service.errors import Conflict, NotFound
from service.ids import read
from service.models import Cell, QuotaNode


async def create(session: AsyncSession, *, name: str, weight: int = 1, group: QuotaNode | None = None) -> Cell:
    """A new cell below a group or the root, whose share counts at once. It begins with the group's longest loan, which
    binds what is borrowed from outside the group alone; all else that is set at the group binds its cells as it is.

    Raises
    ------
    Conflict
        The name is taken.
    """
    root = await capacity.lock_root(session)
    if await session.scalar(select(Cell.id).where(Cell.name == name)):
        raise Conflict(f"there is a cell named {name}", errors=[("body.name", "is taken")])
    cell = Cell(name=name)
    session.add(cell)
    await session.flush()
    leaf = QuotaNode(parent_id=root, cell_id=cell.id, name=name, kind="cell", weight=weight)
    if group is not None:
        leaf.parent_id, leaf.max_loan_ms = group.id, group.max_loan_ms
    session.add(leaf)
    await session.flush()
    await capacity.divide(session, now=await clock.now(session))
    await session.refresh(cell)
    return cell


async def find(session: AsyncSession, name_or_id: str) -> Cell:
    """
    Raises
    ------
    NotFound
        No cell has this name or id.
    """
    found = (await session.execute(select(Cell).where(Cell.name == name_or_id))).scalar_one_or_none()
    if found is None and name_or_id.startswith("cell_"):
        found = await session.get(Cell, read("cell", name_or_id))
    if found is None:
        raise NotFound(f"there is no cell {name_or_id}")
    return found
