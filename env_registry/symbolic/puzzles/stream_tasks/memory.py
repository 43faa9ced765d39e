"""Tasks that ask for what was shown before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from env_registry.symbolic.puzzles.stream_tasks.items import ASK, MARK, OTHER_MARK, SHOW, Item, Parameters, Rng, Task


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
