"""The further games of OpenSpiel through its `rl_environment`: for several players as in `social`, and for one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from open_spiel.python import rl_environment

from tests.bare.social import Episode, JointActions, _open_spiel


def _in_python(module: str, *arguments: Any, **keywords: Any) -> Episode:
    import_module(f"open_spiel.python.games.{module}")
    return _open_spiel(*arguments, **keywords)


def _seeded(seed_name: str, game: str, seed: int, actions: JointActions, **arguments: Any) -> Episode:
    return _open_spiel(game, {seed_name: seed}, seed, actions, **arguments)


class OnePlayer:
    """A game for one player, in the manner of Gymnasium."""

    def __init__(self, game: str, defaults: Mapping[str, Any] | None = None, **arguments: Any) -> None:
        self._game, self._arguments = game, {**(defaults or {}), **arguments}

    def reset(self, *, seed: int, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        sampler = rl_environment.ChanceEventSampler(seed)
        self._env = rl_environment.Environment(self._game, chance_event_sampler=sampler, **self._arguments)
        return self._seen(self._env.reset()), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        step = self._env.step([action])
        return self._seen(step), float(step.rewards[0]), step.last(), False, {}

    def _seen(self, step: Any) -> Any:
        return np.array(step.observations["info_state"][0], dtype=np.float32)


_CAVE = """12|7|200|2
19|19|19|19|19|19|19|19|19|19|19|19
19|02|02|03|05|02|02|02|03|02|02|19
19|02|00|02|02|03|02|05|02|02|02|19
19|03|02|05|02|03|02|02|02|05|02|19
19|02|02|03|02|02|02|03|05|02|02|19
19|05|02|02|02|05|02|02|03|02|07|19
19|19|19|19|19|19|19|19|19|19|19|19"""

_POKER = {
    "betting": "nolimit",
    "numPlayers": 2,
    "numRounds": 2,
    "numRanks": 6,
    "numSuits": 4,
    "numHoleCards": 1,
    "numBoardCards": "0 1",
    "blind": "1 2",
    "firstPlayer": "2 1",
    "stack": "40 40",
    "raiseSize": "2 4",
}

# With their defaults where those are not OpenSpiel's.
_SEVERAL: dict[str, dict[str, Any]] = {
    "antichess": {},
    "banqi": {},
    "battleship": {"board_height": 6, "board_width": 6, "num_shots": 30},
    "bridge": {"use_double_dummy_result": False},
    "checkers": {},
    "chess": {},
    "chinese_checkers": {},
    "crazy_eights": {},
    "crazyhouse": {},
    "cursor_go": {"board_size": 7},
    "dark_chess": {},
    "dou_dizhu": {},
    "einstein_wurfelt_nicht": {},
    "euchre": {},
    "hearts": {},
    "hive": {},
    "kriegspiel": {},
    "latent_ttt": {},
    "lines_of_action": {},
    "maedn": {},
    "mancala": {},
    "nine_mens_morris": {},
    "oh_hell": {},
    "pentago": {},
    "phantom_go": {"board_size": 5},
    "quoridor": {"wall_count": 10},
    "rbc": {},
    "repeated_leduc_poker": {},
    "shogi": {},
    "skat": {},
    "spades": {},
    "tiny_bridge_2p": {},
    "tiny_bridge_4p": {},
    "tiny_hanabi": {},
    "twixt": {},
    "ultimate_tic_tac_toe": {},
    "xiangqi": {},
    "yacht": {},
}
_ONE: dict[str, dict[str, Any]] = {
    "2048": {},
    "blackjack": {},
    "catch": {},
    "cliff_walking": {},
    "deep_sea": {"size": 10},
    "solitaire": {},
    "stones_and_gems": {"grid": _CAVE},
}
_PYTHON: dict[str, dict[str, Any]] = {
    "ant_foraging": {},
    "block_dominoes": {},
    "liars_poker": {"hand_length": 5, "num_digits": 5},
    "team_dominoes": {},
}

BARE: dict[str, Any] = {
    **{f"openspiel/{name}": partial(_open_spiel, name, defaults) for name, defaults in _SEVERAL.items()},
    **{f"openspiel/{name}": partial(OnePlayer, name, defaults) for name, defaults in _ONE.items()},
    **{f"openspiel/{name}": partial(_in_python, name, f"python_{name}", had) for name, had in _PYTHON.items()},
    "openspiel/negotiation": partial(_seeded, "rng_seed", "negotiation"),
    "openspiel/poker": partial(_open_spiel, "universal_poker", _POKER),
}
