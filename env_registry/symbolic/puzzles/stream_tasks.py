"""What is shown and what is to be answered in tasks on streams of symbols.

A task is a function from a random generator and its parameters to items. Memory tasks ask for what was shown before,
transductions for a function of all that was shown, predictions for what is shown next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple, TypeAlias

import numpy as np

Rng: TypeAlias = np.random.Generator

SHOW, ASK, MARK, OTHER_MARK = range(4)
"""What an item is: shown, asked for an answer, or shown with one of two marks."""


class Parameters(NamedTuple):
    length: int
    symbols: int
    delay: int


class Item(NamedTuple):
    symbol: int
    cue: int = SHOW
    answer: int = -1  # -1: none


Task: TypeAlias = Callable[[Rng, Parameters], list[Item]]


def _drawn(rng: Rng, p: Parameters, count: int | None = None) -> list[int]:
    found: list[int] = rng.integers(1, p.symbols + 1, size=p.length if count is None else count).tolist()
    return found


def _order(rng: Rng, count: int) -> list[int]:
    """The numbers 1, 2, ... in a drawn order."""
    found: list[int] = (rng.permutation(count) + 1).tolist()
    return found


def _shown(symbols: Sequence[int]) -> list[Item]:
    return [Item(symbol) for symbol in symbols]


def _recalled(p: Parameters, shown: list[Item], answers: Sequence[int]) -> list[Item]:
    """What is shown, then `delay` blanks, then a question for each answer."""
    return [*shown, *[Item(0)] * p.delay, *(Item(0, ASK, answer) for answer in answers)]


# ------------------------------------------------------------------ memory


def _repeat_previous(rng: Rng, p: Parameters) -> list[Item]:
    x = _drawn(rng, p, p.length + p.delay)
    return [*_shown(x[: p.delay]), *(Item(new, ASK, old) for new, old in zip(x[p.delay :], x, strict=False))]


def _n_back(rng: Rng, p: Parameters) -> list[Item]:
    x = _drawn(rng, p, p.length + p.delay)
    repeats = rng.integers(2, size=len(x)).tolist()
    for t in range(p.delay, len(x)):
        if repeats[t]:
            x[t] = x[t - p.delay]
    asked = [Item(new, ASK, 1 if new == old else 2) for new, old in zip(x[p.delay :], x, strict=False)]
    return [*_shown(x[: p.delay]), *asked]


def _copy(rng: Rng, p: Parameters) -> list[Item]:
    x = _drawn(rng, p)
    return _recalled(p, _shown(x), x)


def _reverse(rng: Rng, p: Parameters) -> list[Item]:
    x = _drawn(rng, p)
    return _recalled(p, _shown(x), x[::-1])


def _sort(rng: Rng, p: Parameters) -> list[Item]:
    x = _drawn(rng, p)
    return _recalled(p, _shown(x), sorted(x))


def _cued_order(rng: Rng, p: Parameters) -> list[Item]:
    x, backwards = _drawn(rng, p), bool(rng.integers(2))
    cue = Item(0, OTHER_MARK if backwards else MARK)
    return _recalled(p, [*_shown(x), cue], x[::-1] if backwards else x)


def _selective_copy(rng: Rng, p: Parameters) -> list[Item]:
    x = _drawn(rng, p)
    marked = {*np.flatnonzero(rng.integers(2, size=len(x))).tolist(), 0}
    shown = [Item(symbol, MARK if t in marked else SHOW) for t, symbol in enumerate(x)]
    return _recalled(p, shown, [x[t] for t in sorted(marked)])


def _delayed_match(rng: Rng, p: Parameters) -> list[Item]:
    items = []
    for _ in range(p.length):
        sample, probe = _drawn(rng, p, 2)
        probe = sample if rng.integers(2) else probe
        items += [Item(sample), *[Item(0)] * p.delay, Item(probe, ASK, 1 if probe == sample else 2)]
    return items


def _recall_first(rng: Rng, p: Parameters) -> list[Item]:
    x = _drawn(rng, p)
    return _recalled(p, [Item(x[0], MARK), *_shown(x[1:])], x[:1])


def _recall_indexed(rng: Rng, p: Parameters) -> list[Item]:
    x = _drawn(rng, p)
    return [*_recalled(p, _shown(x), []), *(Item(place, ASK, x[place - 1]) for place in _order(rng, p.length))]


def _associative_recall(rng: Rng, p: Parameters) -> list[Item]:
    keys, values = _order(rng, p.length), _drawn(rng, p)
    value_of = dict(zip(keys, values, strict=True))
    shown = [item for key in keys for item in (Item(key, MARK), Item(value_of[key]))]
    return [*_recalled(p, shown, []), *(Item(key, ASK, value_of[key]) for key in _order(rng, p.length))]


def _changing_values(rng: Rng, p: Parameters) -> list[Item]:
    """Keys as many as symbols, whose values are overwritten."""
    keys, values = _drawn(rng, p), _drawn(rng, p)
    last = dict(zip(keys, values, strict=True))
    shown = [item for key, value in zip(keys, values, strict=True) for item in (Item(key, MARK), Item(value))]
    return [*_recalled(p, shown, []), *(Item(key, ASK, last[key]) for key in sorted(last))]


def _successor(rng: Rng, p: Parameters) -> list[Item]:
    items = []
    for _ in range(-(-p.length // p.symbols)):
        order = _order(rng, p.symbols)
        place = int(rng.integers(p.symbols - 1))
        items += [*_recalled(p, _shown(order), []), Item(order[place], ASK, order[place + 1])]
    return items


def _which_first(rng: Rng, p: Parameters) -> list[Item]:
    """Of two symbols asked for, 1 if the marked one was shown before the other."""
    items = []
    for _ in range(-(-p.length // p.symbols)):
        order = _order(rng, p.symbols)
        one, other = _order(rng, p.symbols)[:2]
        answer = 1 if order.index(one) < order.index(other) else 2
        items += [*_recalled(p, _shown(order), []), Item(one, MARK), Item(other, ASK, answer)]
    return items


def _recognition(rng: Rng, p: Parameters) -> list[Item]:
    """1 for what is new, 2 for what was shown before; half of all is new."""
    names = _order(rng, p.length)
    seen: list[int] = []
    items = []
    for chance in rng.integers(2, size=p.length).tolist():
        if chance and seen:
            items.append(Item(seen[int(rng.integers(len(seen)))], ASK, 2))
        else:
            seen.append(names[len(seen)])
            items.append(Item(seen[-1], ASK, 1))
    return items


def _missing(rng: Rng, p: Parameters) -> list[Item]:
    items = []
    for _ in range(-(-p.length // p.symbols)):
        *shown, missing = _order(rng, p.symbols)
        items += _recalled(p, _shown(shown), [missing])
    return items


def _duplicate(rng: Rng, p: Parameters) -> list[Item]:
    items = []
    for _ in range(-(-p.length // p.symbols)):
        order = _order(rng, p.symbols)
        twice = order[int(rng.integers(p.symbols))]
        order.insert(int(rng.integers(p.symbols)), twice)
        items += _recalled(p, _shown(order), [twice])
    return items


def _mode(rng: Rng, p: Parameters) -> list[Item]:
    x = _drawn(rng, p)
    return _recalled(p, _shown(x), [max(range(1, p.symbols + 1), key=x.count)])


def _count(rng: Rng, p: Parameters) -> list[Item]:
    x = _drawn(rng, p)
    return _recalled(p, [Item(x[0], MARK), *_shown(x)], [min(x.count(x[0]), p.symbols)])


def _simon(rng: Rng, p: Parameters) -> list[Item]:
    """A sequence that grows by one symbol a round, to be said after each."""
    x = _drawn(rng, p)
    return [item for n in range(1, p.length + 1) for item in (*_shown(x[:n]), *_recalled(p, [], x[:n]))]


MEMORY: Mapping[str, Task] = {
    "copy": _copy,
    "reverse": _reverse,
    "sort": _sort,
    "cued_order": _cued_order,
    "selective_copy": _selective_copy,
    "repeat_previous": _repeat_previous,
    "n_back": _n_back,
    "delayed_match": _delayed_match,
    "recall_first": _recall_first,
    "recall_indexed": _recall_indexed,
    "associative_recall": _associative_recall,
    "changing_values": _changing_values,
    "successor": _successor,
    "which_first": _which_first,
    "recognition": _recognition,
    "missing": _missing,
    "duplicate": _duplicate,
    "mode": _mode,
    "count": _count,
    "simon": _simon,
}


# ------------------------------------------------------------------ transduction

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


# ------------------------------------------------------------------ prediction

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
