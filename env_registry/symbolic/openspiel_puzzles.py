"""Games of OpenSpiel for one player.

Owns which puzzles there are, and the caves of stones and gems. The simulator is that of the games for several.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from env_registry.axes import Axis, Scalar
from env_registry.family import Actions, Actor, Domain, Family, Observations, Traits
from env_registry.shorthand import number, size
from env_registry.simulator import Kind, Simulator
from env_registry.social.openspiel.game import DETERMINISTIC, Parameters, choice, source, switch

# ------------------------------------------------------------------ caves of stones and gems

# As OpenSpiel prints them, and its numbers of them; those that move start leftwards.
_ELEMENTS = {"@": 0, " ": 1, ".": 2, "o": 3, "*": 5, "C": 7, "F": 11, "U": 15, "H": 18, "S": 19, "Q": 20}
_ELEMENTS |= {"r": 27, "1": 29, "b": 30, "2": 32, "+": 39, "^": 41}

# Each cave asks for something else: to dig under stones, to dodge, to crush, to crack, to unlock, to change, to blast.
_CAVES = {
    "stones": ("..o*...o..", ".@..o.*...", "o.*.o...*.", "..o...o*..", "*...*..o.C"),
    "fireflies": ("..*..  F.*", ".@...HHH..", "*..*.   F.", "...HHHH.*.", "*......*.C"),
    "butterflies": ("..oo.ooo..", ".@...*....", "..HHHHHH..", "..H  U H..", "..HH..HH.C"),
    "nuts": ("..o..o..o.", ".@........", "..+..+..+.", "......*...", "*..HHHH*.C"),
    "keys": (".@..S*.*S*", "..1.r..2b.", "....S...S*", ".*..S*..S.", "....S..*SC"),
    "magic_wall": (".o.o.o.o..", "@.........", "HQQQQQQQQ.", "H        .", "........*C"),
    "bombs": (".^..HHHHH.", "@...H*.*H.", ".^..HHHHH.", "...^..*...", "*..HHHH*.C"),
}
_CAVE_WIDTH = 10
_OPEN = " .*#123456789RB"  # what the witness walks into, open gates included


def _cave(values: Mapping[str, Scalar]) -> Parameters:
    rows = _CAVES[str(values["cave"])]
    wall = "S" * (_CAVE_WIDTH + 2)
    lines = [wall, *(f"S{row}S" for row in rows), wall]
    head = f"{len(wall)}|{len(lines)}|{values['max_steps']}|{values['gems_needed']}"
    numbered = ("|".join(f"{_ELEMENTS[element]:02}" for element in line) for line in lines)
    return {"grid": "\n".join((head, *numbered))}


def _gem_seeker(simulator: Simulator) -> Actor:
    """Walks the shortest way to a gem, or to the exit when it is open; at random where there is none."""
    steps = {(0, 0): 0, (-1, 0): 1, (0, 1): 2, (1, 0): 3, (0, -1): 4}

    def act(_: Any, rng: np.random.Generator) -> int:
        assert isinstance(simulator, _one_player())
        lines = simulator.text.splitlines()
        for goals in ("#", "*", "123456789"):
            first = _first_step(lines, goals)
            if first:
                return steps[first]
        return int(rng.integers(5))

    return act


def _along_the_cliff(simulator: Simulator) -> Actor:
    """Up, to the right until the end, and down to the goal."""
    right, up, down = 0, 1, 3

    def act(_: Any, rng: np.random.Generator) -> int:
        assert isinstance(simulator, _one_player())
        lines = simulator.text.split()
        if "P" in lines[-1]:
            return up
        return down if any(line.endswith("P") for line in lines) else right

    return act


def _first_step(lines: list[str], goals: str) -> tuple[int, int] | None:
    """The first step (rows, columns) of a shortest way over open cells to a cell of the goals."""
    start = next((row, line.index("@")) for row, line in enumerate(lines) if "@" in line)
    waiting: deque[tuple[tuple[int, int], tuple[int, int] | None]] = deque([(start, None)])
    seen = {start}
    while waiting:
        (row, column), first = waiting.popleft()
        if lines[row][column] in goals:
            return first
        for step in ((-1, 0), (0, 1), (1, 0), (0, -1)):
            place = (row + step[0], column + step[1])
            if place not in seen and lines[place[0]][place[1]] in _OPEN:
                seen.add(place)
                waiting.append((place, first or step))
    return None


# ------------------------------------------------------------------ model construction


def _one_player() -> Any:
    from env_registry.social.openspiel.simulator import OnePlayerSimulator

    return OnePlayerSimulator


def _make(
    short_name: str,
    parameters: Callable[[Mapping[str, Scalar]], Parameters],
    masked: bool,
    values: Mapping[str, Scalar],
) -> Simulator:
    simulator: Simulator = _one_player()(short_name, parameters(values), masked=masked)
    return simulator


# ------------------------------------------------------------------ registration


def _puzzle(
    short_name: str,
    *axes: Axis,
    name: str | None = None,
    horizon: int | Callable[[Mapping[str, Scalar]], int],
    description: str,
    tags: tuple[str, ...],
    actions: Actions = Actions.DISCRETE,
    parameters: Callable[[Mapping[str, Scalar]], Parameters] = dict,
    witness: Callable[[Simulator], Actor] | None = None,
) -> Family:
    return Family(
        name=f"openspiel/{name or short_name}",
        domain=Domain.SYMBOLIC,
        traits=Traits(kind=Kind.SINGLE, actions=actions, observations=Observations.VECTOR),
        axes=axes,
        make=partial(_make, short_name, parameters, actions is Actions.MASKED),
        horizon=horizon,
        description=description,
        source=source(short_name),
        licence="Apache-2.0",
        distribution="open-spiel",
        tags=tags,
        witness=witness,
    )


def _integer(name: str, values: Mapping[str, Scalar]) -> int:
    return int(values[name])


FAMILIES: tuple[Family, ...] = (
    _puzzle(
        "2048",
        choice("max_tile", ("2048", "32", "64", "128"), "the tile that ends the game"),
        horizon=lambda values: 4 * int(values["max_tile"]),
        actions=Actions.MASKED,
        description="Tiles slide, equal ones merge, a new one appears; the reward is what is merged.",
        tags=("sliding",),
        parameters=lambda values: {"max_tile": int(values["max_tile"])},
    ),
    _puzzle(
        "blackjack",
        horizon=12,
        description="Hit or stand against a dealer, from one pack of cards.",
        tags=("cards",),
    ),
    _puzzle(
        "catch",
        size("rows", 10, 3, 40, (5, 20), "height of the screen", "cells"),
        size("columns", 5, 3, 20, (3, 9), "width of the screen", "cells"),
        horizon=partial(_integer, "rows"),
        description="Move a paddle below a falling ball; only the last step is rewarded.",
        tags=("grid-world",),
    ),
    _puzzle(
        "cliff_walking",
        size("width", 8, 3, 20, (4, 16), "width of the grid", "cells"),
        size("horizon", 100, 5, 500, (10,), "steps of an episode at most", "steps"),
        horizon=partial(_integer, "horizon"),
        description="Walk along a cliff to the goal; a step over it ends the episode at a high cost.",
        tags=("grid-world", DETERMINISTIC),
        witness=_along_the_cliff,
    ),
    _puzzle(
        "deep_sea",
        size("size", 10, 2, 50, (5, 20), "length of the grid's sides, and so the steps of an episode", "cells"),
        switch("randomize_actions", True, "whether what the actions do differs from cell to cell"),
        number("unscaled_move_cost", 0.01, 0.0, 1.0, (0.1, 0.5), "cost of moving right all the way"),
        horizon=partial(_integer, "size"),
        description="Sink through a grid; only a long way of single right moves ends at the treasure.",
        tags=("grid-world", "exploration", DETERMINISTIC),
    ),
    _puzzle(
        "solitaire",
        size("depth_limit", 150, 60, 150, (70, 100), "moves of an episode and cards turned up in it, at most"),
        horizon=partial(_integer, "depth_limit"),
        actions=Actions.MASKED,
        description="Klondike with three cards drawn at a time; each card that is uncovered or put away is rewarded.",
        tags=("cards",),
    ),
    _puzzle(
        "stones_and_gems",
        choice("cave", tuple(_CAVES), "what the cave is made of, and so how its gems are won", task=True),
        size("gems_needed", 2, 1, 4, (1, 4), "gems that open the exit", "gems"),
        size("max_steps", 200, 10, 500, (20, 40, 80), "steps of an episode at most", "steps"),
        horizon=partial(_integer, "max_steps"),
        description="Dig through a cave in which stones fall and enemies roam, collect gems and leave by the exit.",
        tags=("grid-world", DETERMINISTIC),
        parameters=_cave,
        witness=_gem_seeker,
    ),
)
