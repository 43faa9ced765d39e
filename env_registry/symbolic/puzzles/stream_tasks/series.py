"""Tasks that ask for what is shown next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from env_registry.symbolic.puzzles.stream_tasks.items import ASK, Item, Parameters, Rng, Task

Series: TypeAlias = Callable[[Rng, int, int, int], Sequence[int]]
"""So many terms of a series, of the symbols 0, 1, ..., whose number is given, and a span."""


def _predicted(series: Series) -> Task:
    def task(rng: Rng, p: Parameters) -> list[Item]:
        x = series(rng, p.length + 1, p.symbols, p.delay)
        return [Item(int(now), ASK, int(after)) for now, after in pairwise(x)]

    return task


def _recurrence(rng: Rng, n: int, k: int, order: int, next_one: Callable[[list[int]], int]) -> list[int]:
    x: list[int] = rng.integers(k, size=order).tolist()
    while len(x) < n:
        x.append(next_one(x) % k)
    return x[:n]


def _linear(rng: Rng, n: int, k: int, span: int) -> list[int]:
    weights = rng.integers(k, size=span + 1).tolist()
    return _recurrence(rng, n, k, span + 1, lambda x: sum(w * y for w, y in zip(weights, x[-span - 1 :], strict=True)))


def _polynomial(degree: int) -> Series:
    def series(rng: Rng, n: int, k: int, _: int) -> list[int]:
        a = rng.integers(k, size=degree).tolist()
        return [sum(c * t**e for e, c in enumerate([*a, 1])) % k for t in range(n)]

    return series


def _map(step: Callable[[int, int, int], int]) -> Series:
    """Each term from the last one and two drawn numbers."""

    def series(rng: Rng, n: int, k: int, _: int) -> list[int]:
        a, b = (int(rng.integers(1, k)) for _ in range(2))
        return _recurrence(rng, n, k, 1, lambda x: step(x[-1], a, b))

    return series


def _periodic(rng: Rng, n: int, k: int, span: int) -> list[int]:
    motif = rng.integers(k, size=span + 2).tolist()
    return [motif[t % len(motif)] for t in range(n)]


def _interleaved(rng: Rng, n: int, k: int, _: int) -> list[int]:
    """Two arithmetic series in turn."""
    (a, b), (c, d) = rng.integers(k, size=2).tolist(), rng.integers(1, k, size=2).tolist()
    return [((a + c * (t // 2)) if t % 2 == 0 else (b + d * (t // 2))) % k for t in range(n)]


def _repeats(rng: Rng, n: int, k: int, span: int) -> list[int]:
    """Symbols in a drawn order, each repeated once more than the last one."""
    order = rng.permutation(k).tolist()
    x = [order[i % k] for i in range(n) for _ in range(i % (span + 1) + 1)]
    return x[:n]


def _digits(number: int, base: int) -> list[int]:
    return [*(_digits(number // base, base) if number >= base else ()), number % base]


def _digit_sums(rng: Rng, n: int, k: int, _: int) -> list[int]:
    start = int(rng.integers(1000))
    return [sum(_digits(start + t, k)) % k for t in range(n)]


def _ruler(rng: Rng, n: int, k: int, _: int) -> list[int]:
    """How often 2 divides the numbers from a drawn one."""
    start = int(rng.integers(1, 1000))
    return [min(((start + t) & -(start + t)).bit_length() - 1, k - 1) for t in range(n)]


def _champernowne(rng: Rng, n: int, k: int, _: int) -> list[int]:
    start = int(rng.integers(1, 100))
    return [digit for t in range(n) for digit in _digits(start + t, k)][:n]


def _wave(rng: Rng, n: int, k: int, _: int) -> list[int]:
    start = int(rng.integers(2 * k - 2))
    return [abs((start + t) % (2 * k - 2) - (k - 1)) for t in range(n)]


def _sturmian(rng: Rng, n: int, k: int, _: int) -> list[int]:
    """A rotation by an arbitrary angle, the circle being cut into as many arcs as symbols."""
    start, angle = rng.random(2).tolist()
    return [int(k * ((start + angle * t) % 1.0)) for t in range(n)]


def _logistic(rng: Rng, n: int, k: int, _: int) -> list[int]:
    level, x = float(rng.uniform(0.1, 0.9)), []
    for _step in range(n):
        x.append(int(k * level))
        level = 3.9 * level * (1.0 - level)
    return x


def _collatz(rng: Rng, n: int, k: int, _: int) -> list[int]:
    number, x = int(rng.integers(10, 1000)), []
    for _step in range(n):
        x.append(number % k)
        number = 3 * number + 1 if number % 2 else number // 2
    return x


def _shift_register(rng: Rng, n: int, k: int, _: int) -> list[int]:
    """Blocks of bits of a register with feedback of its last and third last of 7."""
    bits = rng.integers(2, size=7).tolist()
    width = max((k - 1).bit_length(), 1)
    while len(bits) < 7 + n * width:
        bits.append(bits[-7] ^ bits[-4])
    return [int("".join(map(str, bits[width * t : width * (t + 1)])), 2) % k for t in range(n)]


def _markov(rng: Rng, n: int, k: int, span: int) -> list[int]:
    """Each symbol has one usual successor, which follows four times of five; span tells the chain's order."""
    usual = rng.integers(k, size=(k,) * min(span, 2))
    x: list[int] = rng.integers(k, size=min(span, 2)).tolist()
    while len(x) < n:
        x.append(int(usual[tuple(x[-usual.ndim :])]) if rng.random() < 0.8 else int(rng.integers(k)))
    return x[:n]


def _walk(rng: Rng, n: int, k: int, span: int) -> list[int]:
    """A walk that keeps its direction for a while."""
    place, step, x = int(rng.integers(k)), 1, []
    for t in range(n):
        if t % (span + 2) == 0:
            step = int(rng.integers(1, k))
        x.append(place)
        place = (place + step) % k
    return x


def _palindromes(rng: Rng, n: int, k: int, span: int) -> list[int]:
    x: list[int] = []
    while len(x) < n:
        half = rng.integers(k, size=span + 1).tolist()
        x += [*half, *half[::-1]]
    return x[:n]


def _echo(rng: Rng, n: int, k: int, span: int) -> list[int]:
    """Drawn words, each said twice."""
    x: list[int] = []
    while len(x) < n:
        x += rng.integers(k, size=span + 1).tolist() * 2
    return x[:n]


def _rule_30(rng: Rng, n: int, k: int, _: int) -> list[int]:
    """The middle of a ring of cells under Wolfram's rule 30, read in base k."""
    cells, x = rng.integers(2, size=31), []
    width = max((k - 1).bit_length(), 1)
    for _step in range(n):
        x.append(int("".join(map(str, cells[15 : 15 + width].tolist())), 2) % k)
        cells = np.roll(cells, 1) ^ (cells | np.roll(cells, -1))
    return x


SERIES: Mapping[str, Task] = {
    "arithmetic": _predicted(_map(lambda x, a, b: x + a)),
    "affine": _predicted(_map(lambda x, a, b: a * x + b)),
    "squaring": _predicted(_map(lambda x, a, b: x * x + b)),
    "quadratic": _predicted(_polynomial(2)),
    "cubic": _predicted(_polynomial(3)),
    "fibonacci": _predicted(lambda rng, n, k, d: _recurrence(rng, n, k, 2, lambda x: x[-1] + x[-2])),
    "lagged_fibonacci": _predicted(lambda rng, n, k, d: _recurrence(rng, n, k, d + 2, lambda x: x[-1] + x[-d - 2])),
    "lag_difference": _predicted(lambda rng, n, k, d: _recurrence(rng, n, k, 3, lambda x: x[-1] - x[-3])),
    "product_recurrence": _predicted(lambda rng, n, k, d: _recurrence(rng, n, k, 2, lambda x: x[-1] * x[-2] + 1)),
    "linear_recurrence": _predicted(_linear),
    "periodic": _predicted(_periodic),
    "interleaved": _predicted(_interleaved),
    "repeats": _predicted(_repeats),
    "palindromes": _predicted(_palindromes),
    "echo": _predicted(_echo),
    "digit_sums": _predicted(_digit_sums),
    "ruler": _predicted(_ruler),
    "champernowne": _predicted(_champernowne),
    "wave": _predicted(_wave),
    "rotation": _predicted(_sturmian),
    "logistic_map": _predicted(_logistic),
    "collatz": _predicted(_collatz),
    "shift_register": _predicted(_shift_register),
    "markov": _predicted(_markov),
    "turning_walk": _predicted(_walk),
    "rule_30": _predicted(_rule_30),
}
