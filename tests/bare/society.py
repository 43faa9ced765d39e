"""Second, independent versions of our social dynamics: plain loops over the formulas, one number drawn at a time.

Nothing here comes from env_registry. A game is told its parameters by their names, with the defaults of the families.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import permutations
from typing import Any, ClassVar

import numpy as np

from tests.bare.social import Episode, JointActions


class Parameters(dict[str, Any]):
    __getattr__ = dict.__getitem__


def average(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


class Game:
    """What all games share: trembles, feelings about others, and the end."""

    defaults: ClassVar[dict[str, Any]] = {}
    common: ClassVar[dict[str, Any]] = {
        "rounds": 50,
        "continuation": 1.0,
        "tremble": 0.0,
        "altruism": 0.0,
        "envy": 0.0,
        "guilt": 0.0,
    }
    choices = 0  # of an action; 0: an action is `numbers` numbers
    numbers = 1

    def __init__(self, seed: int, arguments: Mapping[str, Any]) -> None:
        unknown = arguments.keys() - self.defaults.keys() - self.common.keys()
        assert not unknown, unknown
        self.p = Parameters({**self.common, **self.defaults, **arguments})
        self.rng = np.random.default_rng(seed)
        self.time = 0
        self.set_up()
        self.start()

    def set_up(self) -> None:
        self.agents = self.p.players

    def start(self) -> None:
        raise NotImplementedError

    def turn(self, acts: list[Any]) -> list[float]:
        raise NotImplementedError

    def view(self, agent: int) -> list[float]:
        raise NotImplementedError

    # -- chance

    def u(self) -> float:
        return float(self.rng.random())

    def z(self) -> float:
        return float(self.rng.standard_normal())

    def one_of(self, things: Sequence[Any]) -> Any:
        return things[int(self.u() * len(things))]

    # -- the loop

    def observation(self, agent: int) -> Any:
        return np.array([self.time / self.p.rounds, *self.view(agent)], dtype=np.float32)

    def step(self, acts: list[Any]) -> tuple[list[float], bool, bool]:
        if self.p.tremble:
            acts = [self.trembling(act) for act in acts]
        payoffs = self.turn(acts)
        rewards = [self.feeling(i, payoffs) for i in range(self.agents)]
        self.time += 1
        stops = self.p.continuation < 1 and self.u() >= self.p.continuation
        return rewards, stops, self.time >= self.p.rounds and not stops

    def trembling(self, act: Any) -> Any:
        trembles = self.u() < self.p.tremble
        drawn = [self.u() for _ in range(1 if self.choices else self.numbers)]
        if not trembles:
            return act
        return int(drawn[0] * self.choices) if self.choices else drawn

    def feeling(self, i: int, x: list[float]) -> float:
        p = self.p
        if p.altruism == p.envy == p.guilt == 0:
            return x[i]
        others = [x[j] for j in range(len(x)) if j != i]
        more = math.fsum(other - x[i] for other in others if other > x[i]) / len(others)
        less = math.fsum(x[i] - other for other in others if other < x[i]) / len(others)
        return x[i] + p.altruism * average(others) - p.envy * more - p.guilt * less


def episode(game: type[Game], seed: int, actions: JointActions, /, **arguments: Any) -> Episode:
    now = game(seed, arguments)
    names = [f"player_{i}" for i in range(now.agents)]
    record = Episode(names)
    record.see({name: now.observation(i) for i, name in enumerate(names)})
    for joint in actions:
        record.order.append(tuple(names))
        acts = [int(joint[name]) if now.choices else [float(x) for x in joint[name]] for name in names]
        rewards, stops, late = now.step(acts)
        record.see({name: now.observation(i) for i, name in enumerate(names)})
        for name, reward in zip(names, rewards, strict=True):
            record.get(name, reward, stops, late)
        if stops or late:
            break
    return record


def hot(i: int, n: int) -> list[float]:
    return [1.0 if i == j else 0.0 for j in range(n)]


def graph(rng: np.random.Generator, kind: str, n: int, links: int, rewiring: float) -> list[list[int]]:
    """Neighbours of each node, from a matrix of who is linked."""
    linked = [[kind == "complete" and a != b for b in range(n)] for a in range(n)]

    def link(a: int, b: int, yes: bool = True) -> None:
        linked[a][b] = linked[b][a] = yes and a != b

    if kind == "grid":
        height = next(h for h in range(math.isqrt(n), 0, -1) if n % h == 0)
        width = n // height
        for y in range(height):
            for x in range(width):
                link(y * width + x, y * width + (x + 1) % width)
                link(y * width + x, (y + 1) % height * width + x)
    if kind in ("ring", "small_world"):
        steps = [(a, s) for a in range(n) for s in range(1, min(links, n - 1) + 1)]
        for a, s in steps:
            link(a, (a + s) % n)
        for a, s in steps if kind == "small_world" else []:
            if rng.random() < rewiring:
                other = int(rng.integers(n))
                if other != a and not linked[a][other]:
                    link(a, (a + s) % n, False)
                    link(a, other)
    if kind == "scale_free":
        stubs: list[int] = []
        for new in range(n):
            if new <= links:
                chosen = list(range(new))
            else:
                chosen = []
                while len(chosen) < links:
                    old = stubs[int(rng.integers(len(stubs)))]
                    chosen += [] if old in chosen else [old]
            for old in chosen:
                link(new, old)
                stubs += [new, old]
    return [[b for b in range(n) if linked[a][b]] for a in range(n)]


# ------------------------------------------------------------------ matrix games

TABLES: dict[str, tuple[list[list[float]], list[list[float]]]] = {
    "matching_pennies": ([[1, -1], [-1, 1]], [[-1, 1], [1, -1]]),
    "rock_paper_scissors": ([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], [[0, 1, -1], [-1, 0, 1], [1, -1, 0]]),
    "cournot": (
        [[q * (max(12 - q - r, 0) - 1) for r in range(7)] for q in range(7)],
        [[r * (max(12 - q - r, 0) - 1) for r in range(7)] for q in range(7)],
    ),
    "bach_or_stravinsky": ([[3, 0], [0, 2]], [[2, 0], [0, 3]]),
}
DILEMMAS = {"prisoners_dilemma": (3, 0, 5, 1), "stag_hunt": (5, 0, 3, 2), "chicken": (3, 1, 5, 0)}
STRATEGIES = {  # at first, and after (own, other) with 0 for cooperation
    "tit_for_tat": (1, {(0, 0): 1, (0, 1): 0, (1, 0): 1, (1, 1): 0}),
    "suspicious_tit_for_tat": (0, {(0, 0): 1, (0, 1): 0, (1, 0): 1, (1, 1): 0}),
    "generous_tit_for_tat": (1, {(0, 0): 1, (0, 1): 1 / 3, (1, 0): 1, (1, 1): 1 / 3}),
    "firm_but_fair": (1, {(0, 0): 1, (0, 1): 0, (1, 0): 1, (1, 1): 2 / 3}),
    "grim": (1, {(0, 0): 1, (0, 1): 0, (1, 0): 0, (1, 1): 0}),
    "win_stay_lose_shift": (1, {(0, 0): 1, (0, 1): 0, (1, 0): 0, (1, 1): 1}),
    "bully": (0, {(0, 0): 0, (0, 1): 1, (1, 0): 0, (1, 1): 1}),
    "alternator": (1, {(0, 0): 0, (0, 1): 0, (1, 0): 1, (1, 1): 1}),
    "extortionate": (0, {(0, 0): 11 / 13, (0, 1): 1 / 2, (1, 0): 7 / 26, (1, 1): 0}),
    "always_cooperate": (1, dict.fromkeys([(0, 0), (0, 1), (1, 0), (1, 1)], 1)),
    "always_defect": (0, dict.fromkeys([(0, 0), (0, 1), (1, 0), (1, 1)], 0)),
    "random": (0.5, dict.fromkeys([(0, 0), (0, 1), (1, 0), (1, 1)], 0.5)),
}
LEARNING = ["reinforcement", "fictitious_play", "smooth_fictitious_play", "q_learning", "best_reply", "satisficing"]


class Learner:
    """A partner that remembers whole histories and works out from them what it does next."""

    def __init__(self, kind: str, pays: list[list[float]]) -> None:
        flat = [x for row in pays for x in row]
        self.kind = kind
        self.pays = [[(x - min(flat)) / (max(flat) - min(flat)) for x in row] for row in pays]
        self.past: list[tuple[int, int]] = []

    def act(self, game: Game) -> int:
        k, past = len(self.pays), self.past
        if self.kind in STRATEGIES:
            first, after = STRATEGIES[self.kind]
            return 0 if game.u() < (after[past[-1]] if past else first) else 1
        if self.kind == "best_reply":
            return self.best([row[past[-1][1]] for row in self.pays]) if past else int(game.u() * k)
        if self.kind == "satisficing":
            if not past:
                return int(game.u() * k)
            own, other = past[-1]
            return own if self.pays[own][other] >= 0.5 else (own + 1) % k
        if self.kind == "q_learning":
            q = [0.5] * k
            for own, other in past:
                q[own] += 0.2 * (self.pays[own][other] - q[own])
            explores, where = game.u() < 0.1, game.u()
            return int(where * k) if explores else self.best(q)
        if self.kind == "reinforcement":
            propensities = [1.0] * k
            for own, other in past:
                propensities = [
                    0.9 * x + self.pays[own][other] if i == own else 0.9 * x for i, x in enumerate(propensities)
                ]
            return self.lot(propensities, game)
        seen = [1.0 + sum(other == i for _, other in past) for i in range(k)]
        values = [
            math.fsum(x * times for x, times in zip(row, seen, strict=True)) / math.fsum(seen) for row in self.pays
        ]
        if self.kind == "fictitious_play":
            return self.best(values)
        return self.lot([math.exp(value / 0.2) for value in values], game)

    @staticmethod
    def best(values: list[float]) -> int:
        return values.index(max(values))

    @staticmethod
    def lot(weights: list[float], game: Game) -> int:
        rest = game.u() * math.fsum(weights)
        for i, weight in enumerate(weights):
            rest -= weight
            if rest < 0:
                return i
        return len(weights) - 1


class Matrix(Game):
    defaults: ClassVar[dict[str, Any]] = {
        "game": "matching_pennies",
        "memory": 1,
        "misperception": 0.0,
        "payoff_noise": 0.0,
        "stakes": 1.0,
        "growth": 1.0,
        "messages": 1,
    }
    everybody: ClassVar[list[str]] = []

    def tables(self) -> tuple[Any, Any]:
        return TABLES[self.p.game]

    def set_up(self) -> None:
        self.agents = 1 if "partner" in self.p else 2
        self.row, self.column = self.tables()
        self.k = len(self.row)
        self.p.setdefault("messages", 1)
        self.choices = self.k * self.p.messages
        self.largest = max(abs(x) for table in (self.row, self.column) for line in table for x in line)

    def start(self) -> None:
        self.seen: list[list[list[float]]] = [[], []]
        if self.agents == 1:
            kind = self.p.partner
            if kind == "mixed":
                kind = self.one_of(self.everybody)
            self.partner = Learner(kind, [[self.column[a][b] for a in range(self.k)] for b in range(self.k)])

    def blurred(self, act: int, probability: float) -> int:
        if probability == 0:
            return act
        wrong, other = self.u() < probability, int(self.u() * self.k)
        return other if wrong else act

    def turn(self, acts: list[Any]) -> list[float]:
        words = [act % self.p.messages for act in acts]
        moves = [act // self.p.messages for act in acts]
        if self.agents == 1:
            moves.append(self.blurred(self.partner.act(self), self.p.partner_tremble))
            words.append(-1)
        a, b = moves
        b_seen, a_seen = self.blurred(b, self.p.misperception), self.blurred(a, self.p.misperception)
        talk = [hot(words[1], self.p.messages), hot(words[0], self.p.messages)] if self.p.messages > 1 else [[], []]
        paid = [
            [self.row[a][b_seen] / self.largest, self.column[a][b_seen] / self.largest],
            [self.column[a_seen][b] / self.largest, self.row[a_seen][b] / self.largest],
        ]
        self.seen[0].append([*hot(a, self.k), *hot(b_seen, self.k), *paid[0], *talk[0]])
        self.seen[1].append([*hot(b, self.k), *hot(a_seen, self.k), *paid[1], *talk[1]])
        if self.agents == 1:
            self.partner.past.append((b, a_seen))
        scale = self.p.growth**self.time
        x, y = self.row[a][b] * scale, self.column[a][b] * scale * self.p.get("stakes", 1.0)
        if self.p.payoff_noise:
            x, y = x + self.p.payoff_noise * self.z(), y + self.p.payoff_noise * self.z()
        return [float(x), float(y)]

    def view(self, agent: int) -> list[float]:
        width = 2 * self.k + 2 + (self.p.messages if self.p.messages > 1 else 0)
        rows = (self.seen[agent][::-1] + [[0.0] * width] * self.p.memory)[: self.p.memory]
        return [x for row in rows for x in row]


class Ordinal(Matrix):
    defaults: ClassVar[dict[str, Any]] = {**Matrix.defaults, "game": "4231-1234", "curvature": 1.0}

    def tables(self) -> tuple[Any, Any]:
        ranks = [[((int(rank) - 1) / 3) ** self.p.curvature for rank in side] for side in self.p.game.split("-")]
        return tuple([[side[0], side[1]], [side[2], side[3]]] for side in ranks)


_AGAINST = {"memory": 1, "misperception": 0.0, "payoff_noise": 0.0, "growth": 1.0, "partner_tremble": 0.0}


class OrdinalPartner(Ordinal):
    defaults: ClassVar[dict[str, Any]] = {
        **_AGAINST,
        "game": "4231-1234",
        "curvature": 1.0,
        "partner": "reinforcement",
    }
    everybody = LEARNING


class DilemmaPartner(Matrix):
    defaults: ClassVar[dict[str, Any]] = {
        **_AGAINST,
        "game": "prisoners_dilemma",
        "temptation": 1.0,
        "partner": "tit_for_tat",
    }
    everybody: ClassVar[list[str]] = [*STRATEGIES, *LEARNING]

    def tables(self) -> tuple[Any, Any]:
        r, s, t, q = DILEMMAS[self.p.game]
        return [[r, s], [t * self.p.temptation, q]], [[r, t * self.p.temptation], [s, q]]


class Network(Game):
    defaults: ClassVar[dict[str, Any]] = {
        "game": "prisoners_dilemma",
        "graph": "small_world",
        "players": 8,
        "residents": 8,
        "links": 2,
        "rewiring": 0.1,
        "benefit": 3.0,
        "cost": 1.0,
        "update": "imitate",
        "mutation": 0.02,
        "sight": "neighbours",
    }

    def set_up(self) -> None:
        super().set_up()
        self.n = self.p.players + self.p.residents
        self.choices = 3 if self.p.game in ("coloring", "rock_paper_scissors") else 2

    def start(self) -> None:
        self.near = graph(self.rng, self.p.graph, self.n, self.p.links, self.p.rewiring)
        self.place = [int(i) for i in self.rng.permutation(self.n)][: self.p.players]
        self.act = [int(self.rng.integers(self.choices)) for _ in range(self.n)]
        self.paid = [0.0] * self.n

    def pair(self, a: int, b: int) -> float:
        gain, loss = self.p.benefit, self.p.cost
        match self.p.game:
            case "prisoners_dilemma":
                return {(0, 0): gain - loss, (0, 1): -loss, (1, 0): gain, (1, 1): 0.0}[a, b]
            case "snowdrift":
                return {(0, 0): gain - loss / 2, (0, 1): gain - loss, (1, 0): gain, (1, 1): 0.0}[a, b]
            case "stag_hunt":
                return loss if a else (0.0 if b else gain)
            case "coordination":
                return 0.0 if a != b else (loss if a else gain)
            case "coloring":
                return -loss if a == b else gain
        return {0: 0.0, 1: gain, 2: -loss}[(a - b) % 3]

    def earns(self, node: int, act: int) -> float:
        around = [self.act[k] for k in self.near[node]]
        if self.p.game == "best_shot":
            return (self.p.benefit if 0 in [act, *around] else 0.0) - (self.p.cost if act == 0 else 0.0)
        if self.p.game == "critical_mass":
            if act == 1:
                return 0.0
            return self.p.benefit if 2 * around.count(0) >= len(around) else -self.p.cost
        return average([self.pair(act, other) for other in around])

    def turn(self, acts: list[Any]) -> list[float]:
        coming = []
        for node in range(self.n):
            first, second = self.u(), self.u()
            coming.append(acts[self.place.index(node)] if node in self.place else self.habit(node, first, second))
        self.act = coming
        self.paid = [self.earns(node, coming[node]) for node in range(self.n)]
        return [self.paid[node] for node in self.place]

    def habit(self, node: int, first: float, second: float) -> int:
        near = self.near[node]
        if first < self.p.mutation:
            return int(second * self.choices)
        if self.p["update"] == "copy":
            return self.act[near[int(second * len(near))]]
        if self.p["update"] == "best_reply":
            values = [self.earns(node, act) for act in range(self.choices)]
            return values.index(max(values))
        top = max(self.paid[k] for k in near)
        if top <= self.paid[node]:
            return self.act[node]
        return next(self.act[k] for k in near if self.paid[k] == top)

    def view(self, agent: int) -> list[float]:
        node = self.place[agent]
        near = self.near[node]
        crowd = self.act if self.p.sight == "everybody" else [self.act[k] for k in near]
        return [
            *hot(self.act[node], self.choices),
            *[sum(each == act for each in crowd) / len(crowd) for act in range(self.choices)],
            self.paid[node],
            average([self.paid[k] for k in near]),
            len(near) / (self.n - 1),
        ]


# ------------------------------------------------------------------ public goods and commons


class PublicGood(Game):
    defaults: ClassVar[dict[str, Any]] = {
        "good": "linear",
        "players": 4,
        "conditional": 0,
        "multiplier": 1.6,
        "threshold": 0.5,
        "inequality": 0.0,
        "sanction_cost": 0.3,
        "sanction_impact": 3.0,
        "risk": 0.9,
        "visibility": "aggregate",
    }

    def set_up(self) -> None:
        super().set_up()
        self.numbers = 2 if self.p.good in ("punishment", "rewarding") else 1
        self.n = self.p.players + self.p.conditional
        self.rich = [1 + self.p.inequality * (2 * i / (self.n - 1) - 1) for i in range(self.n)]

    def start(self) -> None:
        self.share, self.image = [0.5] * self.n, [0.5] * self.n
        self.paid, self.saved, self.total = [0.0] * self.n, [0.0] * self.n, 0.0
        self.stand()

    def stand(self) -> None:
        order = self.rng.permutation(self.n) if self.p.good == "reputation" else range(self.n)
        self.order = [int(i) for i in order]
        self.receiver = {giver: self.order[(place + 1) % self.n] for place, giver in enumerate(self.order)}

    def turn(self, acts: list[Any]) -> list[float]:
        p, n = self.p, self.n
        usual = average(self.share)
        self.share = [act[0] for act in acts] + [usual for _ in range(p.conditional)]
        fine = [act[-1] if self.numbers == 2 else 0.0 for act in acts] + [0.0] * p.conditional
        gift = [a * e for a, e in zip(self.share, self.rich, strict=True)]
        rest = [e - c for e, c in zip(self.rich, gift, strict=True)]
        enough = math.fsum(gift) >= p.threshold * n
        if p.good == "collective_risk":
            self.paid = self.risky(gift, rest)
            return self.paid
        if p.good == "refund" and not enough:
            self.paid = list(self.rich)
            return self.paid
        paid = []
        for i in range(n):
            gain = p.multiplier * average(gift)
            if p.good == "concave":
                gain = p.multiplier * math.sqrt(average(gift))
            elif p.good in ("threshold", "refund"):
                gain = p.multiplier * p.threshold if enough else 0.0
            elif p.good == "weakest_link":
                gain = p.multiplier * min(gift)
            elif p.good == "best_shot":
                gain = p.multiplier * max(gift)
            elif p.good == "club" and self.share[i] < p.threshold:
                gain = 0.0
            elif p.good == "reputation":
                giver = next(j for j in range(n) if self.receiver[j] == i)
                gain = p.multiplier * gift[giver]
            elif self.numbers == 2:
                others = (math.fsum(fine) - fine[i]) / (n - 1)
                off = self.share[i] - average(self.share)
                if p.good == "punishment":
                    gain = gain - p.sanction_cost * fine[i] - p.sanction_impact * others * max(-off, 0.0)
                else:
                    gain = gain - p.sanction_cost * fine[i] + p.sanction_impact * others * max(off, 0.0)
            paid.append(rest[i] + gain)
        if p.good == "reputation":
            self.image = [old + 0.3 * (new - old) for old, new in zip(self.image, self.share, strict=True)]
            self.stand()
        self.paid = paid
        return paid

    def risky(self, gift: list[float], rest: list[float]) -> list[float]:
        self.total += math.fsum(gift)
        self.saved = [old + new for old, new in zip(self.saved, rest, strict=True)]
        if self.time % 5 != 4:
            return [0.0] * self.n
        missed = self.total < self.p.threshold * self.n * 5
        ruin = missed and self.u() < self.p.risk
        paid = [0.0 if ruin else saved for saved in self.saved]
        self.saved, self.total = [0.0] * self.n, 0.0
        return paid

    def view(self, agent: int) -> list[float]:
        row = [self.share[agent], self.paid[agent], average(self.share), min(self.share), max(self.share)]
        row += [self.image[agent], self.image[self.receiver[agent]], self.total / (self.n * 5), self.saved[agent] / 5]
        if self.p.visibility == "individual":
            row += [self.share[(agent + step) % self.n] for step in range(1, self.n)]
        return row


class Commons(Game):
    defaults: ClassVar[dict[str, Any]] = {
        "resource": "logistic",
        "players": 4,
        "growth_rate": 0.5,
        "catchability": 0.5,
        "initial_stock": 0.5,
        "effort_cost": 0.05,
        "tax": 0.0,
        "growth_noise": 0.0,
        "survey_noise": 0.0,
        "shock": 0.0,
    }

    def set_up(self) -> None:
        super().set_up()
        self.two = self.p.resource in ("predator_prey", "patches")
        self.numbers = 2 if self.two else 1

    def start(self) -> None:
        x = self.p.initial_stock
        self.stock = [x / 3, x / 3, x / 3] if self.p.resource == "forest" else [x, x] if self.two else [x]
        self.take = [0.0] * self.p.players
        self.effort = [[0.0] * self.numbers for _ in range(self.p.players)]
        self.survey()

    def survey(self) -> None:
        self.shown = list(self.stock)
        if self.p.survey_noise:
            self.shown = [x * (1 + self.p.survey_noise * self.z()) for x in self.stock]

    def turn(self, acts: list[Any]) -> list[float]:
        p = self.p
        self.effort = acts
        where = [2] if p.resource == "forest" else [0, 1] if self.two else [0]
        caught = [[p.catchability * acts[i][d] * self.stock[w] for d, w in enumerate(where)] for i in range(p.players)]
        left = list(self.stock)
        for d, w in enumerate(where):
            left[w] = max(0.0, left[w] - average([each[d] for each in caught]))
        self.take = [math.fsum(each) for each in caught]
        self.stock = self.grown(left)
        if p.growth_noise:
            self.stock = [x * max(0.0, 1 + p.growth_noise * self.z()) for x in self.stock]
        if p.shock and self.u() < p.shock:
            self.stock = [x / 2 for x in self.stock]
        self.stock = [0.0 if x < 0 else 2.0 if x > 2 else x for x in self.stock]
        self.survey()
        return [
            (1 - p.tax) * own + p.tax * average(self.take) - p.effort_cost * math.fsum(act)
            for own, act in zip(self.take, acts, strict=True)
        ]

    def grown(self, left: list[float]) -> list[float]:
        r, y = self.p.growth_rate, left[0]
        match self.p.resource:
            case "allee":
                return [y + 4 * r * y * (1 - y) * (y - 0.2)]
            case "beverton_holt":
                return [(1 + r) * y / (1 + r * y)]
            case "ricker":
                return [y * math.exp(r * (1 - y))]
            case "gompertz":
                return [y - r * y * math.log(y)] if y else [0.0]
            case "recharge":
                return [min(1.0, y + r / 4)]
            case "seasonal":
                s = r * (1 + 0.8 * math.sin(2 * math.pi * self.time / 12))
                return [y + s * y * (1 - y)]
            case "forest":
                young, middle, old = left
                land = max(0.0, 1 - math.fsum(left))
                return [0.75 * young + r * old * land, 0.75 * middle + 0.25 * young, 0.98 * old + 0.25 * middle]
            case "predator_prey":
                prey, hunters = left
                return [
                    prey + r * prey * (1 - prey) - 0.8 * prey * hunters,
                    hunters + 0.4 * prey * hunters - 0.1 * hunters,
                ]
            case "patches":
                a, b = (y + r * y * (1 - y) for y in left)
                return [0.9 * a + 0.1 * b, 0.9 * b + 0.1 * a]
        return [y + r * y * (1 - y)]

    def view(self, agent: int) -> list[float]:
        efforts = [average([each[d] for each in self.effort]) for d in range(self.numbers)]
        blank = [0.0] * (2 - self.numbers)
        stocks = [*self.shown, 0.0, 0.0][:3]
        return [*stocks, self.take[agent], average(self.take), *self.effort[agent], *blank, *efforts, *blank]


# ------------------------------------------------------------------ bargaining and auctions


class Bargaining(Game):
    defaults: ClassVar[dict[str, Any]] = {
        "protocol": "alternating",
        "players": 2,
        "patience": 0.9,
        "impatience": 0.0,
        "outside": 0.0,
        "breakdown": 0.1,
        "pie_spread": 0.0,
    }

    def set_up(self) -> None:
        super().set_up()
        kind = self.p.protocol
        self.demands = kind in ("nash_demand", "final_offer", "concession")
        self.numbers = 1 if self.demands else 4 if kind == "issues" else 2
        self.delta = [self.p.patience] * self.p.players
        self.delta[0] = self.p.patience * (1 - self.p.impatience)

    def start(self) -> None:
        self.deal, self.offer = False, [0.0, 0.0, 0.0]
        self.paid = [0.0] * self.p.players
        self.last = [[0.0] * 4 for _ in range(self.p.players)]
        self.fresh()
        self.proposer = self.one_of(range(self.p.players)) if self.p.players > 2 else 0

    def fresh(self) -> None:
        self.k = 0
        self.pie = 1.0 + self.p.pie_spread * (2 * self.u() - 1) if self.p.pie_spread else 1.0
        self.weight = [[1 / 3] * 3 for _ in range(self.p.players)]
        if self.p.protocol == "issues":
            self.weight = []
            for _ in range(2):
                drawn = [self.u(), self.u(), self.u()]
                self.weight.append([x / math.fsum(drawn) for x in drawn])

    def turn(self, acts: list[Any]) -> list[float]:
        self.last = [[*act, 0.0, 0.0, 0.0][:4] for act in acts]
        shares = self.demanded([act[0] for act in acts]) if self.demands else self.offered(acts)
        self.deal = shares is not None
        ends = self.deal or self.p.protocol in ("nash_demand", "ultimatum", "final_offer")
        if not ends and self.p.breakdown:
            ends = self.u() < self.p.breakdown
        if shares is not None:
            self.paid = [x * self.pie * d**self.k for x, d in zip(shares, self.delta, strict=True)]
        else:
            self.paid = [self.p.outside * self.pie if ends else 0.0] * self.p.players
        self.k += 1
        if ends:
            self.fresh()
        n = self.p.players
        self.proposer = self.one_of(range(n)) if n > 2 else 1 - self.proposer
        return self.paid

    def demanded(self, want: list[float]) -> list[float] | None:
        fits = math.fsum(want) <= 1
        if self.p.protocol == "nash_demand":
            return want if fits else None
        if fits:
            return [x + (1 - math.fsum(want)) / 2 for x in want]
        if self.p.protocol == "concession":
            return None
        ideal = 0.5 + 0.2 * self.z()
        one, other = want[0], 1 - want[1]
        share = other if abs(other - ideal) < abs(one - ideal) else one
        return [share, 1 - share]

    def offered(self, acts: list[Any]) -> list[float] | None:
        me, n = self.proposer, self.p.players
        if self.p.protocol == "issues":
            self.offer = acts[me][:3]
            you = 1 - me
            value = math.fsum(w * x for w, x in zip(self.weight[you], self.offer, strict=True))
            rest = math.fsum(w * (1 - x) for w, x in zip(self.weight[me], self.offer, strict=True))
            return None if value < acts[you][3] else [rest, value] if me == 0 else [value, rest]
        x = acts[me][0]
        self.offer = [x, x, x]
        if n == 2:
            asked = [1 - me]
        elif self.p.protocol == "unanimity":
            asked = [i for i in range(n) if i != me]
        else:
            asked = [int(i) for i in self.rng.permutation(n) if i != me][: n // 2]
            if self.p.protocol == "veto" and me != 0 and 0 not in asked:
                asked = [*asked[:-1], 0]
        part = x / len(asked)
        if not all(part >= acts[i][1] for i in asked):
            return None
        return [1 - x if i == me else part if i in asked else 0.0 for i in range(n)]

    def view(self, agent: int) -> list[float]:
        offer = self.offer
        if self.demands:
            offer = [average([self.last[i][0] for i in range(self.p.players) if i != agent])] * 3
        head = [1.0 if agent == self.proposer else 0.0, self.delta[agent] ** self.k, self.pie, *offer]
        return [*head, 1.0 if self.deal else 0.0, self.paid[agent], *self.last[agent], *self.weight[agent]]


class Legislature(Bargaining):
    defaults: ClassVar[dict[str, Any]] = {**Bargaining.defaults, "protocol": "majority", "players": 3}


def value_of(u: float, distribution: str) -> float:
    if distribution == "bimodal":
        return 0.4 * u if u < 0.5 else 0.8 + 0.4 * (u - 0.5)
    return {"uniform": u, "high": math.sqrt(u), "low": u * u}[distribution]


class Auction(Game):
    defaults: ClassVar[dict[str, Any]] = {
        "rule": "first_price",
        "values": "private",
        "players": 4,
        "rivals": 0,
        "distribution": "uniform",
        "signal_noise": 0.3,
        "reserve": 0.0,
        "budget": 1.0,
        "units": 2,
        "increment": 0.1,
        "loss_aversion": 1.0,
    }

    def start(self) -> None:
        self.n = self.p.players + self.p.rivals
        self.bid = [0.0] * self.n
        self.before = [[0.0] * 5 for _ in range(self.n)]
        self.fresh()

    def fresh(self) -> None:
        if self.p["values"] == "common":
            worth = value_of(self.u(), self.p.distribution)
            self.worth = [worth] * self.n
            self.signal = [worth + self.p.signal_noise * (2 * self.u() - 1) for _ in range(self.n)]
            self.signal = [0.0 if s < 0 else 1.0 if s > 1 else s for s in self.signal]
        else:
            self.signal = [value_of(self.u(), self.p.distribution) for _ in range(self.n)]
            self.worth = list(self.signal)
            if self.p["values"] == "interdependent":
                self.worth = [(s + average(self.signal)) / 2 for s in self.signal]
        self.within = set(range(self.n))
        self.clock = self.p.reserve if self.p.rule == "english" else 1.0 if self.p.rule == "dutch" else 0.0

    def turn(self, acts: list[Any]) -> list[float]:
        self.bid = [act[0] for act in acts] + [0.8 * s for s in self.signal[self.p.players :]]
        self.bid = [b if b < self.p.budget else self.p.budget for b in self.bid]
        outcome = self.outcome()
        if outcome is None:
            return [0.0] * self.p.players
        price = average(list(outcome[0].values())) if outcome[0] else 0.0
        payoffs = []
        for i in range(self.p.players):
            won = i in outcome[0]
            pays = outcome[0][i] if won else outcome[1].get(i, 0.0)
            gain = (self.worth[i] if won else 0.0) - pays
            payoffs.append(gain * self.p.loss_aversion if gain < 0 else gain)
            self.before[i] = [float(won), pays, price, self.signal[i], self.worth[i]]
        self.fresh()
        return payoffs

    def outcome(self) -> tuple[dict[int, float], dict[int, float]] | None:
        """What winners pay and what losers pay."""
        p, rule = self.p, self.p.rule
        if rule == "dutch":
            takers = [i for i in range(self.n) if self.bid[i] >= self.clock]
            if takers:
                return {takers[0]: self.clock}, {}
            self.clock -= p.increment
            return ({}, {}) if self.clock < p.reserve or self.clock < 0 else None
        if rule == "english":
            stay = {i for i in self.within if self.bid[i] >= self.clock}
            were, self.within = self.within, stay
            if len(stay) >= 2:
                self.clock += p.increment
                return None
            if len(stay) == 1:
                return dict.fromkeys(stay, self.clock), {}
            return ({}, {}) if self.clock <= p.reserve else ({min(were): self.clock - p.increment}, {})
        rank = [i for _, i in sorted((-b, i) for i, b in enumerate(self.bid) if b >= p.reserve)]
        units = min(p.units, self.n - 1) if rule in ("discriminatory", "uniform_price") else 1

        def kth(k: int) -> float:
            return self.bid[rank[k - 1]] if k <= len(rank) else p.reserve

        losers = {i: self.bid[i] for i in rank[units:]} if rule in ("all_pay", "war_of_attrition") else {}
        at = {"second_price": 2, "war_of_attrition": 2, "third_price": 3, "uniform_price": units + 1}.get(rule)
        return {i: self.bid[i] if at is None else kth(at) for i in rank[:units]}, losers

    def view(self, agent: int) -> list[float]:
        won, paid, price, signal, worth = self.before[agent]
        inside = 1.0 if agent in self.within else 0.0
        return [self.signal[agent], self.bid[agent], won, paid, price, self.clock, inside, signal, worth]


class Exchange(Game):
    defaults: ClassVar[dict[str, Any]] = {
        "rule": "call_market",
        "pairs": 3,
        "distribution": "uniform",
        "k": 0.5,
        "fee": 0.0,
    }

    def set_up(self) -> None:
        self.agents = 2 * self.p.pairs

    def start(self) -> None:
        self.named, self.paid, self.done = ([0.0] * self.agents for _ in range(3))
        self.market = [0.0, 0.0, 0.0]
        self.fresh()

    def fresh(self) -> None:
        self.value = [value_of(self.u(), self.p.distribution) for _ in range(self.agents)]

    def turn(self, acts: list[Any]) -> list[float]:
        self.named = [act[0] for act in acts]
        buyers, sellers = range(0, self.agents, 2), range(1, self.agents, 2)
        trades = self.met() if self.p.rule == "pairwise" else self.cleared(buyers, sellers)
        self.paid, self.done = [0.0] * self.agents, [0.0] * self.agents
        for buyer, seller, high, low in trades:
            self.paid[buyer] = self.value[buyer] - high - self.p.fee
            self.paid[seller] = low - self.value[seller] - self.p.fee
            self.done[buyer] = self.done[seller] = 1.0
        price = average([(high + low) / 2 for *_, high, low in trades]) if trades else 0.0
        self.market = [price, average([self.named[i] for i in buyers]), average([self.named[i] for i in sellers])]
        self.fresh()
        return self.paid

    def between(self, bid: float, ask: float) -> float:
        return self.p.k * bid + (1 - self.p.k) * ask

    def met(self) -> list[tuple[int, int, float, float]]:
        partner = [int(i) for i in self.rng.permutation(self.p.pairs)]
        pairs = [(2 * i, 2 * partner[i] + 1) for i in range(self.p.pairs)]
        pairs = [(b, s) for b, s in pairs if self.named[b] >= self.named[s]]
        return [(b, s, *[self.between(self.named[b], self.named[s])] * 2) for b, s in pairs]

    def cleared(self, buyers: Sequence[int], sellers: Sequence[int]) -> list[tuple[int, int, float, float]]:
        bids = sorted((-self.named[i], i) for i in buyers)
        asks = sorted((self.named[i], i) for i in sellers)
        m = 0
        while m < len(bids) and -bids[m][0] >= asks[m][0]:
            m += 1
        if m == 0:
            return []
        bid, ask = -bids[m - 1][0], asks[m - 1][0]
        high = low = self.between(bid, ask)
        if self.p.rule == "mcafee":
            high, low = bid, ask
            fair = (-bids[m][0] + asks[m][0]) / 2 if m < len(bids) else None
            if fair is not None and ask <= fair <= bid:
                high = low = fair
            else:
                m -= 1
        return [(bids[j][1], asks[j][1], high, low) for j in range(m)]

    def view(self, agent: int) -> list[float]:
        side = 1.0 if agent % 2 == 0 else 0.0
        return [side, self.value[agent], self.named[agent], self.done[agent], self.paid[agent], *self.market]


# ------------------------------------------------------------------ populations


class Society(Game):
    shared: ClassVar[dict[str, Any]] = {
        "objective": "persuade",
        "players": 2,
        "residents": 24,
        "graph": "small_world",
        "links": 2,
        "rewiring": 0.1,
        "reach": 0.4,
        "influence": 0.3,
    }

    def start(self) -> None:
        n = self.p.residents
        self.near = graph(self.rng, self.p.graph, n, self.p.links, self.p.rewiring)
        self.follows = [[self.u() < self.p.reach for _ in range(n)] for _ in range(self.p.players)]

    def heard_by(self, i: int) -> list[int]:
        return [j for j in range(self.p.players) if self.follows[j][i]]

    def public(self, agent: int) -> list[int]:
        return [i for i in range(self.p.residents) if self.follows[agent][i]]


class Opinions(Society):
    defaults: ClassVar[dict[str, Any]] = {
        **Society.shared,
        "dynamics": "degroot",
        "confidence": 0.25,
        "stubbornness": 0.3,
        "hostility": 0.2,
        "noise": 0.0,
        "initial": "uniform",
        "loudness_cost": 0.0,
    }

    def start(self) -> None:
        super().start()
        n = self.p.residents
        self.x = [self.u() for _ in range(n)]
        if self.p.initial == "polarised":
            self.x = [1 - 0.15 * x if i % 2 else 0.15 * x for i, x in enumerate(self.x)]
        self.first = list(self.x)
        self.word = [0.5] * self.p.players
        self.foes = set()
        if self.p.dynamics == "signed":
            links = [(i, k) for i in range(n) for k in self.near[i] if i < k]
            self.foes = {frozenset(link) for link in links if self.u() < self.p.hostility}

    def force(self, d: float) -> float:
        if abs(d) <= self.p.confidence:
            return d
        return 0.0 if abs(d) <= 2 * self.p.confidence else -d

    def turn(self, acts: list[Any]) -> list[float]:
        p, x = self.p, self.x
        self.word = [act[0] for act in acts]
        if p.dynamics == "deffuant":
            self.meetings()
        else:
            self.x = [self.moved(i, x) for i in range(p.residents)]
        if p.noise:
            self.x = [x + p.noise * self.z() for x in self.x]
        self.x = [0.0 if x < 0 else 1.0 if x > 1 else x for x in self.x]
        return [self.paid(j) for j in range(p.players)]

    def moved(self, i: int, x: list[float]) -> float:
        p = self.p
        near = [1 - x[k] if frozenset((i, k)) in self.foes else x[k] for k in self.near[i]]
        words = [self.word[j] for j in self.heard_by(i)]
        a = p.influence if words else 0.0
        if p.dynamics == "repulsion":
            pull = (1 - a) * average([self.force(y - x[i]) for y in near])
            if words:
                pull += a * average([self.force(y - x[i]) for y in words])
            return x[i] + 0.3 * pull
        if p.dynamics == "hegselmann_krause":
            near = [y for y in near if abs(y - x[i]) <= p.confidence]
            words = [y for y in words if abs(y - x[i]) <= p.confidence]
            a = p.influence if words else 0.0
        new = (1 - a) * average([x[i], *near])
        if words:
            new += a * average(words)
        return (1 - p.stubbornness) * new + p.stubbornness * self.first[i] if p.dynamics == "friedkin_johnsen" else new

    def meetings(self) -> None:
        p = self.p
        for _ in range(p.residents):
            i, place = int(self.u() * p.residents), self.u()
            k = self.near[i][int(place * len(self.near[i]))]
            gap = self.x[k] - self.x[i]
            if abs(gap) <= p.confidence:
                self.x[i], self.x[k] = self.x[i] + 0.3 * gap, self.x[k] - 0.3 * gap
        for i in range(p.residents):
            if self.heard_by(i):
                gap = average([self.word[j] for j in self.heard_by(i)]) - self.x[i]
                self.x[i] += p.influence * gap if abs(gap) <= p.confidence else 0.0

    def deviation(self) -> float:
        m = average(self.x)
        return math.sqrt(average([(x - m) * (x - m) for x in self.x]))

    def paid(self, j: int) -> float:
        cost = self.p.loudness_cost * abs(2 * self.word[j] - 1)
        if self.p.objective == "persuade":
            goal = 1.0 if j % 2 == 0 else 0.0
            return 1 - average([abs(x - goal) for x in self.x]) - cost
        if self.p.objective == "consensus":
            return 1 - (max(self.x) - min(self.x)) - cost
        return 2 * self.deviation() - cost

    def view(self, agent: int) -> list[float]:
        x, n = self.x, self.p.residents
        edges = [0.0, 0.2, 0.4, 0.6, 0.8]
        bins = [sum(int(min(5 * v, 4)) == b for v in x) / n for b in range(len(edges))]
        public = self.public(agent)
        reached = average([x[i] for i in public]) if public else 0.0
        others = average([self.word[j] for j in range(self.p.players) if j != agent])
        head = [average(x), self.deviation(), min(x), max(x), *bins]
        return [*head, reached, len(public) / n, self.word[agent], others]


class BinaryOpinions(Society):
    choices = 3
    defaults: ClassVar[dict[str, Any]] = {
        **Society.shared,
        "dynamics": "voter",
        "threshold": 0.4,
        "noise": 0.02,
        "initial_share": 0.5,
        "message_cost": 0.05,
    }

    def start(self) -> None:
        super().start()
        self.x = [1 if self.u() < self.p.initial_share else 0 for _ in range(self.p.residents)]
        self.word = [-1] * self.p.players

    def turn(self, acts: list[Any]) -> list[float]:
        p, n = self.p, self.p.residents
        self.word = acts
        if p.dynamics == "sznajd":
            for _ in range(n // 4):
                i, place = int(self.u() * n), self.u()
                k = self.near[i][int(place * len(self.near[i]))]
                if self.x[i] == self.x[k]:
                    for other in {*self.near[i], *self.near[k]}:
                        self.x[other] = self.x[k]
        else:
            self.x = [self.moved(i, self.u(), self.u()) for i in range(n)]
        for i in range(n):
            heeds, whom = self.u() < p.influence, self.u()
            words = [acts[j] for j in self.heard_by(i) if acts[j] != 2]
            if words and heeds:
                self.x[i] = words[int(whom * len(words))]
        if p.noise:
            self.x = [1 - x if self.u() < p.noise else x for x in self.x]
        m = sum(self.x) / n
        agreed = abs(2 * m - 1)
        paid = []
        for j in range(p.players):
            gain = {"persuade": m if j % 2 == 0 else 1 - m, "consensus": agreed, "diversity": 1 - agreed}[p.objective]
            paid.append(gain - (0.0 if acts[j] == 2 else p.message_cost))
        return paid

    def moved(self, i: int, one: float, two: float) -> int:
        near = [self.x[k] for k in self.near[i]]
        match self.p.dynamics:
            case "voter":
                return near[int(one * len(near))]
            case "q_voter":
                a, b = near[int(one * len(near))], near[int(two * len(near))]
                return a if a == b else self.x[i]
            case "majority":
                votes = [*near, self.x[i]]
                ones, zeros = votes.count(1), votes.count(0)
                return 1 if ones > zeros else 0 if zeros > ones else self.x[i]
        if near.count(1) >= self.p.threshold * len(near):
            return 1
        return 0 if one < 0.2 else self.x[i]

    def view(self, agent: int) -> list[float]:
        n = self.p.residents
        links = [(i, k) for i in range(n) for k in self.near[i]]
        public = self.public(agent)
        reached = sum(self.x[i] for i in public) / len(public) if public else 0.0
        row = [sum(self.x) / n, reached, len(public) / n, sum(self.x[i] != self.x[k] for i, k in links) / len(links)]
        for step in range(self.p.players):
            row += hot(self.word[(agent + step) % self.p.players], 3)
        return row


class Cultures(Society):
    defaults: ClassVar[dict[str, Any]] = {**Society.shared, "features": 3, "traits": 4, "noise": 0.01}

    def set_up(self) -> None:
        super().set_up()
        self.choices = self.p.features * self.p.traits

    def start(self) -> None:
        super().start()
        n, f = self.p.residents, self.p.features
        self.x = [[int(self.rng.integers(self.p.traits)) for _ in range(f)] for _ in range(n)]
        self.word = [-1] * self.p.players

    def turn(self, acts: list[Any]) -> list[float]:
        p, n, f = self.p, self.p.residents, self.p.features
        self.word = acts
        for _ in range(n):
            i, place, chance, which = int(self.u() * n), self.u(), self.u(), self.u()
            k = self.near[i][int(place * len(self.near[i]))]
            unlike = [feature for feature in range(f) if self.x[i][feature] != self.x[k][feature]]
            if unlike and chance < 1 - len(unlike) / f:
                feature = unlike[int(which * len(unlike))]
                self.x[i][feature] = self.x[k][feature]
        for i in range(n):
            heeds, whom, heard = self.u() < p.influence, self.u(), self.heard_by(i)
            if heard and heeds:
                act = acts[heard[int(whom * len(heard))]]
                self.x[i][act // p.traits] = act % p.traits
        if p.noise:
            for i in range(n):
                changes, feature, trait = self.u() < p.noise, int(self.u() * f), int(self.u() * p.traits)
                if changes:
                    self.x[i][feature] = trait
        if p.objective == "persuade":
            return [sum(row.count(j % 2) for row in self.x) / (n * f) for j in range(p.players)]
        return [self.largest() if p.objective == "consensus" else self.variety()] * p.players

    def largest(self) -> float:
        return max(self.x.count(row) for row in self.x) / self.p.residents

    def variety(self) -> float:
        return len({tuple(row) for row in self.x}) / self.p.residents

    def view(self, agent: int) -> list[float]:
        p = self.p
        held = [
            sum(row[feature] == trait for row in self.x) / p.residents
            for feature in range(p.features)
            for trait in range(p.traits)
        ]
        audience = len(self.public(agent)) / p.residents
        return [*held, self.largest(), self.variety(), audience, *hot(self.word[agent], p.features * p.traits)]


class Epidemic(Game):
    defaults: ClassVar[dict[str, Any]] = {
        "model": "sir",
        "measure": "distancing",
        "mixing": "complete",
        "players": 6,
        "residents": 18,
        "seeds": 2,
        "links": 2,
        "rewiring": 0.1,
        "transmission": 0.8,
        "recovery": 0.2,
        "onset": 0.4,
        "waning": 0.05,
        "imported": 0.005,
        "effectiveness": 0.7,
        "efficacy": 0.8,
        "caution": 0.0,
        "measure_cost": 0.2,
        "sight": "neighbours",
    }

    def set_up(self) -> None:
        super().set_up()
        self.choices = 2 if self.p.measure == "vaccination" else 3

    def start(self) -> None:
        p = self.p
        self.n = p.players + p.residents
        self.near = graph(self.rng, p.mixing, self.n, p.links, p.rewiring)
        self.beta = min(1.0, p.transmission * self.n / sum(len(near) for near in self.near))
        self.place = [int(i) for i in self.rng.permutation(self.n)][: p.players]
        self.state = ["S"] * self.n
        for i in [int(i) for i in self.rng.permutation(self.n)][: p.seeds]:
            self.state[i] = "I"
        self.apart = [0.0 if i in self.place else p.caution for i in range(self.n)]
        self.known = [p.measure != "testing"] * p.players

    def turn(self, acts: list[Any]) -> list[float]:
        p = self.p
        cost = [0.0] * p.players
        for j, (i, act) in enumerate(zip(self.place, acts, strict=True)):
            if p.measure == "vaccination":
                works = self.u() < p.efficacy
                if act == 1 and self.state[i] == "S":
                    cost[j] = p.measure_cost
                    self.state[i] = "V" if works else "S"
            elif p.measure == "distancing":
                self.apart[i] = (0.0, 0.5, 1.0)[act]
                cost[j] = p.measure_cost * self.apart[i]
            else:
                self.apart[i], self.known[j] = (1.0 if act == 2 else 0.0), act == 1
                cost[j] = p.measure_cost * (0.0, 0.25, 1.0)[act]
        self.state = [self.after(i, self.u()) for i in range(self.n)]
        return [(-1.0 if self.state[i] == "I" else 0.0) - cost[j] for j, i in enumerate(self.place)]

    def after(self, i: int, u: float) -> str:
        p, state = self.p, self.state[i]
        if state == "S":
            safe = 1 - p.imported
            for k in self.near[i]:
                if self.state[k] == "I":
                    open_i, open_k = (1 - p.effectiveness * self.apart[j] for j in (i, k))
                    safe *= 1 - self.beta * open_i * open_k
            return "S" if u < safe else "E" if p.model in ("seir", "seirs") else "I"
        if state == "E":
            return "I" if u < p.onset else "E"
        if state == "I":
            return ("S" if p.model == "sis" else "R") if u < p.recovery else "I"
        if state == "R" and p.model in ("sir", "seir"):
            return "R"
        return "S" if u < p.waning else state

    def view(self, agent: int) -> list[float]:
        i = self.place[agent]
        crowd = range(self.n) if self.p.sight == "everybody" else self.near[i]
        own = [float(self.known[agent] and self.state[i] == each) for each in "SEIRV"]
        sick = sum(self.state[k] == "I" for k in crowd) / len(crowd)
        immune = sum(self.state[k] in "RV" for k in crowd) / len(crowd)
        careful = sum(self.apart[k] > 0 for k in crowd) / len(crowd)
        return [*own, sick, immune, careful, self.apart[i], len(self.near[i]) / (self.n - 1)]


class Congestion(Game):
    defaults: ClassVar[dict[str, Any]] = {
        "game": "braess",
        "players": 6,
        "commuters": 0,
        "capacity": 0.6,
        "steepness": 1.0,
        "toll": 0.0,
        "payoff_noise": 0.0,
        "sight": "all",
    }
    sizes: ClassVar[dict[str, int]] = {"braess": 3, "parallel": 3, "bottleneck": 6, "queues": 3, "restaurants": 4}

    def set_up(self) -> None:
        super().set_up()
        self.choices = self.sizes.get(self.p.game, 2)
        self.n = self.p.players + self.p.commuters

    def start(self) -> None:
        self.taken = [-1] * self.p.players + [int(self.rng.integers(self.choices)) for _ in range(self.p.commuters)]
        self.paid, self.m, self.queue = [0.0] * self.n, [0] * self.choices, [0.0] * self.choices

    def turn(self, acts: list[Any]) -> list[float]:
        p, n = self.p, self.n
        self.taken = acts + self.taken[p.players :]
        self.m = [sum(taken == k for taken in self.taken) for k in range(self.choices)]
        worth = [pay - p.toll * m / n for pay, m in zip(self.worth(), self.m, strict=True)]
        self.paid = [worth[k] for k in self.taken]
        if p.game == "restaurants":
            for k, meal in enumerate((1.0, 0.8, 0.6, 0.4)):
                lucky = self.u()
                guests = [i for i in range(n) if self.taken[i] == k]
                for i in guests:
                    if i != guests[int(lucky * len(guests))]:
                        self.paid[i] -= meal
        if p.payoff_noise:
            self.paid = [x + p.payoff_noise * self.z() for x in self.paid]
        good = [k for k in range(self.choices) if worth[k] == max(worth)]
        for i in range(p.players, n):
            moves, where = self.u() < 0.3, self.u()
            self.taken[i] = good[int(where * len(good))] if moves else self.taken[i]
        return self.paid

    def worth(self) -> list[float]:
        m, n, c, p = self.m, self.n, self.p.capacity, self.p.steepness
        match self.p.game:
            case "pigou":
                return [-1.0, -((m[1] / n) ** p)]
            case "braess":
                upper, lower = ((m[0] + m[2]) / n) ** p, ((m[1] + m[2]) / n) ** p
                return [-(1 + upper), -(1 + lower), -(upper + lower)]
            case "parallel":
                links = zip((0.4, 0.6, 0.9), (0.4, 0.7, 1.0), m, strict=True)
                return [-time * (1 + 0.15 * (load / n / (c * wide)) ** 4) for time, wide, load in links]
            case "el_farol":
                return [0.0, -1.0 if m[1] > c * n else 1.0]
            case "minority":
                return [1.0 if m[k] < m[1 - k] else 0.0 for k in (0, 1)]
            case "market_entry":
                return [0.5, 0.5 + 2 * (c - m[1] / n)]
            case "bottleneck":
                pays, queue, flow = [], 0.0, c * n / 3
                for k in range(6):
                    wait = max(0.0, (queue + m[k]) / flow - 1)
                    early, late = max(0.0, 3 - (k + wait)), max(0.0, k + wait - 3)
                    pays.append(-(wait + 0.5 * early + 2 * late) / 3)
                    queue = max(0.0, queue + m[k] - flow)
                return pays
            case "queues":
                waiting = [queue + each for queue, each in zip(self.queue, m, strict=True)]
                self.queue = [
                    min(max(0.0, length - serves * c * n), 2.0 * n)
                    for length, serves in zip(waiting, (0.2, 0.4, 0.6), strict=True)
                ]
                return [-length / n / speed for length, speed in zip(waiting, (0.5, 1.0, 1.5), strict=True)]
        return [1.0, 0.8, 0.6, 0.4]

    def view(self, agent: int) -> list[float]:
        shares = [m / self.n for m in self.m]
        if self.p.sight == "own":
            shares = [share if k == self.taken[agent] else 0.0 for k, share in enumerate(shares)]
        own = hot(self.taken[agent], self.choices)
        return [*own, self.paid[agent], *shares, *[queue / self.n for queue in self.queue]]


class Voting(Game):
    defaults: ClassVar[dict[str, Any]] = {
        "rule": "plurality",
        "players": 5,
        "candidates": 4,
        "sincere": 0,
        "culture": "impartial",
        "drift": 0.0,
        "renewal": 0.05,
        "change_cost": 0.0,
        "quota": 0.5,
    }

    def set_up(self) -> None:
        super().set_up()
        self.n, self.m = self.p.players + self.p.sincere, self.p.candidates
        self.ranked = self.p.rule in ("borda", "instant_runoff", "copeland")
        self.choices = math.factorial(self.m) if self.ranked else 2**self.m if self.p.rule == "approval" else self.m

    def start(self) -> None:
        self.winner, self.happy = 0, 0.0
        self.tally = [0.0] * self.m
        self.shown = [[0.0] * self.m for _ in range(self.p.players)]
        self.fresh()

    def fresh(self) -> None:
        n, m = self.n, self.m
        if self.p.culture == "line":
            voters, places = [self.u() for _ in range(n)], [self.u() for _ in range(m)]
            self.like = [[1 - abs(v - c) for c in places] for v in voters]
        elif self.p.culture == "camps":
            q = [self.u() for _ in range(m)]
            self.like = [
                [0.8 * (q[c] if i % 2 == 0 else 1 - q[c]) + 0.2 * self.u() for c in range(m)] for i in range(n)
            ]
        else:
            self.like = [[self.u() for _ in range(m)] for _ in range(n)]

    def turn(self, acts: list[Any]) -> list[float]:
        p, n, m = self.p, self.n, self.m
        honest = [sorted(range(m), key=lambda c, i=i: (-self.like[i][c], c)) for i in range(p.players, n)]
        old = self.winner
        if self.ranked:
            orders = [list(permutations(range(m)))[act] for act in acts] + [tuple(order) for order in honest]
            self.shown = [[(m - 1 - orders[i].index(c)) / (m - 1) for c in range(m)] for i in range(p.players)]
            self.winner = self.by_order(orders)
        else:
            marks = [{c for c in range(m) if act >> c & 1} if p.rule == "approval" else {act} for act in acts]
            for i, order in zip(range(p.players, n), honest, strict=True):
                liked = {c for c in range(m) if self.like[i][c] >= average(self.like[i])}
                marks.append(liked if p.rule == "approval" else {order[-1] if p.rule == "veto" else order[0]})
            self.shown = [[1.0 if c in marks[i] else 0.0 for c in range(m)] for i in range(p.players)]
            self.winner = self.by_marks(marks)
        loss = p.change_cost if self.winner != old else 0.0
        paid = [self.like[i][self.winner] - loss for i in range(p.players)]
        self.happy = average(paid)
        if p.drift:
            self.like = [[min(max(x + p.drift * self.z(), 0.0), 1.0) for x in row] for row in self.like]
        if p.renewal and self.u() < p.renewal:
            self.fresh()
        return paid

    def by_marks(self, marks: list[set[int]]) -> int:
        votes = [sum(c in mark for mark in marks) for c in range(self.m)]
        self.tally = [v / self.n for v in votes]
        if self.p.rule == "random_ballot":
            return next(iter(self.one_of(marks)))
        if self.p.rule == "veto":
            return votes.index(min(votes))
        if self.p.rule == "quota" and max(votes) < self.p.quota * self.n:
            return self.winner
        return votes.index(max(votes))

    def by_order(self, orders: list[tuple[int, ...]]) -> int:
        n, m = self.n, self.m
        if self.p.rule == "instant_runoff":
            left = set(range(m))
            self.tally = [sum(order[0] == c for order in orders) / n for c in range(m)]
            while len(left) > 1:
                top = [next(c for c in order if c in left) for order in orders]
                _, out = min((top.count(c), -c) for c in left)
                left.remove(-out)
            return left.pop()
        if self.p.rule == "borda":
            points = [sum(m - 1 - order.index(c) for order in orders) for c in range(m)]
            self.tally = [x / (n * (m - 1)) for x in points]
        else:
            points = []
            for c in range(m):
                leads = [
                    sum(1 if order.index(c) < order.index(d) else -1 for order in orders) for d in range(m) if d != c
                ]
                points.append(sum(lead > 0 for lead in leads) - sum(lead < 0 for lead in leads))
            self.tally = [x / (m - 1) for x in points]
        return points.index(max(points))

    def view(self, agent: int) -> list[float]:
        return [*self.like[agent], *self.tally, *hot(self.winner, self.m), *self.shown[agent], self.happy]


BARE: dict[str, Callable[..., Episode]] = {
    f"society/{name}": partial(episode, game)
    for name, game in {
        "auction": Auction,
        "bargaining": Bargaining,
        "binary_opinions": BinaryOpinions,
        "commons": Commons,
        "congestion": Congestion,
        "cultures": Cultures,
        "dilemma_partner": DilemmaPartner,
        "epidemic": Epidemic,
        "exchange": Exchange,
        "legislative_bargaining": Legislature,
        "matrix_game": Matrix,
        "network_game": Network,
        "opinions": Opinions,
        "ordinal_game": Ordinal,
        "ordinal_partner": OrdinalPartner,
        "public_good": PublicGood,
        "voting": Voting,
    }.items()
}
