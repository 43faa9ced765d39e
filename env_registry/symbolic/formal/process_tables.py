"""Tables of Markov decision processes.

Owns transition probabilities and rewards of named processes and of random regimes. States are numbered from 0, which is
where episodes start unless said otherwise. Rewards are scaled to at most about 1; a process is its
source's, or after it, cut to a small table.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DISCOUNT = 0.97
"""Of rewards to come, for the best behaviour."""


class Process:
    """What each action in each state leads to, built way by way.

    `ways[state][action]` has the probability of each next state; `rewards` are expected ones, states x actions.
    """

    def __init__(self, states: int, actions: int) -> None:
        self.ways: list[list[dict[int, float]]] = [[{} for _ in range(actions)] for _ in range(states)]
        self.rewards: Floats = np.zeros((states, actions))
        self.terminal = np.zeros(states, dtype=np.bool_)
        self.starts: Floats = np.zeros(states)
        self.starts[0] = 1.0

    @property
    def states(self) -> int:
        return len(self.ways)

    @property
    def actions(self) -> int:
        return len(self.ways[0])

    def go(self, state: int, action: int, to: int, probability: float = 1.0, reward: float = 0.0) -> None:
        """A way that an action may go, `to` being cut to the states there are; `reward` is paid if it does."""
        ways = self.ways[state][action]
        to = min(max(to, 0), self.states - 1)
        if probability > 0:
            ways[to] = ways.get(to, 0.0) + probability
            self.rewards[state, action] += probability * reward

    def start_at(self, state: int) -> None:
        self.starts[:] = 0.0
        self.starts[state] = 1.0

    @cached_property
    def targets(self) -> NDArray[np.int64]:
        """Next states: states x actions x most ways, the last one repeated."""
        return np.array([[self._padded(list(ways) or [state]) for ways in row] for state, row in enumerate(self.ways)])

    @cached_property
    def chances(self) -> Floats:
        """Their probabilities."""
        return np.array([[self._padded([*ways.values()] or [1.0], 0.0) for ways in row] for row in self.ways])

    @cached_property
    def action_values(self) -> Floats:
        """Discounted values of actions (states x actions) under the best behaviour."""
        value = np.zeros(self.states)
        for _ in range(300):
            ahead = np.where(self.terminal, 0.0, value)[self.targets]
            values: Floats = self.rewards + DISCOUNT * (self.chances * ahead).sum(axis=2)
            value = values.max(axis=1)
        return values

    @cached_property
    def _most(self) -> int:
        return max(1, *(len(ways) for row in self.ways for ways in row))

    def _padded(self, values: list[Any], filler: Any = None) -> list[Any]:
        return values + [values[-1] if filler is None else filler] * (self._most - len(values))


# ------------------------------------------------------------------ named processes


def river_swim(n: int) -> Process:
    """Strehl and Littman 2008, doi:10.1016/j.jcss.2007.08.009: up the river is hard and pays."""
    p = Process(n, 2)
    for s in range(n):
        p.go(s, 0, s - 1, reward=0.005 if s == 0 else 0.0)
        up, down = (0.35, 0.05) if s > 0 else (0.6, 0.0)
        up = 0.6 if s == n - 1 else up
        p.go(s, 1, s + 1, up, reward=1.0 if s == n - 1 else 0.0)
        p.go(s, 1, s - 1, down if s < n - 1 else 0.4)
        p.go(s, 1, s, 1.0 - up - (down if s < n - 1 else 0.4))
    return p


def six_arms(n: int) -> Process:
    """Strehl and Littman 2008: arms that are harder to get to pay more for staying there."""
    p = Process(n, n - 1)
    for arm in range(1, n):
        p.go(0, arm - 1, arm, 1.0 / arm)
        p.go(0, arm - 1, 0, 1.0 - 1.0 / arm)
        for action in range(n - 1):
            stays = action == arm - 1
            p.go(arm, action, arm if stays else 0, reward=(arm / (n - 1)) ** 2 if stays else 0.0)
    return p


def chain(n: int) -> Process:
    """Dearden, Friedman and Russell 1998, Bayesian Q-learning: forward along the chain, or back to its start for a
    little; with probability 0.2 the other happens."""
    p = Process(n, 2)
    for s in range(n):
        for action in (0, 1):
            for done, chance in ((action, 0.8), (1 - action, 0.2)):
                p.go(s, action, s + 1 if done == 0 else 0, chance, (s == n - 1) * 1.0 if done == 0 else 0.2)
    return p


def loop(n: int) -> Process:
    """Dearden et al. 1998, with one loop: one action goes round, the other back to the start; a round pays."""
    p = Process(n, 2)
    for s in range(n):
        p.go(s, 0, (s + 1) % n, reward=1.0 if s == n - 1 else 0.0)
        p.go(s, 1, 0)
    return p


def double_loop(n: int) -> Process:
    """Dearden et al. 1998: two loops from one state; in the better one only one action goes on."""
    p = Process(2 * n - 1, 2)
    for s in range(2 * n - 1):
        for action in (0, 1):
            if s == 0:
                p.go(s, action, 1 if action == 0 else n)
            elif s < n:
                p.go(s, action, (s + 1) % n, reward=0.5 if s == n - 1 else 0.0)
            elif action:
                p.go(s, action, s + 1 if s < 2 * n - 2 else 0, reward=1.0 if s == 2 * n - 2 else 0.0)
            else:
                p.go(s, action, 0)
    return p


def deep_sea(n: int) -> Process:
    """Osband et al. 2020, https://arxiv.org/abs/1908.03568: a grid in which one falls a row a step; only who always
    goes right finds the treasure, and right costs a little."""
    side = n
    p = Process(side * side, 2)
    for s in range(side * side):
        row, column = divmod(s, side)
        for action in (0, 1):
            to = min(max(column + (1 if action else -1), 0), side - 1)
            found = action == 1 and row == side - 1 and column == side - 1
            p.go(s, action, (row + 1) * side + to if row < side - 1 else 0, reward=(-0.01 / side) * action + found)
    return p


def combination_lock(n: int) -> Process:
    """Kakade 2003, On the sample complexity of reinforcement learning: one of three actions goes on, others go back."""
    p = Process(n, 3)
    for s in range(n):
        for action in range(3):
            right = action == (s * s + 1) % 3
            p.go(s, action, ((s + 1) % n) if right else 0, reward=float(right and s == n - 1))
    return p


def random_walk(n: int) -> Process:
    """Sutton and Barto, example 6.2, with a weak push: from the middle, ends pay -1 and 1."""
    p = Process(n, 2)
    p.terminal[[0, n - 1]] = True
    for s in range(n):
        for action in (0, 1):
            right = 0.6 if action else 0.4
            p.go(s, action, s + 1, right, reward=1.0 if s == n - 2 else 0.0)
            p.go(s, action, s - 1, 1 - right, reward=-1.0 if s == 1 else 0.0)
    p.start_at(n // 2)
    return p


def gambler(n: int) -> Process:
    """Sutton and Barto, example 4.3: stakes of 1, 2, 4 or all that makes sense, at odds of 0.4."""
    p = Process(n, 4)
    p.terminal[[0, n - 1]] = True
    for s in range(n):
        for action, stake in enumerate((1, 2, 4, n)):
            bet = min(stake, s, n - 1 - s)
            p.go(s, action, s + bet, 0.4, reward=1.0 if s + bet == n - 1 else 0.0)
            p.go(s, action, s - bet, 0.6)
    p.start_at(n // 2)
    return p


def machine_replacement(n: int) -> Process:
    """Puterman 1994, Markov decision processes, chapter 4: wear costs more and more; replacing costs at once."""
    p = Process(n, 2)
    for s in range(n):
        p.go(s, 0, s + 1, 0.5, reward=0.5 - s / n)
        p.go(s, 0, s, 0.3, reward=0.5 - s / n)
        p.go(s, 0, s + 2, 0.2, reward=0.5 - s / n)
        p.go(s, 1, 0, reward=-1.0)
    return p


def bus_engine(n: int) -> Process:
    """Rust 1987, doi:10.2307/1911259: mileage grows by 0 to 2 classes and costs; so does a new engine."""
    p = Process(n, 2)
    for s in range(n):
        for more, chance in enumerate((0.35, 0.64, 0.01)):
            p.go(s, 0, s + more, chance, reward=-s / (2 * n))
            p.go(s, 1, more, chance, reward=-1.0)
    return p


def inventory(n: int) -> Process:
    """Puterman 1994, section 3.2: order 0 to 3 items; demand is geometric; sold items earn, stock and orders cost."""
    p = Process(n, 4)
    demand = np.array([0.4, 0.3, 0.2, 0.1])
    for s in range(n):
        for order in range(4):
            stock = min(s + order, n - 1)
            cost = 0.05 * (order > 0) + 0.1 * order + 0.02 * stock
            for wanted, chance in enumerate(demand):
                p.go(s, order, stock - wanted, float(chance), reward=0.3 * min(stock, wanted) - cost)
    return p


def forest(n: int) -> Process:
    """Chadès et al. 2014, doi:10.1111/ecog.00888: let a forest grow for its old age, or cut it; fire may take it."""
    p = Process(n, 2)
    for s in range(n):
        p.go(s, 0, s + 1, 0.9, reward=1.0 if s == n - 1 else 0.0)
        p.go(s, 0, 0, 0.1, reward=1.0 if s == n - 1 else 0.0)
        p.go(s, 1, 0, reward=0.0 if s == 0 else 0.5 if s == n - 1 else 0.25)
    return p


def queue_admission(n: int) -> Process:
    """Naor 1969, doi:10.2307/1909200: let the next customer into a queue, who pays, or not; waiting costs."""
    p = Process(n, 2)
    for s in range(n):
        cost = -0.5 * s / n
        p.go(s, 0, s - 1, 0.5, cost)
        p.go(s, 0, s, 0.5, cost)
        p.go(s, 1, s + 1, 0.45, cost + (0.8 if s < n - 1 else 0.0))
        p.go(s, 1, s - 1, 0.5, cost)
        p.go(s, 1, s, 0.05, cost)
    return p


def queue_service(n: int) -> Process:
    """Crabill 1972, doi:10.1287/mnsc.18.9.560: choose among three speeds of service, the faster the dearer."""
    p = Process(n, 3)
    for s in range(n):
        for action, (speed, price) in enumerate(((0.1, 0.0), (0.4, 0.1), (0.6, 0.35))):
            p.go(s, action, s + 1, 0.35, reward=-s / n - price)
            p.go(s, action, s - 1, speed * 0.65, reward=-s / n - price)
            p.go(s, action, s, 0.65 * (1 - speed), reward=-s / n - price)
    p.start_at(n // 2)
    return p


def mountain_table(n: int) -> Process:
    """Moore 1990, Efficient memory-based learning, as a table: an engine too weak to climb must gain momentum, which is
    one of three classes."""
    p = Process(3 * n, 3)
    valley = n // 2
    for place in range(n):
        for speed in (-1, 0, 1):
            for action in range(3):
                pull = int(np.sign(valley - place))
                push = action - 1
                new = int(np.clip(speed + push + (pull if speed * pull <= 0 else 0), -1, 1))
                to = min(max(place + new, 0), n - 1)
                p.go(3 * place + speed + 1, action, 3 * to + new + 1, 0.9, reward=1.0 if to == n - 1 else -0.01)
                p.go(3 * place + speed + 1, action, 3 * place + 1, 0.1, reward=-0.01)
    p.start_at(3 * valley + 1)
    return p


def river_crossing(n: int) -> Process:
    """A cliff walk with a current (Sutton and Barto, example 6.6): three lanes, of which the lowest is the fall."""
    p = Process(3 * n, 3)
    p.terminal[[3 * s for s in range(1, n)]] = True
    for s in range(n):
        for lane in range(3):
            for action in range(3):
                to_lane, to = min(max(lane + (action - 1), 0), 2), s + (action == 1)
                for drift, chance in ((0, 0.85), (-1, 0.15)):
                    new = max(to_lane + drift, 0)
                    arrived = to >= n
                    reward = 1.0 if arrived else -1.0 if new == 0 and to > 0 else -0.02
                    p.go(3 * s + lane, action, 2 if arrived else 3 * to + new, chance, reward)
    p.start_at(2)
    return p


def secretary(n: int) -> Process:
    """Ferguson 1989, doi:10.1214/ss/1177012493: candidates in random order; stop at one who is the best so far. Even
    states: the candidate is not the best so far; odd: is."""
    p = Process(2 * n + 1, 2)
    p.terminal[2 * n] = True
    for s in range(n):
        for best in (0, 1):
            here = 2 * s + best
            p.go(here, 1, 2 * n, reward=best * (s + 1) / n)
            if s == n - 1:
                p.go(here, 0, 2 * n)
            else:
                p.go(here, 0, 2 * (s + 1) + 1, 1 / (s + 2))
                p.go(here, 0, 2 * (s + 1), 1 - 1 / (s + 2))
    p.start_at(1)
    return p


def foraging(n: int) -> Process:
    """Mangel and Clark 1986, doi:10.2307/1938669: keep reserves above 0: rest, or forage in a safe or a rich patch."""
    p = Process(n, 3)
    p.terminal[0] = True
    for s in range(n):
        reward = 0.1 + 0.4 * s / n
        p.go(s, 0, s - 1, reward=reward)
        for action, (gain, chance, death) in ((1, (2, 0.5, 0.004)), (2, (4, 0.5, 0.05))):
            p.go(s, action, s - 1 + gain, chance * (1 - death), reward)
            p.go(s, action, s - 1, (1 - chance) * (1 - death), reward)
            p.go(s, action, 0, death, reward=-1.0)
    p.start_at(n // 2)
    return p


def car_park(n: int) -> Process:
    """DeGroot 1970, Optimal statistical decisions, the parking problem: a place is free with probability 0.3, and the
    nearer to the goal the better; beyond the last one walks far. Odd states: the place is free."""
    p = Process(2 * n + 1, 2)
    p.terminal[2 * n] = True
    for s in range(n):
        for free in (0, 1):
            here = 2 * s + free
            parks = free == 1
            p.go(here, 1, 2 * n if parks else here, reward=(s + 1) / n if parks else -0.1)
            if s == n - 1:
                p.go(here, 0, 2 * n, reward=-0.5)
            else:
                p.go(here, 0, 2 * (s + 1) + 1, 0.3)
                p.go(here, 0, 2 * (s + 1), 0.7)
    return p


def hydro_dam(n: int) -> Process:
    """Little 1955, doi:10.1287/opre.3.2.187: release 0, 1 or 2 units of water from a dam of uncertain inflow; power
    grows with the head; an overflow and an empty dam cost."""
    p = Process(n, 3)
    for s in range(n):
        for release in range(3):
            used = min(release, s)
            for inflow, chance in enumerate((0.4, 0.4, 0.2)):
                level = s - used + inflow
                penalty = 0.5 * (level > n - 1) + 0.3 * (level <= 0)
                p.go(s, release, level, chance, reward=used * (0.2 + 0.3 * s / n) - penalty)
    p.start_at(n // 2)
    return p


def fishery(n: int) -> Process:
    """Clark 1976, Mathematical bioeconomics: a stock grows logistically; catch none, a fifth or half."""
    p = Process(n, 3)
    for s in range(n):
        for action, share in enumerate((0.0, 0.2, 0.5)):
            caught = round(share * s + 0.2 * (share > 0) * (s > 0))
            left = s - caught
            growth = 0.8 * left * (1 - left / n)
            for luck, chance in ((0.5, 0.25), (1.0, 0.5), (1.5, 0.25)):
                p.go(s, action, round(left + luck * growth), chance, reward=2.0 * caught / n)
    p.start_at(n - 1)
    return p


def two_armed_patches(n: int) -> Process:
    """Charnov 1976, doi:10.1016/0040-5809(76)90040-X: a patch gives less and less; the other one recovers while away.
    Leaving takes a step that pays nothing."""
    p = Process(2 * n, 2)
    for level in range(n):
        for patch in (0, 1):
            here = 2 * level + patch
            p.go(here, 0, 2 * max(level - 1, 0) + patch, reward=level / n)
            p.go(here, 1, 2 * (n - 1 - level) + 1 - patch)
    p.start_at(2 * (n - 1))
    return p


_NAMED: dict[str, Callable[[int], Process]] = {
    builder.__name__: builder
    for builder in (
        *(river_swim, six_arms, chain, loop, double_loop, deep_sea, combination_lock, random_walk, gambler),
        *(machine_replacement, bus_engine, inventory, forest, queue_admission, queue_service),
        *(mountain_table, river_crossing, secretary, foraging, car_park, hydro_dam, fishery),
        two_armed_patches,
    )
}


@lru_cache(maxsize=64)
def named(name: str, size: int) -> Process:
    return _NAMED[name](size)


# ------------------------------------------------------------------ random regimes


@lru_cache(maxsize=64)
def garnet(regime: str, states: int, actions: int, branching: int, number: int) -> Process:
    """The number-th process of a regime.

    - garnet: from every state each action leads to `branching` states drawn without replacement, with probabilities cut
      from [0, 1] at uniform points; a reward for a tenth of the states, normal (Bhatnagar et al. 2009);
    - deterministic: to one state each; sparse: a reward for one state only; reversible: along the edges of a graph;
    - layered: only to the next tenth of the states, from the last to the first; periodic: from odd to even and back;
    - clustered: to one's own quarter of the states but for one way in ten; local: to states at most 4 away on a ring;
    - absorbing: a tenth of the states end the episode, with a normal reward; tree: to one's children in a binary tree,
      from its leaves to the root.
    """
    rng = np.random.default_rng([number, states, actions])
    p = Process(states, actions)
    pays = np.where(rng.random(states) < 0.1, rng.standard_normal(states), 0.0)
    pays[rng.integers(states)] = 1.0
    if regime == "sparse":
        pays = np.where(np.arange(states) == states - 1, 1.0, 0.0)
    if regime == "absorbing":
        p.terminal = (rng.random(states) < 0.1) & (np.arange(states) > 0)
        pays = np.where(p.terminal, rng.standard_normal(states), pays)
    friends = _friends(states, rng)
    for state in range(states):
        for action in range(actions):
            possible = _possible(regime, state, states, rng, friends)
            width = 1 if regime == "deterministic" else min(branching, len(possible))
            cuts = np.sort(rng.random(width - 1))
            shares = np.diff(np.concatenate(([0.0], cuts, [1.0])))
            for to, share in zip(rng.permutation(possible)[:width].tolist(), shares.tolist(), strict=True):
                p.go(state, action, to, share, pays[to])
    return p


def _friends(states: int, rng: np.random.Generator) -> list[list[int]]:
    """Neighbours in a ring with as many chords as states."""
    friends = [{(state - 1) % states, (state + 1) % states} for state in range(states)]
    for a, b in rng.integers(states, size=(states, 2)).tolist():
        friends[a].add(b)
        friends[b].add(a)
    return [sorted(those) for those in friends]


def _possible(
    regime: str, state: int, states: int, rng: np.random.Generator, friends: list[list[int]]
) -> NDArray[np.int64]:
    everywhere: NDArray[np.int64] = np.arange(states)
    mask: NDArray[np.bool_] = np.ones(states, dtype=np.bool_)
    match regime:
        case "layered":
            mask = everywhere * 10 // states == _next_layer(state, states)
        case "clustered":
            near = everywhere * 4 // states == state * 4 // states
            mask = near if rng.random() < 0.9 else ~near
        case "local":
            mask = np.isin((everywhere - state) % states, np.arange(-4, 5) % states)
        case "periodic":
            mask = everywhere % 2 != state % 2
        case "reversible":
            mask = np.isin(everywhere, friends[state])
        case "tree":
            mask = (everywhere - 1) // 2 == state
            mask[0] = not mask[1:].any()
    return everywhere[mask]


def _next_layer(state: int, states: int) -> int:
    """Of ten layers, of which small processes leave some empty."""
    layers = sorted({other * 10 // states for other in range(states)})
    return layers[(layers.index(state * 10 // states) + 1) % len(layers)]
