"""A cell sees what it is entitled to, exactly, however small."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import update

from service import quotas
from service.models import Commitment, QuotaNode
from tests.service.conftest import Pool


def join(pool: Pool, name: str, weight: int) -> str:
    """A new cell's key."""
    assert pool.post("/v1/admin/cells", pool.operator, json={"name": name, "weight": weight}).status_code == 201
    secret: str = pool.post("/v1/admin/keys", pool.operator, json={"cell": name}).json()["secret"]
    return secret


def test_a_new_cell_sees_its_share_although_it_is_less_than_a_slot(pool: Pool) -> None:
    async def commit(limit_mc: int) -> None:
        async with pool.parts.sessions.begin() as session:
            await session.execute(update(Commitment).values(limit_mc=limit_mc))

    pool.runner.run(commit(2000))
    light, heavy = (pool.client(join(pool, name, weight)) for name, weight in (("light", 1), ("heavy", 6)))
    seen = [pool.get("/v1/me", client).json() for client in (pool.cell, light, heavy, pool.operator)]
    assert [me["share_mc"] for me in seen] == [250, 250, 1500, 2000]
    assert seen[1]["nominal_mc"] in (0, 1000)


def test_a_group_without_cells_takes_no_share() -> None:
    root, cell = (QuotaNode(id=UUID(int=number), weight=1, kind=kind) for number, kind in ((0, "root"), (1, "cell")))
    empty, full = (QuotaNode(id=UUID(int=number), weight=6, kind="group") for number in (2, 3))
    inner = QuotaNode(id=UUID(int=4), weight=1, kind="cell", parent_id=full.id)
    for node in (cell, empty, full):
        node.parent_id = root.id
    tree = [root, cell, empty, full, inner]
    assert [quotas.share_mc(each, tree, 7000) for each in tree] == [7000, 1000, 0, 6000, 6000]


def test_shares_multiply_down_the_tree() -> None:
    def node(number: int, parent: int | None, weight: int) -> QuotaNode:
        return QuotaNode(id=UUID(int=number), parent_id=None if parent is None else UUID(int=parent), weight=weight)

    tree = [node(0, None, 1), node(1, 0, 1), node(2, 0, 2), node(3, 2, 1), node(4, 2, 3)]
    shares = [quotas.share_mc(each, tree, 3000) for each in tree]
    assert shares == pytest.approx([3000, 1000, 2000, 500, 1500])
