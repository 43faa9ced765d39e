"""Who lends what: it adds up, nobody lends more than is idle, and siblings come before strangers."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from service.scheduler.entitlement import Node
from service.scheduler.lending import ledger
from tests.service.scheduler.test_plan import ROOT, cell

LIMITS = st.none() | st.integers(0, 3)


@st.composite
def trees(draw: st.DrawFn) -> list[Node]:
    """Groups of cells. Nominals and use of each level sum to those above, as in the tables; debt is possible."""
    nodes: list[Node] = []
    for number in range(draw(st.integers(1, 3))):
        group = UUID(int=10 + number)
        below = [
            cell(
                10 * number + i,
                parent=group,
                nominal=draw(st.integers(0, 5)),
                used=draw(st.integers(0, 5)),
                lending_limit_mc=draw(st.none() | st.integers(0, 3).map(lambda slots: slots * 1000)),
            )
            for i in range(draw(st.integers(0, 3)))
        ]
        nominal = sum(each.nominal_mc for each in below) if below else 1000 * draw(st.integers(0, 3))
        used = sum(each.used_mc for each in below)
        nodes += [Node(group, ROOT, f"group-{number}", 1, False, nominal, used, 0.0), *below]
    inner = [node for node in nodes if node.parent == ROOT]
    nominal, used = sum(node.nominal_mc for node in inner), sum(node.used_mc for node in inner)
    return [Node(ROOT, None, "commitment", 1, False, nominal, used, 0.0), *nodes]


def idle(node: Node) -> int:
    return max(node.nominal_mc - node.used_mc, 0)


@given(trees())
def test_what_is_borrowed_is_lent_and_nobody_lends_more_than_is_idle(nodes: list[Node]) -> None:
    found = ledger(nodes, nodes[0].nominal_mc)
    by_id = {node.id: node for node in nodes}
    assert sum(found.borrowed.values()) == sum(found.lent.values()) + found.unlent_mc
    assert found.unlent_mc == max(nodes[0].used_mc - nodes[0].nominal_mc, 0)
    assert all(0 < mc <= idle(by_id[id]) for id, mc in found.lent.items())
    parents = {node.parent for node in nodes}
    beyond = {node.id: node.used_mc - node.nominal_mc for node in nodes if node.id not in parents}
    assert found.borrowed == {id: mc for id, mc in beyond.items() if mc > 0}


@given(trees())
def test_what_a_group_borrows_comes_from_other_groups_and_the_rest_from_within(nodes: list[Node]) -> None:
    found = ledger(nodes, nodes[0].nominal_mc)
    for group in (node for node in nodes if node.parent == ROOT):
        below = {node.id for node in nodes if node.parent == group.id} or {group.id}
        borrowed = sum(mc for id, mc in found.borrowed.items() if id in below)
        lent = sum(mc for id, mc in found.lent.items() if id in below)
        within = borrowed - max(group.used_mc - group.nominal_mc, 0)
        assert lent >= within
        if group.used_mc > group.nominal_mc:
            assert lent == within


@given(trees())
def test_who_may_not_lend_does_so_only_where_those_who_may_are_used_up(nodes: list[Node]) -> None:
    found = ledger(nodes, nodes[0].nominal_mc)
    closed = {node.id for node in nodes if node.lending_limit_mc == 0 and found.lent.get(node.id)}
    for node in (node for node in nodes if node.id in closed):
        for sibling in (each for each in nodes if each.parent == node.parent and each.lending_limit_mc is None):
            assert found.lent.get(sibling.id, 0) == idle(sibling)
