"""Who lends what others use beyond their nominal. Pure; the arithmetic of the tree, level by level."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from service.scheduler.entitlement import Node, Share, Tree, whole_slots


@dataclass(frozen=True, slots=True)
class Ledger:
    """Millicores by node: what each leaf uses beyond its nominal, and what each gives up: leaves, groups that have
    nothing in them, and inner nodes of what they have of their own. Borrowed is lent and unlent: what is in use beyond
    the whole commitment nobody lends."""

    borrowed: Mapping[UUID, int]
    lent: Mapping[UUID, int]
    unlent_mc: int


def ledger(nodes: Sequence[Node], limit_mc: int) -> Ledger:
    """What a node uses beyond its nominal comes from its siblings first, and then from its parent's.

    Among siblings it is divided in proportion to what each may lend, min(lending limit, T), by largest remainder; what
    was lent before a limit came, in proportion to what is idle.
    """
    tree = Tree(nodes, limit_mc)
    children: defaultdict[UUID | None, list[Node]] = defaultdict(list)
    for node in nodes:
        children[node.parent].append(node)
    lent: dict[UUID, int] = {}
    outwards = {tree.root: 0}  # what a node gives to others than those below it
    order = [tree.nodes[tree.root]]
    for node in order:
        below = children[node.id]
        order += below
        if not below:
            lent[node.id] = outwards[node.id]
            continue
        idle = {child.id: max(child.nominal_mc - child.used_mc, 0) for child in below}
        lendable = {child.id: min(idle[child.id], max(_lendable(child, tree), 0)) for child in below}
        idle[node.id] = lendable[node.id] = node.nominal_mc - sum(child.nominal_mc for child in below)
        within = sum(map(_beyond, below)) - _beyond(node)
        parts = _divided(within + outwards[node.id], lendable, idle)
        lent[node.id] = parts.pop(node.id)
        outwards |= parts
    borrowed = {node.id: _beyond(node) for node in nodes if not children[node.id] and _beyond(node)}
    return Ledger(borrowed, {id: mc for id, mc in lent.items() if mc}, _beyond(tree.nodes[tree.root]))


def _beyond(node: Node) -> int:
    return max(node.used_mc - node.nominal_mc, 0)


def _lendable(node: Node, tree: Tree) -> int:
    spare = tree.spare_mc(node.id)
    return spare if node.lending_limit_mc is None else min(spare, node.lending_limit_mc)


def _divided(amount: int, lendable: Mapping[UUID, int], idle: Mapping[UUID, int]) -> dict[UUID, int]:
    """By proportion to what each may lend; what is more than all of that, to what else is idle."""
    willing = min(amount, sum(lendable.values()))
    first = whole_slots(willing, [Share(id, mc, 0) for id, mc in lendable.items()])
    rest = {id: mc - first[id][0] if first else mc for id, mc in idle.items()}
    second = whole_slots(amount - willing, [Share(id, mc, 0) for id, mc in rest.items()])
    return {id: (first[id][0] if first else 0) + (second[id][0] if second else 0) for id in idle}
