"""Undirected graphs without loops, as the sorted neighbours of every node.

- `complete`: everybody;
- `ring`: the `links` nodes on either side;
- `grid`: the four nearest on a torus whose sides are the most alike that divide the number of nodes;
- `small_world`: a ring whose every link, node by node and the nearest first, is turned with probability `rewiring`
  to a random node, unless that is the node itself or a neighbour (Watts and Strogatz 1998);
- `scale_free`: from a complete graph of links + 1 nodes on, every new node links to `links` different ones, each
  drawn in proportion to its links (Barabási and Albert 1999).
"""

from __future__ import annotations

from math import isqrt

from numpy.random import Generator

Neighbours = list[list[int]]
GRAPHS = ("ring", "grid", "small_world", "scale_free", "complete")


def neighbours(graph: str, nodes: int, links: int, rewiring: float, rng: Generator) -> Neighbours:
    """For at least 2 nodes. Only small worlds and scale-free graphs draw from `rng`."""
    match graph:
        case "complete":
            linked = {frozenset((a, b)) for a in range(nodes) for b in range(a)}
        case "grid":
            linked = _grid(nodes)
        case "ring":
            linked = set(map(frozenset, _ring(nodes, links)))
        case "small_world":
            linked = _small_world(nodes, links, rewiring, rng)
        case _:
            linked = _scale_free(nodes, links, rng)
    found: list[set[int]] = [set() for _ in range(nodes)]
    for link in linked:
        if len(link) == 2:
            a, b = link
            found[a].add(b)
            found[b].add(a)
    return [sorted(each) for each in found]


def _ring(nodes: int, links: int) -> list[tuple[int, int]]:
    return [(a, (a + step) % nodes) for a in range(nodes) for step in range(1, links + 1) if step < nodes]


def _grid(nodes: int) -> set[frozenset[int]]:
    rows = max(rows for rows in range(1, isqrt(nodes) + 1) if nodes % rows == 0)
    columns = nodes // rows
    linked = set()
    for a in range(nodes):
        row, column = divmod(a, columns)
        linked.add(frozenset((a, row * columns + (column + 1) % columns)))
        linked.add(frozenset((a, (row + 1) % rows * columns + column)))
    return linked


def _small_world(nodes: int, links: int, rewiring: float, rng: Generator) -> set[frozenset[int]]:
    linked = set(map(frozenset, _ring(nodes, links)))
    for a, b in _ring(nodes, links):
        if rng.random() < rewiring:
            other = int(rng.integers(nodes))
            link = frozenset((a, other))
            if other != a and link not in linked:
                linked.discard(frozenset((a, b)))
                linked.add(link)
    return linked


def _scale_free(nodes: int, links: int, rng: Generator) -> set[frozenset[int]]:
    core = min(links + 1, nodes)
    linked = {frozenset((a, b)) for a in range(core) for b in range(a)}
    ends = [end for a in range(core) for b in range(a) for end in (a, b)]  # a node as often as it has links
    for new in range(core, nodes):
        chosen: list[int] = []
        while len(chosen) < links:
            candidate = ends[int(rng.integers(len(ends)))]
            if candidate not in chosen:
                chosen.append(candidate)
        linked |= {frozenset((new, other)) for other in chosen}
        ends += [end for other in chosen for end in (new, other)]
    return linked
