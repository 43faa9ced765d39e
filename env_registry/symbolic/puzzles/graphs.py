"""Problems on graphs: labels for vertices, and a chase from vertex to vertex.

Owns problems, players and kinds of graphs; the dynamics are in `graph_env` and `chase_env`.
"""

from __future__ import annotations

from env_registry.shorthand import probability, task
from env_registry.symbolic.puzzles.shorthand import COMMON, ILLEGAL_COST, choice, count, family, switch

GRAPHS = ("random", "grid", "ring", "tree", "bipartite", "preferential")
"""Any two vertices are joined with probability 0.3; as a square lattice; each with the two next on either side; each
with an earlier one; those of two halves with probability 0.5; each with two earlier ones, by their degrees. A random
graph that falls apart gets an edge between each vertex and the next one that is in another part."""

SUBSETS = (
    "independent_set",
    "dominating_set",
    "total_domination",
    "perfect_code",
    "max_cut",
    "bisection",
    "densest_part",
    "spin_glass",
    "induced_forest",
    "edge_domination",
)
"""See `graph_env`. Covers and cliques are independent sets of the same or the complementary graph, and are left out."""

COLOURINGS = ("proper", "equitable", "distance_two", "spaced", "domatic", "conflict_free", "unfriendly")

MOVERS = ("still", "random", "keen", "wavering", "jumping")

_GRAPH = choice("graph", GRAPHS, "kind of graph", shapes=False)
_VERTICES = count("vertices", 12, 6, 24, (7, 18), "vertices", "number of vertices", shapes=True)

FAMILIES = (
    family(
        "graph_subset",
        "graph_env:SubsetEnv",
        (
            task("problem", SUBSETS, "what the chosen vertices are to be"),
            _VERTICES,
            _GRAPH,
            switch("weighted", "whether vertices or edges count 1 to 9, drawn, instead of 1"),
            probability("chosen", (0.3, 0.7), "probability that a vertex is chosen at the start"),
            probability("jam", (0.1, 0.3), "probability that an action fails"),
            probability("drift", (0.01, 0.05), "probability, for each vertex, that it changes by chance in a step"),
            *COMMON,
        ),
        time_limit=60,
        description="Choose vertices of a graph one by one, so that they are a good solution of a problem.",
        source="Garey and Johnson, Computers and Intractability (1979)",
        tags=("combinatorial-optimisation", "graph"),
    ),
    family(
        "graph_colouring",
        "graph_env:ColouringEnv",
        (
            task("problem", COLOURINGS, "what labels are to be"),
            _VERTICES,
            _GRAPH,
            count("labels", 3, 2, 12, (2, 5, 8), "labels", "number of labels", shapes=True),
            switch("filled", "whether all vertices have drawn labels at the start"),
            switch("final", "whether a label, once given, stays"),
            probability("jam", (0.1, 0.3), "probability that an action fails"),
            probability("drift", (0.01, 0.05), "probability, for each vertex, that its label is drawn anew in a step"),
            *COMMON,
        ),
        time_limit=60,
        description="Give the vertices of a graph labels that keep a rule.",
        source="Jensen and Toft, Graph Coloring Problems (1995); https://en.wikipedia.org/wiki/Graph_labeling",
        tags=("constraint-satisfaction", "graph"),
    ),
    family(
        "graph_chase",
        "chase_env:ChaseEnv",
        (
            task("role", ("cop", "robber"), "whether the agent catches or flees"),
            task("other", MOVERS, "how the other side moves"),
            _VERTICES,
            _GRAPH,
            count("cops", 1, 1, 4, (2, 4), "cops", "number of cops; the agent is the first one, or flees from all"),
            count("sight", 0, 0, 6, (1, 2), "edges", "how far the agent sees the others; 0: everywhere"),
            probability("jam", (0.1, 0.3), "probability that the agent's move fails"),
            ILLEGAL_COST,
            *COMMON,
        ),
        time_limit=60,
        description="Catch a robber on a graph, or do not be caught.",
        source="Nowakowski and Winkler 1983, https://doi.org/10.1016/0012-365X(83)90160-7",
        tags=("pursuit", "graph"),
    ),
)
