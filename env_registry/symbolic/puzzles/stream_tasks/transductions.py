"""Tasks that ask for a function of all that was shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import TypeAlias

from env_registry.symbolic.puzzles.stream_tasks.items import ASK, Item, Parameters, Rng, Task

Transduction: TypeAlias = Callable[[list[int], int, int], Sequence[int]]
"""From the symbols 0, 1, ..., their number and the window to an answer for each."""


def _asked(function: Transduction, *, pairs: bool = False, units: bool = False) -> Task:
    """Every symbol is asked for an answer. `pairs` shows two digits a, b as a * symbols + b; `units` 1 to symbols."""

    def task(rng: Rng, p: Parameters) -> list[Item]:
        x = rng.integers(int(units), p.symbols**2 if pairs else p.symbols + int(units), size=p.length).tolist()
        return [Item(symbol, ASK, answer) for symbol, answer in zip(x, function(x, p.symbols, p.delay), strict=True)]

    return task


def _windows(x: list[int], size: int) -> list[list[int]]:
    return [x[max(t + 1 - size, 0) : t + 1] for t in range(len(x))]


def _prefixes(x: list[int]) -> list[list[int]]:
    return _windows(x, len(x))


def _run_lengths(x: list[int], k: int, _: int) -> list[int]:
    lengths = [1]
    for one, other in pairwise(x):
        lengths.append(lengths[-1] + 1 if one == other else 1)
    return [min(length, k) for length in lengths]


def _stack_top(x: list[int], k: int, _: int) -> list[int]:
    """0 takes the top away, others are put on it; 0 for an empty stack."""
    stack, tops = [], []
    for symbol in x:
        if symbol:
            stack.append(symbol)
        elif stack:
            stack.pop()
        tops.append(stack[-1] if stack else 0)
    return tops


def _queue_front(x: list[int], k: int, _: int) -> list[int]:
    queue: list[int] = []
    fronts = []
    for symbol in x:
        if symbol:
            queue.append(symbol)
        elif queue:
            del queue[0]
        fronts.append(queue[0] if queue else 0)
    return fronts


def _depth(x: list[int], k: int, _: int) -> list[int]:
    """Even symbols open a bracket, odd ones close one, if any is open."""
    return [min(d, k) for d in accumulate(x, lambda d, s: max(d + (1 if s % 2 == 0 else -1), 0), initial=0)][1:]


def _with_carry(x: list[int], k: int, step: Callable[[int], int]) -> list[int]:
    carry, digits = 0, []
    for symbol in x:
        carry, digit = divmod(step(symbol) + carry, k)
        digits.append(digit)
    return digits


def _comparison(x: list[int], k: int, _: int) -> list[int]:
    """Of two numbers read from their first digits: 0 while equal, 1 or 2 for the greater one."""
    signs = accumulate(x, lambda sign, s: sign or (1 if s // k > s % k else 2 if s // k < s % k else 0), initial=0)
    return list(signs)[1:]


_TURNS = ((1, 2, 0), (1, 0, 2))


def _permuted(x: list[int], k: int, _: int) -> list[int]:
    """Even symbols turn three things round, odd ones swap the first two; which one is first."""
    things, firsts = (0, 1, 2), []
    for symbol in x:
        things = tuple(things[i] for i in _TURNS[symbol % 2])  # type: ignore[assignment]
        firsts.append(min(things[0], k))
    return firsts


def _leaky(x: list[int], k: int, _: int) -> list[int]:
    return list(accumulate(x, lambda level, s: (level + s + 1) // 2, initial=0))[1:]


TRANSDUCTIONS: Mapping[str, Task] = {
    "sum": _asked(lambda x, k, d: [total % k for total in accumulate(x)]),
    "product": _asked(lambda x, k, d: list(accumulate(x, lambda a, b: a * b % (k + 1))), units=True),
    "alternating_sum": _asked(lambda x, k, d: [total % k for total in accumulate(x, lambda a, b: b - a)]),
    "difference": _asked(lambda x, k, d: [(b - a) % k for a, b in pairwise([0, *x])]),
    "second_difference": _asked(
        lambda x, k, d: [(c - 2 * b + a) % k for a, b, c in zip([0, 0, *x], [0, *x], x, strict=False)]
    ),
    "sum_since_zero": _asked(lambda x, k, d: [t % k for t in accumulate(x, lambda a, b: a + b if b else 0)]),
    "time_since_zero": _asked(
        lambda x, k, d: list(accumulate(x, lambda a, b: min(a + 1, k) if b else 0, initial=0))[1:]
    ),
    "maximum": _asked(lambda x, k, d: [max(w) for w in _windows(x, d + 1)]),
    "spread": _asked(lambda x, k, d: [max(w) - min(w) for w in _windows(x, d + 1)]),
    "window_sum": _asked(lambda x, k, d: [sum(w) % k for w in _windows(x, d + 1)]),
    "window_majority": _asked(lambda x, k, d: [max(range(k), key=w.count) for w in _windows(x, d + 2)]),
    "median": _asked(lambda x, k, d: [sorted(w)[len(w) // 2] for w in _windows(x, d + 2)]),
    "run_length": _asked(_run_lengths),
    "different_so_far": _asked(lambda x, k, d: [len(set(w)) for w in _windows(x, d + 2)]),
    "rank": _asked(lambda x, k, d: [min(sum(y < w[-1] for y in w), k) for w in _windows(x, d + 2)]),
    "times_seen": _asked(lambda x, k, d: [(w.count(w[-1]) - 1) % k for w in _prefixes(x)]),
    "steps_since_seen": _asked(
        lambda x, k, d: [min(w[-2::-1].index(w[-1]) + 1, k) if w[-1] in w[:-1] else 0 for w in _prefixes(x)]
    ),
    "bracket_depth": _asked(_depth),
    "stack_top": _asked(_stack_top),
    "queue_front": _asked(_queue_front),
    "addition": _asked(lambda x, k, d: _with_carry(x, k, lambda s: s // k + s % k), pairs=True),
    "subtraction": _asked(lambda x, k, d: _with_carry(x, k, lambda s: s // k - s % k), pairs=True),
    "tripling": _asked(lambda x, k, d: _with_carry(x, k, lambda s: 3 * s)),
    "remainder": _asked(lambda x, k, d: list(accumulate(x, lambda r, s: (k * r + s) % (k + 1), initial=0))[1:]),
    "comparison": _asked(_comparison, pairs=True),
    "permutation": _asked(_permuted),
    "leaky_average": _asked(_leaky),
}
