"""Families that misbehave on demand, or whose every number is known: what tests of workers run.

Found through the entry point beside this file, as any third party's families are.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from env_registry.axes import FloatAxis, IntAxis
from env_registry.family import Actions, Domain, Family, Observations, Traits
from env_registry.seeding import EpisodeSeeds
from env_registry.simulator import SINGLE_AGENT, Kind, Simulator


class Single(Simulator):
    """Observes (t, number from the seed); pays t + 1; terminates after `length` steps."""

    kind = Kind.SINGLE
    agents = (SINGLE_AGENT,)
    observation_spaces: Mapping[str, spaces.Space[Any]] = {SINGLE_AGENT: spaces.Box(-np.inf, np.inf, (2,), np.float32)}
    action_spaces: Mapping[str, spaces.Space[Any]] = {SINGLE_AGENT: spaces.Discrete(3, start=1)}

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values
        self.actors = ()

    def reset(self, seeds: EpisodeSeeds) -> Any:
        self.t = 0
        self.number = np.float32(np.random.default_rng(seeds.environment).random())
        self.actors = self.agents
        return self.observation()

    def observation(self) -> Any:
        return np.array([self.t, self.number], np.float32)

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        self.t += 1
        terminated = self.t == self.values["length"]
        if terminated:
            self.actors = ()
        return self.observation(), float(self.t), terminated, False, {}


class Gain(Single):
    """`gain` may be drawn anew for each episode; it multiplies the reward."""

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        observation, reward, *rest = super().step(action)
        return (observation, reward * self.values["gain"], *rest)  # type: ignore[return-value]


class Nested(Single):
    """Observations in parts, text among them; an action of two numbers."""

    observation_spaces: Mapping[str, spaces.Space[Any]] = {
        SINGLE_AGENT: spaces.Dict(
            {
                "image": spaces.Box(0, 255, (2, 3, 1), np.uint8),
                "mission": spaces.Text(20),
                "inner": spaces.Tuple([spaces.Discrete(4), spaces.MultiBinary(2), spaces.Box(-1, 1, (), np.float64)]),
            }
        )
    }
    action_spaces: Mapping[str, spaces.Space[Any]] = {SINGLE_AGENT: spaces.MultiDiscrete([2, 5])}

    def observation(self) -> Any:
        image = np.full((2, 3, 1), self.t, np.uint8)
        inner = (self.t % 4, np.array([1, 0], np.int8), np.float64(self.t) / 100)
        return {"image": image, "mission": f"reach {self.t}", "inner": inner}


class Masked(Single):
    """At odd t only the action 2 is legal; at even t all are."""

    def action_mask(self, agent: str) -> Any | None:
        return np.array([0, 1, 0], np.int8) if self.t % 2 else None

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        if self.t % 2 and action != 2:
            raise ValueError("illegal action")
        return super().step(action)


class Hang(Single):
    """Stands still in the third step."""

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        if self.t == 2:
            time.sleep(3600)
        return super().step(action)


class Slow(Single):
    """A step of 5 ms. After the first, the process' id stands in the file `slow.pid` of the folder `LAB_FOLDER`."""

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        time.sleep(0.005)
        if self.t == 0:
            part = Path(os.environ["LAB_FOLDER"], "slow.part")
            part.write_text(str(os.getpid()))
            part.rename(part.with_suffix(".pid"))
        return super().step(action)


class Hungry(Single):
    """Takes 64 MiB a step and keeps them."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.kept: list[Any] = []

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        self.kept.append(np.ones(8 << 20))
        return super().step(action)


class Broken(Single):
    """Fails in the third step of every second episode that it runs."""

    episodes = 0

    def reset(self, seeds: EpisodeSeeds) -> Any:
        self.episodes += 1
        return super().reset(seeds)

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        if self.t == 2 and self.episodes == 2:
            raise RuntimeError("a joint broke")
        return super().step(action)


class Chatty(Single):
    """Writes to the standard output, as engines do."""

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        os.write(1, b"engine says hello\n")
        print("and so does Python")  # noqa: T201
        return super().step(action)


class Parallel(Simulator):
    """Two agents with different views. `tall` is paid 1 a step and ends after 2 steps, `wide` -1 and after `length`."""

    kind = Kind.PARALLEL
    agents = ("tall", "wide")
    observation_spaces: Mapping[str, spaces.Space[Any]] = {
        "tall": spaces.Box(0, 100, (3, 1), np.float64),
        "wide": spaces.Box(0, 100, (1, 3), np.float64),
    }
    action_spaces: Mapping[str, spaces.Space[Any]] = {
        "tall": spaces.Box(-1, 1, (2,), np.float32),
        "wide": spaces.Discrete(2),
    }

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values
        self.actors = ()

    def reset(self, seeds: EpisodeSeeds) -> Any:
        self.t = 0
        self.actors = self.agents
        return self.views(self.agents)

    def views(self, agents: Any) -> dict[str, Any]:
        return {agent: np.full(self.observation_spaces[agent].shape or (), float(self.t)) for agent in agents}

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        live = tuple(self.actors)
        assert set(action) == set(live)
        self.t += 1
        ends = {"tall": 2, "wide": self.values["length"]}
        rewards = {agent: 1.0 if agent == "tall" else -1.0 for agent in live}
        terminations = {agent: agent == "tall" and self.t == ends[agent] for agent in live}
        truncations = {agent: agent == "wide" and self.t == ends[agent] for agent in live}
        self.actors = tuple(agent for agent in live if self.t < ends[agent])
        return self.views(live), rewards, terminations, truncations, {}


class Turn(Simulator):
    """Two players in turn. The second step pays the one who waits 0.5; after `length` moves the last mover wins."""

    kind = Kind.TURN
    agents = ("first", "second")
    observation_spaces: Mapping[str, spaces.Space[Any]] = dict.fromkeys(agents, spaces.Box(0, 100, (1,), np.float32))
    action_spaces: Mapping[str, spaces.Space[Any]] = dict.fromkeys(agents, spaces.Discrete(4))

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values
        self.actors = ()

    def reset(self, seeds: EpisodeSeeds) -> Any:
        self.t = 0
        self.actors = ("first",)
        return {"first": np.array([1.0], np.float32)}

    def action_mask(self, agent: str) -> Any | None:
        return np.array([0, 1, 0, 1], np.int8)

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        ((mover, move),) = action.items()
        assert move in (1, 3)
        other = "second" if mover == "first" else "first"
        self.t += 1
        view = np.array([self.t + 1], np.float32)
        if self.t == self.values["length"]:
            self.actors = ()
            rewards = {mover: 1.0, other: -1.0}
            return {mover: view, other: view}, rewards, {mover: True, other: True}, {}, {}
        self.actors = (other,)
        return {other: view}, ({other: 0.5} if self.t == 2 else {}), {}, {}, {}


_LENGTH = IntAxis(name="length", default=5, low=1, high=1_000_000, description="steps of an episode")
_GAIN = FloatAxis(name="gain", default=1.0, low=0.0, high=10.0, description="factor", randomisable=True)


def _family(name: str, make: Callable[[Mapping[str, Any]], Simulator], *more: Any) -> Family:
    kind: Kind = make.kind  # type: ignore[attr-defined]
    return Family(
        name=f"lab/{name}",
        domain=Domain.SYMBOLIC,
        traits=Traits(kind=kind, actions=Actions.DISCRETE, observations=Observations.VECTOR),
        axes=(_LENGTH, *more),
        make=make,
        horizon=1_000_000,
        description="for tests",
        source="this file",
        licence="Apache-2.0",
        distribution="worldpool-lab",
    )


FAMILIES = (
    _family("single", Single),
    _family("gain", Gain, _GAIN),
    _family("nested", Nested),
    _family("masked", Masked),
    _family("hang", Hang),
    _family("slow", Slow),
    _family("hungry", Hungry),
    _family("broken", Broken),
    _family("chatty", Chatty),
    _family("parallel", Parallel),
    _family("turn", Turn),
)
