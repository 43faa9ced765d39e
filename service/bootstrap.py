"""What a fresh pool needs before anyone can use it: the tree's root, a group for guests, a site, a cell, keys, the
catalogue. Safe to run again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service import catalogue, cells, db, keys, sites, splits
from service.errors import Unauthenticated
from service.models import Cell, Commitment, QuotaNode, Site

SITE = "local"
CELL = "demo"
GUESTS = "guests"
"""The group of cells from outside the axes."""
GUEST_LOAN_MS = 180_000
"""Longest item that a guest may run on a loan, by its time limit. Items of 4 s have one of 140 s (`segments`): a guest
borrows for those, and not for an over-long episode."""


def bootstrap(
    database_url: str, redis_url: str, store_url: str, existing: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Keys of the cell, the operator and the site by name (`cell_key`, `operator_key`, `site_key`); those of
    `existing` stay, and are taken over where this database does not know them."""
    return asyncio.run(_bootstrap(database_url, redis_url, store_url, existing or {}))


async def _bootstrap(database_url: str, redis_url: str, store_url: str, existing: Mapping[str, str]) -> dict[str, str]:
    engine = db.create_engine(database_url)
    try:
        async with db.sessions(engine).begin() as session:
            await plant(session)
            site = await _site(session, redis_url, store_url)
            cell = await _cell(session)
            await splits.load(session, await catalogue.load(session))
            owners: dict[str, Mapping[str, object]] = {
                "cell_key": {"cell": cell},
                "operator_key": {},
                "site_key": {"site": site},
            }
            return {name: await _key(session, existing.get(name), owner) for name, owner in owners.items()}
    finally:
        await engine.dispose()


async def plant(session: AsyncSession) -> None:
    """The root of the quota tree with the guests' group, and the commitment's row, once.

    Guests have the least weight there is, borrow and lend without a limit, and give back first.
    """
    await session.execute(insert(Commitment).values(id=1).on_conflict_do_nothing())
    if await session.scalar(select(QuotaNode.id).where(QuotaNode.kind == "root")) is None:
        root = QuotaNode(name="commitment", kind="root")
        session.add(root)
        await session.flush()
        guests = {"name": GUESTS, "kind": "group", "max_loan_ms": GUEST_LOAN_MS, "reclaim_first": True}
        session.add(QuotaNode(parent_id=root.id, **guests))
        await session.flush()


async def _site(session: AsyncSession, redis_url: str, store_url: str) -> Site:
    found = (await session.execute(select(Site).where(Site.name == SITE))).scalar_one_or_none()
    if found is None:
        return await sites.create(session, name=SITE, redis_url=redis_url, store_url=store_url)
    found.redis_url, found.store_url = redis_url, store_url
    return found


async def _cell(session: AsyncSession) -> Cell:
    found = (await session.execute(select(Cell).where(Cell.name == CELL))).scalar_one_or_none()
    return found or await cells.create(session, name=CELL)


async def _key(session: AsyncSession, secret: str | None, owner: Mapping[str, object]) -> str:
    if secret:
        try:
            await keys.authenticate(session, secret)
            return secret
        except Unauthenticated:
            pass  # unknown to this database: taken over, so that whoever holds it can go on
    _, secret = await keys.create(session, secret=secret, **owner)  # type: ignore[arg-type]
    return secret
