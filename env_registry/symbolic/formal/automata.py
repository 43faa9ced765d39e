"""Deterministic automata of formal languages.

Owns the languages' definitions, as states and moves, and their tables. Languages that are not regular are cut at a
greatest depth, which makes them so. A move to None is one from which no word of the language can be reached.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

State = Any  # hashable
Move = Callable[[State, int, int], State]  # state, symbol, depth


@dataclass(frozen=True)
class Automaton:
    """States are numbered from the start, 0; the last is dead. `moves` is states x symbols; `distance` the least number
    of symbols to an accepting state, -1 where there is none."""

    moves: NDArray[np.int64]
    accepting: NDArray[np.bool_]
    distance: NDArray[np.int64]

    @property
    def symbols(self) -> int:
        return int(self.moves.shape[1])


@dataclass(frozen=True)
class _Language:
    symbols: int
    start: State
    move: Move
    accepts: Callable[[State], bool]


def _table(rows: dict[int, tuple[int | None, ...]], accepting: str) -> _Language:
    final = {int(state) for state in accepting.split()}
    return _Language(len(rows[0]), 0, lambda state, symbol, depth: rows[state][symbol], lambda state: state in final)


def _modular(
    modulus: tuple[int, ...], step: Callable[[tuple[int, ...], int], tuple[int, ...]], symbols: int
) -> _Language:
    """Counters modulo `modulus`, all of which are 0 in accepted words."""
    start = (0,) * len(modulus)

    def move(state: State, symbol: int, depth: int) -> State:
        return tuple(value % m for value, m in zip(step(state, symbol), modulus, strict=True))

    return _Language(symbols, start, move, lambda state: not any(state))


def _brackets(kinds: int, state: State, symbol: int, depth: int) -> State:
    if symbol < kinds:
        return (*state, symbol) if len(state) < depth else None
    return state[:-1] if state and state[-1] == symbol - kinds else None


def _balanced(state: State, symbol: int, depth: int) -> State:
    """As many zeros as ones."""
    lead = state + (1 if symbol else -1)
    return lead if abs(lead) <= depth else None


def _counting(state: State, symbol: int, depth: int) -> State:
    """State: the symbol whose turn it is, how often it stood, and how often each is to stand."""
    letter, seen, total = state
    if symbol == letter:
        return (letter, seen + 1, total) if seen < (total or depth) else None
    if symbol == letter + 1 and seen and seen == (total or seen):
        return (symbol, 1, seen)
    return None


def _mirrored(reverse: bool, state: State, symbol: int, depth: int) -> State:
    """A word, a centre mark (symbol 2), and the word backwards or once more. State: the word or what is left of it."""
    marked, word = state
    if not marked:
        if symbol == 2:
            return (True, word)
        return (False, (*word, symbol)) if len(word) < depth else None
    expected = word[-1 if reverse else 0] if word else None
    if symbol != expected:
        return None
    return (True, word[:-1] if reverse else word[1:])


def _majority(state: State, symbol: int, depth: int) -> State:
    """More ones than zeros; the lead is cut at the depth."""
    return max(-depth, min(depth, state + (1 if symbol else -1)))


def _two_stacks(state: State, symbol: int, depth: int) -> State:
    """Two kinds of brackets that may cross each other."""
    kind, sign = symbol % 2, 1 if symbol < 2 else -1
    level = state[kind] + sign
    return (
        (level, state[1])
        if kind == 0 and 0 <= level <= depth
        else (state[0], level)
        if kind and 0 <= level <= depth
        else None
    )


def _dihedral(state: State, symbol: int) -> tuple[int, ...]:
    """A turn by a third and a reflection; words that multiply to the identity."""
    turn, flip = state
    return (turn + (-1 if flip else 1), flip) if symbol == 0 else (turn, flip + 1)


_REBER: dict[int, tuple[int | None, ...]] = {
    # B T P S X V E
    0: (1, None, None, None, None, None, None),
    1: (None, 2, 3, None, None, None, None),
    2: (None, None, None, 2, 4, None, None),
    3: (None, 3, None, None, None, 5, None),
    4: (None, None, None, 6, 3, None, None),
    5: (None, None, 4, None, None, 6, None),
    6: (None, None, None, None, None, None, 7),
    7: (None,) * 7,
}


def _embedded_reber(state: State, symbol: int, depth: int) -> State:
    """B, then T or P, a word of Reber's grammar, the same T or P again, E."""
    stage, branch = state
    if stage == "begin":
        return ("branch", None) if symbol == 0 else None
    if stage == "branch":
        return (0, symbol) if symbol in (1, 2) else None
    if stage == 7:
        return ("end", branch) if symbol == branch else None
    if stage == "end":
        return ("over", None) if symbol == 6 else None
    following = _REBER[stage][symbol] if stage != "over" else None
    return None if following is None else (following, branch)


LANGUAGES: dict[str, _Language] = {
    # Tomita 1982: 1*; (10)*; no odd run of 1s before an odd run of 0s; no 000; even numbers of 0s and of 1s; numbers of
    # 0s and 1s equal modulo 3; 0*1*0*1*
    "tomita1": _table({0: (None, 0)}, "0"),
    "tomita2": _table({0: (None, 1), 1: (0, None)}, "0"),
    "tomita3": _table({0: (0, 1), 1: (2, 0), 2: (3, None), 3: (2, 1)}, "0 1 3"),
    "tomita4": _table({0: (1, 0), 1: (2, 0), 2: (None, 0)}, "0 1 2"),
    "tomita5": _modular((2, 2), lambda s, x: (s[0] + (x == 0), s[1] + (x == 1)), 2),
    "tomita6": _modular((3,), lambda s, x: (s[0] + (1 if x else -1),), 2),
    "tomita7": _table({0: (0, 1), 1: (2, 1), 2: (2, 3), 3: (None, 3)}, "0 1 2 3"),
    "reber": _table(_REBER, "7"),
    "embedded_reber": _Language(7, ("begin", None), _embedded_reber, lambda state: state[0] == "over"),
    # Weiss 1973: between two 1s an even number of 0s; no two 1s in a row; one to three 0s between 1s
    "even_shift": _table({0: (1, 0), 1: (0, None)}, "0"),
    "golden_mean": _table({0: (0, 1), 1: (0, None)}, "0 1"),
    "run_length_limited": _table({0: (1, None), 1: (2, 0), 2: (3, 0), 3: (None, 0)}, "0"),
    "third_from_last": _Language(2, (0, 0, 0), lambda s, x, d: (*s[1:], x), lambda s: s[0] == 1),
    "divisible_by_5": _modular((5,), lambda s, x: (2 * s[0] + x,), 2),
    "dyck1": _Language(2, (), lambda s, x, d: _brackets(1, s, x, d), lambda s: not s),
    "dyck2": _Language(4, (), lambda s, x, d: _brackets(2, s, x, d), lambda s: not s),
    "balanced": _Language(2, 0, _balanced, lambda s: s == 0),
    "counting": _Language(2, (0, 0, 0), _counting, lambda s: s[0] == 1 and s[1] == s[2]),
    "counting3": _Language(3, (0, 0, 0), _counting, lambda s: s[0] == 2 and s[1] == s[2]),
    "palindrome": _Language(3, (False, ()), lambda s, x, d: _mirrored(True, s, x, d), lambda s: s == (True, ())),
    "copy": _Language(3, (False, ()), lambda s, x, d: _mirrored(False, s, x, d), lambda s: s == (True, ())),
    "majority": _Language(2, 0, _majority, lambda s: s > 0),
    "dihedral3": _modular((3, 2), lambda s, x: _dihedral(s, x), 2),
    "two_stacks": _Language(4, (0, 0), _two_stacks, lambda s: s == (0, 0)),
}


@cache
def automaton(language: str, depth: int) -> Automaton:
    """The language's table, states in the order in which a search from the start finds them."""
    definition = LANGUAGES[language]
    numbers: dict[State, int] = {definition.start: 0}
    found = [definition.start]
    rows: list[list[State]] = []
    for state in found:
        row = [definition.move(state, symbol, depth) for symbol in range(definition.symbols)]
        rows.append(row)
        for following in row:
            if following is not None and following not in numbers:
                numbers[following] = len(found)
                found.append(following)
    dead = len(found)
    moves = np.array([[dead if to is None else numbers[to] for to in row] for row in rows] + [[dead] * len(rows[0])])
    accepting = np.array([definition.accepts(state) for state in found] + [False])
    distance = _distance(moves, accepting)
    alive = distance >= 0
    return Automaton(np.where(alive[moves], moves, dead), accepting, distance)


def _distance(moves: NDArray[np.int64], accepting: NDArray[np.bool_]) -> NDArray[np.int64]:
    distance = np.where(accepting, 0, -1)
    for step in range(1, len(moves) + 1):
        near = (distance[moves] == step - 1).any(axis=1) & (distance < 0)
        if not near.any():
            break
        distance[near] = step
    return distance
