"""What is packed comes out again, all of it or what lies in a range; and steps follow numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service import postings

TOTAL = 200
sets = st.lists(st.integers(0, TOTAL - 1), unique=True).map(sorted)
amounts = st.floats(allow_nan=False) | st.integers(-(2**53), 2**53)
ranges = st.tuples(amounts, amounts).map(sorted)


def marked(row: dict[str, Any], total: int, low: float = -math.inf, high: float = math.inf) -> list[int]:
    mask = np.zeros(total, np.bool_)
    postings.mark(mask, row["specs"], row["numbers"], row["values"], low, high)
    return np.flatnonzero(mask).tolist()


@given(sets)
def test_a_packed_set_is_that_set_and_never_longer_than_bits(numbers: list[int]) -> None:
    packed = postings.pack(numbers, TOTAL)
    assert marked({"specs": len(numbers), "numbers": packed, "values": None}, TOTAL) == numbers
    assert len(packed) <= TOTAL / 8


@given(st.lists(st.tuples(st.frozensets(st.sampled_from("abc")), amounts), min_size=1, max_size=60), ranges)
def test_names_and_ranges_find_the_specs_that_have_them(specs: list[tuple[frozenset[str], float]], bounds: Any) -> None:
    collector = postings.Collector()
    assert [collector.add(names, {"size": size}) for names, size in specs] == list(range(len(specs)))
    rows = {(row["name"], row["step"]): row for row in collector.rows()}
    low, high = bounds
    inside = [
        number
        for (name, step), row in rows.items()
        if name == "size" and postings.step(low) <= step <= postings.step(high)
        for number in marked(row, len(specs), low, high)
    ]
    assert sorted(inside) == [i for i, (_, size) in enumerate(specs) if low <= size <= high]
    for name in "abc":
        having = marked(rows[name, 0], len(specs)) if (name, 0) in rows else []
        assert having == [i for i, (names, _) in enumerate(specs) if name in names]


@given(amounts, amounts)
def test_steps_never_fall_where_numbers_rise(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    assert postings.step(low) <= postings.step(high)


def test_steps_tell_levels_apart_and_end_somewhere() -> None:
    assert len({postings.step(level) for level in (-1, 0, 0.25, 0.3535, 0.5, 1, 1.4143, 2)}) == 8
    assert postings.step(math.inf) == postings.step(2**32) == -postings.step(-math.inf) < 300
