"""Bandits as a Gymnasium environment.

Dynamics. Each arm has a base, drawn uniformly within `gap` around a half. What it pays on average is its base, unless

- `unimodal`: the bases rise to one drawn arm and fall after it, round a ring;
- `needle`: one drawn arm has the greatest base, all others the smallest;
- `restless`: after every step bases change by normal steps of standard deviation `rate`, cut to 0..1;
- `switching`: after a step, with probability `rate`, all bases are drawn anew; `mortal`: each arm's, independently;
- `periodic`: it goes up and down by half the gap, `rate / 4` of a turn a step, each arm with a drawn phase;
- `rested`: an arm pays above or below a half by half the gap, and with probability `rate` changes that when pulled;
- `rotting`: the base times (1 - rate)^n after n pulls; `rising`: times 1 - (1 - rate)^(n + 1);
- `recovering`: times 1 - (1 - rate)^n, n steps after it was last pulled (at the start 100);
- `sleeping`: each step three arms of ten are asleep and pay nothing; who is awake is seen;
- `contextual`: each context has its own bases, and each step a drawn context, which is seen;
- `linear`: each step features -1 or 1 are drawn and seen; an arm pays a half more or less the mean of the features
  times its drawn weights (-1..1), times the gap.

Payments are 1 or 0, but `gaussian`: the mean plus normal noise (0.3), `heavy_tailed`: the mean times a Lomax variable
of shape 2. `experts` sees all arms' outcomes. `apple_tasting` has two arms: one pays nothing; the other pays 1 or -1,
with a chance that depends on the context. `duelling` pulls two arms at once (pairs i < j in order), pays the mean of
their bases, and shows whether the first won, which it does with probability 1/2 and half the difference of bases.
`best_arm` pays nothing for pulls; there is a second action for each arm, which pays its base and ends the episode.
`budgeted` arms have drawn costs, which are seen; when the costs of pulls exceed a fifth of the arms' mean cost times
100, the episode ends.

Random draws are in the order in which `reset` and `step` make them; `corruption` draws whether, then a value of 0 or 1.
"""

from __future__ import annotations

from itertools import combinations
from math import pi, sin
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_CONTEXTUAL = ("contextual", "apple_tasting")
_WITH_CONTEXTS = ("linear", *_CONTEXTUAL)
_WITH_SIGHT = ("sleeping", "experts", "budgeted")  # of something for each arm
_AWAKE = 0.7
_NOISE = 0.3


class BanditEnv(gymnasium.Env[NDArray[np.float32], np.int64]):
    """Observation: the last action (-1 at first), its outcome, and what else is seen: who is awake, which context (one
    number each, 0 or 1), features, all outcomes, or costs. The reward is what is paid, less `step_cost`."""

    metadata = {"render_modes": []}  # noqa: RUF012  # as Gymnasium declares it
    STATE: ClassVar[tuple[str, ...]] = ("bases", "extra", "seen", "pulls", "rest", "steps", "budget")

    def __init__(
        self,
        *,
        kind: str = "bernoulli",
        arms: int = 5,
        gap: float = 0.8,
        rate: float = 0.1,
        contexts: int = 4,
        corruption: float = 0.0,
        blind: bool = False,
        step_cost: float = 0.0,
        slip: float = 0.0,
    ) -> None:
        arms = 2 if kind == "apple_tasting" else arms
        wide = contexts if kind in _WITH_CONTEXTS else arms if kind in _WITH_SIGHT else 0
        self.observation_space = spaces.Box(-np.inf, np.inf, (2 + wide,), np.float32)
        self._pairs = list(combinations(range(arms), 2))
        self._actions = {"duelling": len(self._pairs), "best_arm": 2 * arms}.get(kind, arms)
        self.action_space = spaces.Discrete(self._actions)
        self._kind, self._arms, self._gap, self._rate, self._contexts = kind, arms, gap, rate, contexts
        self._corruption, self._blind, self._step_cost, self._slip = corruption, blind, step_cost, slip
        self.bases: Floats = np.zeros(arms)
        self.extra: Floats = np.zeros(arms)  # phases, weights or costs
        self.seen: Floats = np.zeros(wide)
        self.pulls: Floats = np.zeros(arms)
        self.rest: Floats = np.zeros(arms)  # steps since the last pull
        self.steps = 0
        self.budget = np.inf

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        super().reset(seed=seed)
        self.pulls, self.rest = np.zeros(self._arms), np.full(self._arms, 100.0)
        self.steps, self.budget = 0, np.inf
        self.extra, self.seen = np.zeros(self._arms), np.zeros_like(self.seen)
        self.bases = self._drawn((self._contexts, self._arms) if self._kind in _CONTEXTUAL else (self._arms,))
        self._furnish()
        self._look()
        return self._observation(-1, 0.0), {}

    def step(self, action: np.int64) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        arm = int(action)
        if self._slip and self.np_random.random() < self._slip:
            arm = int(self.np_random.integers(self._actions))
        paid, outcome, over = self._pulled(arm)
        if self._corruption and self.np_random.random() < self._corruption:
            outcome = float(self.np_random.integers(2))
        self._change(arm)
        self._look()
        return self._observation(arm, 0.0 if self._blind else outcome), paid - self._step_cost, over, False, {}

    def hint(self, rng: np.random.Generator) -> int:
        """The action that pays most on average now."""
        if self._kind == "duelling":
            return max(range(self._actions), key=lambda pair: self.bases[list(self._pairs[pair])].sum())
        if self._kind == "best_arm":
            return self._arms + int(self.bases.argmax()) if self.steps > 10 else int(rng.integers(self._arms))
        means = self.means()
        return int((means / self.extra).argmax() if self._kind == "budgeted" else means.argmax())

    def means(self) -> Floats:
        """What each arm pays on average now."""
        bases, keeps = self.bases, 1.0 - self._rate
        match self._kind:
            case "periodic":
                turns = (self._rate * self.steps / 4 + self.extra).tolist()
                return np.array([0.5 + self._gap / 2 * sin(2 * pi * turn) for turn in turns])
            case "rotting":
                return bases * keeps**self.pulls
            case "rising":
                return bases * (1.0 - keeps ** (self.pulls + 1))
            case "recovering":
                return bases * (1.0 - keeps**self.rest)
            case "sleeping":
                return bases * self.seen
            case "contextual":
                means: Floats = bases[self.seen.argmax()]
                return means
            case "apple_tasting":
                return np.array([0.0, 2.0 * bases[self.seen.argmax(), 1] - 1.0])
            case "linear":
                return np.asarray(0.5 + self._gap / 2 * (self.extra * self.seen).mean(axis=1))
        return bases

    def _drawn(self, shape: tuple[int, ...]) -> Floats:
        return 0.5 + self._gap * (self.np_random.random(shape) - 0.5)

    def _furnish(self) -> None:
        """What only some kinds have."""
        match self._kind:
            case "unimodal":
                low_to_high = np.sort(self.bases)
                self.bases = np.concatenate((low_to_high[::2], low_to_high[1::2][::-1]))
                self.bases = np.roll(self.bases, int(self.np_random.integers(self._arms)))
            case "needle":
                self.bases = np.full(self._arms, 0.5 - self._gap / 2)
                self.bases[self.np_random.integers(self._arms)] += self._gap
            case "rested":
                self.bases = np.where(
                    self.np_random.integers(2, size=self._arms), 0.5 + self._gap / 2, 0.5 - self._gap / 2
                )
            case "periodic":
                self.extra = self.np_random.random(self._arms)
            case "linear":
                self.extra = self.np_random.uniform(-1, 1, (self._arms, self._contexts))
            case "budgeted":
                self.extra = self.np_random.uniform(0.2, 1, self._arms)
                self.budget = 20.0 * float(self.extra.mean())
                self.seen = self.extra

    def _look(self) -> None:
        """What is seen before the next step."""
        if self._kind in _CONTEXTUAL:
            self.seen = np.eye(self._contexts)[self.np_random.integers(self._contexts)]
        elif self._kind == "linear":
            self.seen = np.where(self.np_random.integers(2, size=self._contexts), 1.0, -1.0)
        elif self._kind == "sleeping":
            self.seen = (self.np_random.random(self._arms) < _AWAKE).astype(np.float64)

    def _pulled(self, arm: int) -> tuple[float, float, bool]:
        """What is paid, the outcome to be shown, and whether the episode is over."""
        match self._kind:
            case "duelling":
                one, other = self.bases[list(self._pairs[arm])].tolist()
                return (one + other) / 2, float(self.np_random.random() < 0.5 + (one - other) / 2), False
            case "best_arm" if arm >= self._arms:
                base = float(self.bases[arm - self._arms])
                return base, base, True
            case "apple_tasting":
                tasted = self.np_random.random() < self.bases[self.seen.argmax(), 1]
                paid = (2.0 * tasted - 1.0) if arm else 0.0
                return paid, paid, False
            case "experts":
                self.seen = (self.np_random.random(self._arms) < self.bases).astype(np.float64)
                return float(self.seen[arm]), float(self.seen[arm]), False
        paid = self._payment(float(self.means()[arm]))
        if self._kind == "best_arm":
            return 0.0, paid, False
        if self._kind == "budgeted":
            self.budget -= float(self.extra[arm])
        return paid, paid, self.budget < 0

    def _payment(self, mean: float) -> float:
        if self._kind == "gaussian":
            return mean + _NOISE * float(self.np_random.standard_normal())
        if self._kind == "heavy_tailed":
            return mean * float(self.np_random.pareto(2.0))
        return float(self.np_random.random() < mean)

    def _change(self, arm: int) -> None:
        """How arms are after a pull."""
        self.steps += 1
        if self._kind not in ("duelling", "best_arm"):
            self.pulls, self.rest = self.pulls.copy(), self.rest + 1.0
            self.pulls[arm] += 1.0
            self.rest[arm] = 1.0
        if self._kind == "restless":
            self.bases = np.clip(self.bases + self._rate * self.np_random.standard_normal(self._arms), 0.0, 1.0)
        elif self._kind == "switching" and self.np_random.random() < self._rate:
            self.bases = self._drawn((self._arms,))
        elif self._kind == "mortal":
            dies = self.np_random.random(self._arms) < self._rate
            self.bases = np.where(dies, self._drawn((self._arms,)), self.bases)
        elif self._kind == "rested" and self.np_random.random() < self._rate:
            self.bases = self.bases.copy()
            self.bases[arm] = 1.0 - self.bases[arm]

    def _observation(self, action: int, outcome: float) -> NDArray[np.float32]:
        return np.concatenate(((action, outcome), self.seen)).astype(np.float32)
