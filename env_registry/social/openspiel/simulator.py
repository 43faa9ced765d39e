"""The simulator around an OpenSpiel game, turn-based or simultaneous.

Owns the translation of OpenSpiel's states into `Simulator`'s semantics. Knows no particular game.

Chance is drawn as OpenSpiel's own `rl_environment.ChanceEventSampler(seed)` draws it: at each chance node
`RandomState(seed).choice(outcomes, p=probabilities)` goes on. Agents see the information state where the game provides
one, else the observation, as in `rl_environment`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from env_registry.seeding import EpisodeSeeds
from env_registry.simulator import SINGLE_AGENT, Agent, Kind, Simulator
from env_registry.social.actions import checked


class OpenSpielSimulator(Simulator):
    """One game of OpenSpiel; its players are `player_0`, `player_1`, …

    Observations are float32 vectors. At a simultaneous node every player acts. `masked` says that some actions are
    illegal at times. A game that draws from a generator of its own takes its seed as the parameter `seeded_by`: it is
    loaded anew for every episode, and only replay is exact.

    Raises
    ------
    pyspiel.SpielError
        OpenSpiel refuses the parameters.
    """

    kind = Kind.TURN

    def __init__(self, game: str, parameters: Mapping[str, Any], *, masked: bool, seeded_by: str | None = None) -> None:
        import pyspiel

        self._load: Callable[[dict[str, Any]], Any] = partial(pyspiel.load_game, game)
        self._parameters = dict(parameters)
        self._seeded_by = seeded_by
        self._game = self._load(self._parameters)
        self._masked = masked
        self._informed = self._game.get_type().provides_information_state_tensor
        size = self._game.information_state_tensor_size() if self._informed else self._game.observation_tensor_size()
        self._size = size
        self._observer = self._made_observer()
        self.agents = self._named(self._game.num_players())
        self._player = {agent: player for player, agent in enumerate(self.agents)}
        space = Box(-np.inf, np.inf, (size,), np.float32)
        self.observation_spaces = dict.fromkeys(self.agents, space)
        self._actions = self._game.num_distinct_actions()
        self.action_spaces = {agent: Discrete(self._actions) for agent in self.agents}
        self.actors = ()
        self._state: Any = None
        self._masks: dict[Agent, NDArray[np.int8]] = {}  # of the present state, as far as asked for
        self._chance = np.random.RandomState()

    def reset(self, seeds: EpisodeSeeds) -> dict[Agent, Any]:
        self._chance.seed(seeds.environment)  # 70 us less than another RandomState
        if self._seeded_by:
            self._game = self._load({**self._parameters, self._seeded_by: seeds.environment})
            self._observer = self._made_observer()
        self._state = self._game.new_initial_state()
        self._pass_chance_nodes()
        return {agent: self._observe(agent) for agent in self.actors}

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        chosen = checked(self, action)
        if self._state.is_simultaneous_node():
            self._state.apply_actions(list(chosen.values()))
        else:
            self._state.apply_action(*chosen.values())
        self._pass_chance_nodes()
        over = not self.actors
        observations = {agent: self._observe(agent) for agent in (self.agents if over else self.actors)}
        rewards = dict(zip(self.agents, self._state.rewards(), strict=True))
        return (
            observations,
            rewards,
            dict.fromkeys(self.agents, over),
            dict.fromkeys(self.agents, False),
            {agent: {} for agent in self.agents},
        )

    def action_mask(self, agent: Agent) -> NDArray[np.int8] | None:
        if not self._masked:
            return None
        mask = self._masks.get(agent)
        if mask is None:
            mask = self._masks[agent] = np.zeros(self._actions, np.int8)
            mask[self._state.legal_actions(self._player[agent])] = 1
            mask.flags.writeable = False
        return mask

    def save(self) -> dict[str, Any] | None:
        if self._state is None or self._seeded_by:
            return None
        _, keys, position, _, _ = self._chance.get_state(legacy=True)
        return {"state": self._state.serialize(), "chance_keys": keys, "chance_position": position}

    def load(self, state: dict[str, Any]) -> None:
        if self._seeded_by:
            super().load(state)  # refuses
        self._state = self._game.deserialize_state(state["state"])
        self._chance.set_state(("MT19937", state["chance_keys"], state["chance_position"], 0, 0.0))
        self._present()

    @property
    def text(self) -> str:
        """The state as OpenSpiel prints it."""
        return str(self._state)

    def _named(self, count: int) -> tuple[Agent, ...]:
        return tuple(f"player_{player}" for player in range(count))

    def _pass_chance_nodes(self) -> None:
        while self._state.is_chance_node():
            outcomes, probabilities = zip(*self._state.chance_outcomes(), strict=True)
            self._state.apply_action(self._chance.choice(outcomes, p=probabilities))
        self._present()

    def _present(self) -> None:
        self._masks = {}
        self.actors = self._who_acts()

    def _who_acts(self) -> tuple[Agent, ...]:
        if self._state.is_terminal():
            return ()
        if self._state.is_simultaneous_node():
            return tuple(self.agents)
        return (self.agents[self._state.current_player()],)

    def _observe(self, agent: Agent) -> NDArray[np.float32]:
        player = self._player[agent]
        if self._observer is not None:
            self._observer.set_from(self._state, player)
            return np.array(self._observer.tensor)
        tensor = self._state.information_state_tensor if self._informed else self._state.observation_tensor
        return np.array(tensor(player), dtype=np.float32)

    def _made_observer(self) -> Any:
        """What writes the numbers that a state would list into an array, in 0.4 us for 6 to 190. None where they may be
        others: games in Python have observers of their own, and some of C++ (a small rbc) leave numbers out."""
        import pyspiel
        from open_spiel.python import observation

        if hasattr(self._game, "make_py_observer"):
            return None
        kind = pyspiel.IIGObservationType(perfect_recall=True) if self._informed else None
        observer = observation.make_observation(self._game, kind)
        return observer if observer is not None and observer.tensor.size == self._size else None


class OnePlayerSimulator(OpenSpielSimulator):
    """A game for one player, with bare observations, actions and rewards."""

    kind = Kind.SINGLE

    def reset(self, seeds: EpisodeSeeds) -> Any:
        return super().reset(seeds)[SINGLE_AGENT]

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        observation, reward, terminated, truncated, info = super().step({SINGLE_AGENT: action})
        return (
            observation[SINGLE_AGENT],
            reward[SINGLE_AGENT],
            terminated[SINGLE_AGENT],
            truncated[SINGLE_AGENT],
            info[SINGLE_AGENT],
        )

    def _named(self, count: int) -> tuple[Agent, ...]:
        return (SINGLE_AGENT,)
