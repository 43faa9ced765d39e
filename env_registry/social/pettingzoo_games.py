"""PettingZoo's games that need no further packages: butterfly, sisl and classic.

Owns which games there are, their constructor arguments as axes, and what is odd about each. Left out: `go`, whose board
size is a global of its module, so that two sizes cannot live in one process; `multiwalker`, `chess`, `hanabi` and the
poker games, which want other packages.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from env_registry.axes import Axis, IntAxis, Scalar
from env_registry.family import Actions, Domain, Family, Observations, Traits
from env_registry.shorthand import number, size, switch
from env_registry.simulator import Kind, Simulator


def _cycles(default: int, levels: tuple[int, ...], high: int) -> IntAxis:
    return size("max_cycles", default, 1, high, levels, "steps after which the episode is truncated", "steps")


# ------------------------------------------------------------------ model construction


def _make_parallel(game: str, fixed: Mapping[str, Any], carries_state: bool, values: Mapping[str, Scalar]) -> Simulator:
    from env_registry.social.pettingzoo_simulators import ParallelSimulator

    def build() -> Any:
        from pettingzoo import make

        return make("parallel", game, **fixed, **values)

    return ParallelSimulator(build, carries_state=carries_state)


def _make_turns(game: str, values: Mapping[str, Scalar]) -> Simulator:
    from pettingzoo import make

    from env_registry.social.pettingzoo_simulators import TurnSimulator

    return TurnSimulator(make("aec", game, **values))


# ------------------------------------------------------------------ registration


def _family(name: str, game: str, *, make: Any, tags: tuple[str, ...], **declared: Any) -> Family:
    namespace, _, page = game.rpartition("-v")[0].partition("/")
    return Family(
        name=f"pettingzoo/{name}",
        domain=Domain.SOCIAL,
        make=make,
        source=f"https://pettingzoo.farama.org/environments/{namespace}/{page}/",
        licence="MIT",
        distribution="pettingzoo",
        tags=(namespace, *tags),
        **declared,
    )


def _parallel(
    name: str,
    game: str,
    *axes: Axis,
    actions: Actions,
    observations: Observations,
    fixed: Mapping[str, Any] | None = None,
    carries_state: bool = False,
    **declared: Any,
) -> Family:
    return _family(
        name,
        game,
        traits=Traits(kind=Kind.PARALLEL, actions=actions, observations=observations),
        axes=axes,
        make=partial(_make_parallel, game, fixed or {}, carries_state),
        **declared,
    )


def _board(name: str, game: str, **declared: Any) -> Family:
    """Boards are planes of zeros and ones (int8)."""
    return _family(
        name,
        game,
        traits=Traits(kind=Kind.TURN, actions=Actions.MASKED, observations=Observations.DISCRETE),
        make=partial(_make_turns, game),
        **declared,
    )


# Each piston sees 457 x 120 x 3 bytes (161 KiB): an episode of the library's 20 pistons and 125 steps would be 411 MB,
# one of 5 pistons is 103 MB.
_PISTONS = (
    size("n_pistons", 5, 3, 20, (4, 8), "number of pistons"),
    number("time_penalty", -0.1, -1.0, 0.0, (-0.5, 0.0), "reward of each piston in each step", "1/step"),
    number("ball_friction", 0.3, 0.0, 1.0, (0.05, 0.9), "coefficient of friction of the ball"),
    switch("random_drop", True, "whether the ball drops at a random place"),
    _cycles(125, (50,), 500),
)


def _pistonball(name: str, actions: Actions) -> Family:
    return _parallel(
        name,
        "butterfly/pistonball-v6",
        *_PISTONS,
        actions=actions,
        observations=Observations.IMAGE,
        # Without a render mode nothing is drawn, and observations are one and the same picture for ever.
        fixed={"continuous": actions is Actions.CONTINUOUS, "render_mode": "rgb_array"},
        horizon=125,
        description="Pistons in a row rise and sink to roll a ball to the left wall, each seeing its surroundings. "
        "Observations are large: 161 KiB an agent and step.",
        tags=("cooperative", "image"),
    )


FAMILIES: tuple[Family, ...] = (
    _pistonball("pistonball", Actions.CONTINUOUS),
    _pistonball("pistonball_discrete", Actions.DISCRETE),
    _parallel(
        "knights_archers_zombies",
        "butterfly/knights_archers_zombies-v11",
        size("spawn_delay", 20, 2, 100, (8, 40), "steps between two zombies", "steps"),
        size("num_archers", 2, 0, 9, (1, 4), "number of archers"),
        size("num_knights", 2, 1, 9, (1, 4), "number of knights"),
        size("max_zombies", 10, 1, 50, (4,), "number of zombies at a time"),
        size("max_arrows", 10, 1, 50, (3,), "number of arrows at a time"),
        _cycles(300, (60,), 900),
        actions=Actions.DISCRETE,
        observations=Observations.VECTOR,
        carries_state=True,  # the countdown to the next zombie runs on over resets
        horizon=300,
        description="Archers and knights keep zombies from crossing the field; the dead leave the game early.",
        tags=("cooperative",),
    ),
    _parallel(
        "pursuit",
        "sisl/pursuit-v5",
        size("x_size", 16, 16, 32, (20, 24), "width of the map", "cells"),
        size("y_size", 16, 16, 32, (20, 24), "height of the map", "cells"),
        switch("shared_reward", True, "whether all pursuers get the mean reward"),
        size("n_evaders", 30, 1, 35, (10,), "number of evaders"),
        size("n_pursuers", 8, 1, 20, (4, 12), "number of pursuers"),
        size("obs_range", 7, 3, 15, (5, 11), "width of the square that a pursuer sees", "cells"),
        switch("freeze_evaders", False, "whether evaders stand still"),
        number("tag_reward", 0.01, 0.0, 1.0, (0.1, 0.5), "reward for touching an evader"),
        number("urgency_reward", -0.1, -1.0, 0.0, (-0.5, 0.0), "reward of each pursuer in each step", "1/step"),
        _cycles(100, (50,), 500),
        actions=Actions.DISCRETE,
        observations=Observations.VECTOR,
        horizon=100,
        description="Pursuers on a grid with an obstacle hunt randomly moving evaders.",
        tags=("cooperative", "grid"),
    ),
    _parallel(
        "rps",
        "classic/rps-v2",
        _cycles(15, (5, 40), 400),
        actions=Actions.DISCRETE,
        observations=Observations.DISCRETE,
        horizon=15,
        description="Rock paper scissors, repeated; each player sees the other's last move.",
        tags=("zero-sum", "matrix", "deterministic"),
    ),
    _board(
        "connect_four",
        "classic/connect_four-v3",
        horizon=42,
        description="Two players drop discs into seven columns; four in a line win.",
        tags=("zero-sum", "board", "deterministic"),
    ),
    _board(
        "tictactoe",
        "classic/tictactoe-v3",
        horizon=9,
        description="Two players mark cells of a square of nine; three in a line win.",
        tags=("zero-sum", "board", "deterministic"),
    ),
)
