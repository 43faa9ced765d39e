"""Modifiers of what an agent is paid: late, rarely, noisily, or the opposite.

Turn-based games pay at their end, so that late and rare payment would change nothing there.
"""

from __future__ import annotations

import math

from env_registry.axes import FloatAxis, IntAxis
from env_registry.modifiers.modifier import Arguments, Modifier, RewardModifier, needs
from env_registry.simulator import Agent, Kind, Simulator

_NO_TURNS = (Kind.SINGLE, Kind.PARALLEL)


class _Delayed(RewardModifier):
    remembers = ("owed",)
    owed: dict[Agent, list[float]]

    def __init__(self, inner: Simulator, arguments: Arguments, position: int) -> None:
        super().__init__(inner, arguments, position)
        self._steps: int = arguments["steps"]

    def forget(self) -> None:
        self.owed = {agent: [] for agent in self.agents}

    def pay(self, agent: Agent, reward: float, ended: bool) -> float:
        owed = self.owed[agent]
        owed.append(reward)
        if ended:
            self.owed[agent] = []
            return math.fsum(owed)
        return owed.pop(0) if len(owed) > self._steps else 0.0


reward_delay = Modifier(
    name="reward_delay",
    axes=(IntAxis(name="steps", default=5, levels=(2, 10), low=1, high=1000, unit="steps", description="how late"),),
    fits=needs(kinds=_NO_TURNS),
    wrap=_Delayed,
    description="Each reward is paid `steps` steps late; what is owed at the end of the episode is paid then.",
    source="https://arxiv.org/abs/1806.07857",
)


class _Sparse(RewardModifier):
    remembers = ("owed", "steps")
    owed: dict[Agent, float]
    steps: dict[Agent, int]

    def __init__(self, inner: Simulator, arguments: Arguments, position: int) -> None:
        super().__init__(inner, arguments, position)
        self._every: int = arguments["every"]

    def forget(self) -> None:
        self.owed = dict.fromkeys(self.agents, 0.0)
        self.steps = dict.fromkeys(self.agents, 0)

    def pay(self, agent: Agent, reward: float, ended: bool) -> float:
        self.owed[agent] += reward
        self.steps[agent] += 1
        if not ended and self.steps[agent] % self._every:
            return 0.0
        owed, self.owed[agent] = self.owed[agent], 0.0
        return owed


reward_sparse = Modifier(
    name="reward_sparse",
    axes=(IntAxis(name="every", default=10, levels=(5, 20), low=2, high=1000, unit="steps", description="interval"),),
    fits=needs(kinds=_NO_TURNS),
    wrap=_Sparse,
    description="Rewards are collected and paid as one sum every `every` steps and at the end of the episode.",
    source="https://arxiv.org/abs/1806.07857",
)


class _Noisy(RewardModifier):
    random = True

    def __init__(self, inner: Simulator, arguments: Arguments, position: int) -> None:
        super().__init__(inner, arguments, position)
        self._sd: float = arguments["sd"]

    def pay(self, agent: Agent, reward: float, ended: bool) -> float:
        return reward + self._sd * self.rng.standard_normal()


reward_noise = Modifier(
    name="reward_noise",
    axes=(
        FloatAxis(
            name="sd",
            default=0.1,
            levels=(0.3, 1),
            low=1e-6,
            high=1e6,
            unit="reward units",
            description="standard deviation",
        ),
    ),
    fits=needs(),
    wrap=_Noisy,
    description="Independent normal noise on every reward that the environment reports.",
    source="https://arxiv.org/abs/1810.01032",
)


class _Negated(RewardModifier):
    def pay(self, agent: Agent, reward: float, ended: bool) -> float:
        return 0.0 - reward  # never -0.0


reward_sign = Modifier(
    name="reward_sign",
    fits=needs(),
    wrap=_Negated,
    description="Every reward is negated: the same dynamics under the opposite objective.",
    source="the misère convention of combinatorial game theory",
)
