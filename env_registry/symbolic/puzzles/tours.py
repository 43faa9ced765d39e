"""Tours of chess pieces: visit every square of a board once.

Owns pieces, boards and goals; the dynamics are in `tour_env`.
"""

from __future__ import annotations

from collections.abc import Mapping

from env_registry.shorthand import probability, task
from env_registry.symbolic.puzzles.shorthand import COMMON, ILLEGAL_COST, choice, count, family, switch

TIME_LIMIT = 150  # steps

Steps = tuple[tuple[int, int], ...]


def _leaps(a: int, b: int) -> Steps:
    return tuple(dict.fromkeys((s * x, t * y) for x, y in ((a, b), (b, a)) for s in (1, -1) for t in (1, -1)))


PIECES: Mapping[str, Steps] = {
    "knight": _leaps(1, 2),
    "wazir": _leaps(0, 1),
    "king": (*_leaps(0, 1), *_leaps(1, 1)),
    "camel": _leaps(1, 3),
    "zebra": _leaps(2, 3),
    "emperor": (*_leaps(1, 2), *_leaps(0, 1)),
    "dabbaba_ferz": (*_leaps(0, 2), *_leaps(1, 1)),
}
"""Names as in fairy chess: the leaps (down, right) that a piece makes."""

FAMILIES = (
    family(
        "tour",
        "tour_env:TourEnv",
        (
            task("piece", tuple(PIECES), "how the piece moves"),
            task("board", ("flat", "torus"), "whether the board's sides are joined"),
            task("tour", ("open", "closed"), "whether the tour must end where it began"),
            count("width", 6, 4, 12, (5, 9), "squares", "squares in a row", shapes=True),
            count("height", 6, 4, 12, (5, 9), "squares", "squares in a column", shapes=True),
            count("holes", 0, 0, 10, (3, 8), "squares", "squares, drawn at the start, that there are not"),
            choice("start", ("anywhere", "corner"), "where the piece starts, as far as there is no hole"),
            probability("jam", (0.1, 0.3), "probability that a move fails"),
            probability("regrow", (0.05, 0.2), "probability that a visited square becomes unvisited again, in a step"),
            switch("carry_on", "whether the episode goes on when no move is left"),
            ILLEGAL_COST,
            *COMMON,
        ),
        time_limit=TIME_LIMIT,
        description="Visit as many squares as possible with a chess piece, none of them twice.",
        source="https://en.wikipedia.org/wiki/Knight%27s_tour; Warnsdorff's rule (1823)",
        tags=("planning", "hamiltonian-path"),
    ),
)
