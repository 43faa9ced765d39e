"""Bare loops of environments with several agents: each library's own constructor, seeding and stepping.

mpe2 and PettingZoo are driven through their parallel or AEC interface, OpenSpiel through its `rl_environment` with its
own seeded chance sampler. A loop is given what each agent did at each step, by agent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np
from open_spiel.python import rl_environment
from pettingzoo import make

JointActions: TypeAlias = Iterable[Mapping[str, Any]]


class Episode:
    """What each agent saw and got, and who acted.

    `columns[agent]` holds `observations` (whenever the agent acts next or has just left), and `rewards`, `terminations`
    and `truncations` of every step that found the agent in play. `order` has the acting agents of each step.
    """

    def __init__(self, agents: Iterable[str]) -> None:
        names = ("observations", "rewards", "terminations", "truncations")
        self.columns: dict[str, dict[str, list[Any]]] = {agent: {name: [] for name in names} for agent in agents}
        self.order: list[tuple[str, ...]] = []

    def see(self, observations: Mapping[str, Any]) -> None:
        for agent, observation in observations.items():
            self.columns[agent]["observations"].append(np.array(observation))

    def get(self, agent: str, reward: Any, terminated: Any, truncated: Any) -> None:
        column = self.columns[agent]
        column["rewards"].append(np.float64(reward))
        column["terminations"].append(bool(terminated))
        column["truncations"].append(bool(truncated))


def bare_episode(family: str, seed: int, actions: JointActions, **arguments: Any) -> Episode:
    """One episode of the given actions, as far as it goes; `arguments` are the library's own, beside the defaults."""
    loops = BARE if family in BARE else import_module(f"tests.bare.{family.split('/')[0]}").BARE
    episode: Episode = loops[family](seed, actions, **arguments)
    return episode


# ------------------------------------------------------------------ loops


def _parallel(env: Any, seed: int, actions: JointActions) -> Episode:
    episode = Episode(env.possible_agents)
    observations, _ = env.reset(seed=seed)
    episode.see(observations)
    for joint in actions:
        if not env.agents:
            break
        live = list(env.agents)
        episode.order.append(tuple(live))
        observations, rewards, terminations, truncations, _ = env.step(dict(joint))
        episode.see(observations)
        for agent in live:
            episode.get(agent, rewards[agent], terminations[agent], truncations[agent])
    return episode


def _aec(env: Any, seed: int, actions: JointActions) -> Episode:
    episode = Episode(env.possible_agents)
    env.reset(seed=seed)
    taken = iter(actions)
    for agent in env.agent_iter():
        observation, _, terminated, truncated, _ = env.last()
        episode.see({agent: observation["observation"]})
        if terminated or truncated:
            env.step(None)
            continue
        joint = next(taken, None)
        if joint is None:
            break
        live = list(env.agents)
        env.step(joint[agent])
        episode.order.append((agent,))
        for other in live:
            episode.get(other, env.rewards[other], env.terminations[other], env.truncations[other])
    return episode


def _open_spiel(game: str, defaults: Mapping[str, Any], seed: int, actions: JointActions, **arguments: Any) -> Episode:
    sampler = rl_environment.ChanceEventSampler(seed)
    env = rl_environment.Environment(game, chance_event_sampler=sampler, **{**defaults, **arguments})
    names = [f"player_{player}" for player in range(env.num_players)]
    episode = Episode(names)

    def see(players: Iterable[int]) -> None:
        vectors = step.observations["info_state"]
        episode.see({names[player]: np.array(vectors[player], dtype=np.float32) for player in players})

    step = env.reset()
    for joint in actions:
        acting = range(env.num_players) if step.is_simultaneous_move() else [step.current_player()]
        see(acting)
        episode.order.append(tuple(names[player] for player in acting))
        step = env.step([joint[names[player]] for player in acting])
        for name, reward in zip(names, step.rewards, strict=True):
            episode.get(name, reward, step.last(), False)
        if step.last():
            see(range(env.num_players))
            return episode
    see(range(env.num_players) if step.is_simultaneous_move() else [step.current_player()])
    return episode


def _mpe(
    module: str, seed: int, actions: JointActions, *, world: Mapping[str, float] | None = None, **arguments: Any
) -> Episode:
    env = import_module(f"mpe2.{module}").parallel_env(**arguments)
    for name, value in (world or {}).items():
        assert hasattr(env.unwrapped.world, name)
        setattr(env.unwrapped.world, name, value)
    return _parallel(env, seed, actions)


def _petting_zoo(
    interface: str, game: str, defaults: Mapping[str, Any], seed: int, actions: JointActions, **arguments: Any
) -> Episode:
    loop = _parallel if interface == "parallel" else _aec
    return loop(make(interface, game, **{**defaults, **arguments}), seed, actions)


# ------------------------------------------------------------------ the environments, with defaults that are not theirs

_MPE = (
    "collect_treasure_v1",
    "simple_adversary_v3",
    "simple_crypto_v3",
    "simple_formation_v1",
    "simple_line_v1",
    "simple_push_v3",
    "simple_reference_v3",
    "simple_speaker_listener_v4",
    "simple_spread_v3",
    "simple_tag_v3",
    "simple_world_comm_v3",
)
_PISTONS = {"n_pistons": 5, "render_mode": "rgb_array"}
_PETTING_ZOO: dict[str, tuple[str, str, dict[str, Any]]] = {
    "connect_four": ("aec", "classic/connect_four-v3", {}),
    "knights_archers_zombies": ("parallel", "butterfly/knights_archers_zombies-v11", {"max_cycles": 300}),
    "pistonball": ("parallel", "butterfly/pistonball-v6", _PISTONS),
    "pistonball_discrete": ("parallel", "butterfly/pistonball-v6", {**_PISTONS, "continuous": False}),
    "pursuit": ("parallel", "sisl/pursuit-v5", {"max_cycles": 100}),
    "rps": ("parallel", "classic/rps-v2", {}),
    "tictactoe": ("aec", "classic/tictactoe-v3", {}),
}
_OPEN_SPIEL: dict[str, dict[str, Any]] = {
    "amazons": {"board_size": 6},
    "backgammon": {},
    "bargaining": {},
    "blotto": {},
    "breakthrough": {},
    "capture_the_flag": {"horizon": 100, "grid": "....\na..b\n...."},
    "clobber": {},
    "connect_four": {},
    "coop_box_pushing": {},
    "dark_hex": {},
    "dots_and_boxes": {},
    "first_sealed_auction": {},
    "gin_rummy": {},
    "go": {"board_size": 7},
    "go_fish": {},
    "gomoku": {"size": 7, "connect": 4},
    "goofspiel": {},
    "hanabi": {},
    "havannah": {"board_size": 5},
    "hex": {"board_size": 7},
    "kuhn_poker": {},
    "laser_tag": {"horizon": 100},
    "leduc_poker": {},
    "lewis_signaling": {"num_messages": 2},
    "liars_dice": {},
    "markov_soccer": {"horizon": 100},
    "nim": {},
    "oshi_zumo": {},
    "othello": {},
    "oware": {},
    "pathfinding": {"horizon": 100, "grid": "A.b\n...\nB.a\n"},
    "phantom_ttt": {},
    "pig": {"winscore": 50},
    "sheriff": {},
    "snake": {},
    "trade_comm": {},
    "y": {"board_size": 9},
}

BARE: dict[str, Callable[..., Episode]] = {
    **{f"mpe/{module.rpartition('_v')[0]}": partial(_mpe, module) for module in _MPE},
    **{f"pettingzoo/{name}": partial(_petting_zoo, *call) for name, call in _PETTING_ZOO.items()},
    **{f"openspiel/{name}": partial(_open_spiel, name, defaults) for name, defaults in _OPEN_SPIEL.items()},
    "openspiel/repeated_matrix_game": partial(
        _open_spiel, "repeated_game", {"stage_game": {"name": "matrix_pd"}, "num_repetitions": 20}
    ),
}
