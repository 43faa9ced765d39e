"""Repeated matrix games: the strictly ordinal 2x2 games, well-known games of other shapes, and social dilemmas against
partners.

Owns which games are different tasks. Two players' 2x2 games with strict preferences over the four outcomes are 78, when
games that differ only in the names of the players and of their actions count once (Rapoport and Guyer 1966); they are
144 where one of the players learns and the other is a partner (Robinson and Goforth 2005). Symmetric dilemmas like the
prisoner's are among them; named games here are those that have ties, other sizes, or actions that a partner must tell
apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import permutations
from typing import Any

from env_registry.axes import Scalar
from env_registry.family import Actions, Family
from env_registry.shorthand import choice, number, probability, size, task
from env_registry.simulator import Simulator
from env_registry.social.dynamics.declared import TOGETHER, family
from env_registry.social.dynamics.strategies import LEARNERS, MEMORY_ONE, MIXED

# ------------------------------------------------------------------ ordinal games

Ranks = tuple[int, ...]
"""Of an outcome for a player, 4 the best: up left, up right, down left, down right. The first player chooses rows."""


def _swap_rows(ranks: Ranks) -> Ranks:
    return ranks[2:] + ranks[:2]


def _swap_columns(ranks: Ranks) -> Ranks:
    return (ranks[1], ranks[0], ranks[3], ranks[2])


def _transpose(ranks: Ranks) -> Ranks:
    return (ranks[0], ranks[2], ranks[1], ranks[3])


def same_roles(first: Ranks, second: Ranks) -> Iterator[tuple[Ranks, Ranks]]:
    """The game under all names of actions."""
    for a, b in ((first, second), (_swap_rows(first), _swap_rows(second))):
        yield a, b
        yield _swap_columns(a), _swap_columns(b)


def same_game(first: Ranks, second: Ranks) -> Iterator[tuple[Ranks, Ranks]]:
    """The game under all names of actions and players."""
    yield from same_roles(first, second)
    yield from same_roles(_transpose(second), _transpose(first))


def _classes(alike: Callable[[Ranks, Ranks], Iterator[tuple[Ranks, Ranks]]], first: str) -> tuple[str, ...]:
    """One name of each class, the given game's first."""
    orders = list(permutations((1, 2, 3, 4)))
    found = sorted({max(alike(row, column)) for row in orders for column in orders})
    names = [_name(*game) for game in found]
    row, column = (tuple(map(int, ranks)) for ranks in first.split("-"))
    default = _name(*max(alike(row, column)))
    return (default, *(name for name in names if name != default))


def _name(first: Ranks, second: Ranks) -> str:
    return "".join(map(str, first)) + "-" + "".join(map(str, second))


_PRISONERS_DILEMMA = "3142-3412"
GAMES = _classes(same_game, _PRISONERS_DILEMMA)
"""The 78 games, as the first player's ranks of the outcomes and the second's."""
GAMES_WITH_ROLES = _classes(same_roles, _PRISONERS_DILEMMA)
"""The 144 games that differ in more than the names of actions."""


def ordinal_payoffs(game: str, curvature: float) -> Mapping[str, Any]:
    first, second = ([((int(rank) - 1) / 3) ** curvature for rank in ranks] for ranks in game.split("-"))
    return {"rows": [first[:2], first[2:]], "columns": [second[:2], second[2:]]}


# ------------------------------------------------------------------ named games

Table = list[list[float]]


def _symmetric(size: int, pays: Callable[[int, int], float]) -> tuple[Table, Table]:
    """`pays(own, other)` is what both players get."""
    rows = [[float(pays(own, other)) for other in range(size)] for own in range(size)]
    return rows, [list(column) for column in zip(*rows, strict=True)]


def _zero_sum(rows: Table) -> tuple[Table, Table]:
    return rows, [[-payoff for payoff in row] for row in rows]


def _common(rows: Table) -> tuple[Table, Table]:
    return rows, rows


def _travelers(own: int, other: int) -> float:
    """Claims of 2 to 7, a reward or a fine of 2 for the lower or the higher."""
    claim, against = own + 2, other + 2
    return min(claim, against) + 2 * ((claim < against) - (claim > against))


def _money_request(own: int, other: int) -> float:
    """Requests of 11 to 20; 20 more for the one who asks for just one less than the other."""
    return own + 11 + 20 * (own == other - 1)


def _bertrand(own: int, other: int) -> float:
    """Prices of 1 to 6, ten customers who buy from the cheaper."""
    return (own + 1) * (10 * (own < other) + 5 * (own == other))


def _cournot(own: int, other: int) -> float:
    """Quantities of 0 to 6 at a price of 12 less both quantities, not below 0, and a cost of 1."""
    return own * (max(12 - own - other, 0) - 1)


def _attrition(own: int, other: int) -> float:
    """A prize of 4 for who stays longer, a cost of 1 for each time until the other leaves."""
    return 4 * (own > other) + 2 * (own == other) - min(own, other)


def _undercut(own: int, other: int) -> float:
    """Hofstadter's game: numbers of 1 to 5 are kept, but just one less takes both."""
    if own == other - 1:
        return own + other + 2
    return 0 if own == other + 1 else own + 1


def _graded_dilemma(own: int, other: int) -> float:
    """Cooperation in five grades, which costs half of what it gives the other."""
    return other / 2 - own / 4


_FORCES = tuple((a, b, 4 - a - b) for a in range(5) for b in range(5 - a))
_CYCLE = {0: 0, 1: 1, 2: -1}  # by own less other, modulo 3


def _blotto(own: int, other: int) -> float:
    """Four units on three fields; the sum of fields won less fields lost."""
    return sum((a > b) - (a < b) for a, b in zip(_FORCES[own], _FORCES[other], strict=True))


def _morra(own: int, other: int) -> float:
    """Fingers shown, 1 or 2, and guessed of the other: who alone guesses right wins the sum shown."""
    shows, guesses = divmod(own, 2)
    shown, guessed = divmod(other, 2)
    return ((guesses == shown) - (guessed == shows)) * (shows + shown + 2)


def _spock(own: int, other: int) -> float:
    """Each of five beats the next and the one two after that, in a circle."""
    return {0: 0, 1: 1, 2: -1, 3: 1, 4: -1}[(other - own) % 5]


NAMED: dict[str, tuple[Table, Table]] = {
    "matching_pennies": _zero_sum([[1.0, -1.0], [-1.0, 1.0]]),
    "penalty_kick": _zero_sum([[0.6, 0.95], [0.9, 0.7]]),
    "inspection": ([[0.0, -1.0], [-0.5, -0.5]], [[0.0, 1.0], [0.0, -2.0]]),
    "pure_coordination": _common([[1.0, 0.0], [0.0, 1.0]]),
    "hi_lo": _common([[2.0, 0.0], [0.0, 1.0]]),
    "bach_or_stravinsky": ([[3.0, 0.0], [0.0, 2.0]], [[2.0, 0.0], [0.0, 3.0]]),
    "rock_paper_scissors": _symmetric(3, lambda own, other: _CYCLE[(own - other) % 3]),
    "rock_paper_scissors_lizard_spock": _symmetric(5, _spock),
    "shapley": (
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]],
    ),
    "three_way_coordination": _common([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
    "dispersion": _common([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]),
    "climbing": _common([[11.0, -30.0, 0.0], [-30.0, 7.0, 6.0], [0.0, 0.0, 5.0]]),
    "penalty": _common([[10.0, 0.0, -10.0], [0.0, 2.0, 0.0], [-10.0, 0.0, 10.0]]),
    "hawk_dove_bourgeois": _symmetric(
        3, lambda own, other: [[-1.0, 2.0, 0.5], [0.0, 1.0, 0.5], [-0.5, 1.5, 1.0]][own][other]
    ),
    "optional_dilemma": _symmetric(
        3, lambda own, other: [[3.0, 0.0, 2.0], [5.0, 1.0, 2.0], [2.0, 2.0, 2.0]][own][other]
    ),
    "graded_dilemma": _symmetric(5, _graded_dilemma),
    "minimum_effort": _symmetric(7, lambda own, other: 2 * (min(own, other) + 1) - (own + 1) + 6),
    "travelers_dilemma": _symmetric(6, _travelers),
    "money_request": _symmetric(10, _money_request),
    "bertrand": _symmetric(6, _bertrand),
    "cournot": _symmetric(7, _cournot),
    "attrition": _symmetric(6, _attrition),
    "undercut": _symmetric(5, _undercut),
    "blotto": _symmetric(len(_FORCES), _blotto),
    "morra": _symmetric(4, _morra),
}
"""The first player's payoffs and the second's, by both players' actions, the first player's first."""

DILEMMAS: dict[str, tuple[float, float, float, float]] = {
    "prisoners_dilemma": (3.0, 0.0, 5.0, 1.0),
    "stag_hunt": (5.0, 0.0, 3.0, 2.0),
    "chicken": (3.0, 1.0, 5.0, 0.0),
    "deadlock": (1.0, 0.0, 5.0, 3.0),
    "leader": (1.0, 3.0, 5.0, 0.0),
    "harmony": (5.0, 3.0, 2.0, 0.0),
}
"""What both get for mutual cooperation, who cooperates alone, who defects alone, and both for mutual defection."""


def dilemma_payoffs(game: str, temptation: float) -> Mapping[str, Any]:
    both, alone, defector, neither = DILEMMAS[game]
    defector *= temptation
    return {"rows": [[both, alone], [defector, neither]], "columns": [[both, defector], [alone, neither]]}


# ------------------------------------------------------------------ axes

MEMORY = size("memory", 1, 1, 10, (2, 5), "last rounds that a player sees", "rounds")
MISPERCEPTION = probability("misperception", (0.1, 0.3), "that a player sees a random action in place of the other's")
NOISE = number("payoff_noise", 0.0, 0.0, 4.0, (0.25, 1.0), "standard deviation of noise on each payoff")
STAKES = number("stakes", 1.0, 0.1, 10.0, (0.4, 2.5), "factor on the second player's payoffs", "x")
GROWTH = number("growth", 1.0, 0.9, 1.1, (0.95, 1.05), "factor on all payoffs from one round to the next", "x")
MESSAGES = size("messages", 1, 1, 4, (2, 4), "messages that a player can send with its action; 1: silence")
CURVATURE = number("curvature", 1.0, 0.2, 5.0, (0.4, 2.5), "power of a payoff's place between the worst and the best")
PARTNER_TREMBLE = probability("partner_tremble", (0.05, 0.2), "that the partner's action is replaced by a random one")
TEMPTATION = number("temptation", 1.0, 0.5, 2.0, (0.7, 1.5), "factor on what defecting alone pays", "x")

_TABLE = (MEMORY, MISPERCEPTION, NOISE, STAKES, GROWTH)
_AGAINST = (MEMORY, MISPERCEPTION, NOISE, GROWTH, PARTNER_TREMBLE)

_LEARNER = choice("partner", (*LEARNERS, MIXED), "who the other player is")
_ANYONE = choice("partner", (*MEMORY_ONE, *LEARNERS, MIXED), "who the other player is")

# ------------------------------------------------------------------ construction


def _make_table(
    payoffs: Callable[..., Mapping[str, Any]], names: tuple[str, ...], fixed: Mapping[str, Any], values: Any
) -> Simulator:
    """`names` are the axes that the payoffs follow from."""
    from env_registry.social.dynamics.matrix_game_env import MatrixGame
    from env_registry.social.dynamics.simulator import DynamicsSimulator

    table = payoffs(*(values[name] for name in names))
    rest: dict[str, Scalar] = {name: value for name, value in values.items() if name not in names}
    return DynamicsSimulator(MatrixGame(**table, **fixed, **rest))  # type: ignore[arg-type]


def named_payoffs(game: str) -> Mapping[str, Any]:
    rows, columns = NAMED[game]
    return {"rows": rows, "columns": columns}


def _family(
    name: str,
    payoffs: Callable[..., Mapping[str, Any]],
    names: tuple[str, ...],
    *axes: Any,
    fixed: Mapping[str, Any] | None = None,
    **declared: Any,
) -> Family:
    make = partial(_make_table, payoffs, names, fixed or {})
    return family(name, "matrix_game_env.MatrixGame", *axes, actions=Actions.DISCRETE, make=make, **declared)


FAMILIES: tuple[Family, ...] = (
    _family(
        "ordinal_game",
        ordinal_payoffs,
        ("game", "curvature"),
        task("game", GAMES, "the first player's ranks of the four outcomes, row by row, and the second player's"),
        *TOGETHER,
        *_TABLE,
        MESSAGES,
        CURVATURE,
        description="Two players repeat a 2x2 game in which each has strict preferences over the four outcomes.",
        source="Rapoport and Guyer 1966, A taxonomy of 2x2 games",
        tags=("matrix", "repeated", "mixed-motive"),
    ),
    _family(
        "ordinal_partner",
        ordinal_payoffs,
        ("game", "curvature"),
        task("game", GAMES_WITH_ROLES, "the player's ranks of the four outcomes, row by row, and the partner's"),
        _LEARNER,
        *TOGETHER,
        *_AGAINST,
        CURVATURE,
        fixed={"population": LEARNERS},
        description="A player repeats a strictly ordinal 2x2 game with a partner that learns from its own payoffs.",
        source="Robinson and Goforth 2005, The topology of the 2x2 games; Roth and Erev 1995 on learning",
        tags=("matrix", "repeated", "partners"),
    ),
    _family(
        "matrix_game",
        named_payoffs,
        ("game",),
        task("game", tuple(NAMED), "the payoff table"),
        *TOGETHER,
        *_TABLE,
        MESSAGES,
        description="Two players repeat a well-known game with ties, several actions, or opposed or common interests.",
        source="Camerer 2003, Behavioral game theory; Claus and Boutilier 1998 for climbing and penalty",
        tags=("matrix", "repeated"),
    ),
    _family(
        "dilemma_partner",
        dilemma_payoffs,
        ("game", "temptation"),
        task("game", tuple(DILEMMAS), "payoffs of cooperation (action 0) and defection (action 1)"),
        _ANYONE,
        *TOGETHER,
        *_AGAINST,
        TEMPTATION,
        fixed={"population": (*MEMORY_ONE, *LEARNERS)},
        description="A player repeats a symmetric social dilemma with a strategy of Axelrod's kind or a learner.",
        source="Axelrod and Hamilton 1981, https://doi.org/10.1126/science.7466396",
        tags=("matrix", "repeated", "partners", "dilemma"),
    ),
)
