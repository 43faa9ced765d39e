"""Strategies: what they take, and how near that comes to the rest, by properties."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from env_registry.metric import BOUND, DIMENSIONS
from service.strategies import BLOCK, Candidates, coverage, distances, diverse, stratified, take

Vectors = NDArray[np.int16]


def few_vectors(most: int = 9, bound: int = 20) -> st.SearchStrategy[Vectors]:
    point = st.tuples(*[st.integers(-bound, bound)] * 2)
    return st.lists(point, min_size=1, max_size=most).map(lambda points: np.array(points, np.int16))


def exact(vectors: Vectors, taken: Sequence[int]) -> list[int]:
    """Squared distance of each to the nearest taken, in Python's whole numbers."""
    rows = vectors.tolist()
    return [min(sum((a - b) ** 2 for a, b in zip(row, rows[t], strict=True)) for t in taken) for row in rows]


@given(few_vectors(), st.data())
def test_no_choice_of_as_many_has_less_than_half_the_largest_distance_of_a_diverse_one(
    vectors: Vectors, data: st.DataObject
) -> None:
    size = data.draw(st.integers(1, len(vectors)))
    ours = max(exact(vectors, diverse(vectors, size).tolist()))
    best = min(max(exact(vectors, taken)) for taken in itertools.combinations(range(len(vectors)), size))
    assert ours <= 4 * best  # squared


@given(few_vectors(most=30), st.data())
def test_a_diverse_choice_takes_the_farthest_each_time_and_each_candidate_once(
    vectors: Vectors, data: st.DataObject
) -> None:
    size = data.draw(st.integers(1, len(vectors)))
    taken = diverse(vectors, size).tolist()
    assert len(set(taken)) == size
    assert taken[0] == 0
    for count in range(1, size):
        nearest = exact(vectors, taken[:count])
        farthest = max(nearest)
        first = next(i for i, far in enumerate(nearest) if far == farthest and i not in taken[:count])
        assert taken[count] == first


@given(few_vectors(most=30), st.data())
def test_a_larger_diverse_choice_begins_with_the_smaller_one(vectors: Vectors, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, len(vectors)))
    assert diverse(vectors, size).tolist() == diverse(vectors, len(vectors)).tolist()[:size]


@given(few_vectors(most=12, bound=1000), st.data())
def test_the_order_of_candidates_decides_nothing_but_the_first_and_ties(vectors: Vectors, data: st.DataObject) -> None:
    order = [0, *data.draw(st.permutations(range(1, len(vectors))))]
    apart = [exact(vectors, [i])[j] for i, j in itertools.combinations(range(len(vectors)), 2)]
    size = data.draw(st.integers(1, len(vectors)))
    taken, shuffled = diverse(vectors, size), np.array(order)[diverse(vectors[order], size)]
    if len(set(apart)) == len(apart):
        assert taken.tolist() == shuffled.tolist()


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 1]))
def test_distances_are_exact_at_the_bound_of_coordinates_and_in_blocks(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.choice(np.array([-BOUND, -1, 0, BOUND - 1, BOUND], np.int16), (count, DIMENSIONS))
    taken = rng.permutation(count)[: rng.integers(1, count + 1)]
    some = rng.integers(count, size=3)
    wide = vectors.astype(np.int64)
    squared = ((wide[some, None] - wide[None, taken]) ** 2).sum(axis=2).min(axis=1)
    assert np.array_equal(distances(vectors, taken)[some], np.sqrt(squared.astype(np.float64)))


def even(candidates: Sequence[int], strata: Sequence[Sequence[Any]]) -> Iterator[int]:
    """Round robin over the strata of the coarsest level, and within each the same over those below."""
    if not strata:
        yield from candidates
        return
    level, *finer = strata
    groups = [
        list(even([c for c in candidates if level[c] == s], finer)) for s in dict.fromkeys(level[c] for c in candidates)
    ]
    for turn in itertools.zip_longest(*groups):
        yield from (candidate for candidate in turn if candidate is not None)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=40))
def test_a_stratified_choice_goes_round_the_strata_of_every_level(places: list[tuple[int, int, int]]) -> None:
    strata = [[place[:depth] for place in places] for depth in (1, 2, 3)]
    assert stratified(strata).tolist() == list(even(range(len(places)), strata))


def candidates(count: int) -> Candidates:
    rng = np.random.default_rng(count)
    return Candidates(
        strata=[["d"] * count, [f"f{i % 3}" for i in range(count)], [f"t{i}" for i in range(count)]],
        modifiers=["delay,sticky" if i == 0 else "" for i in range(count)],
        vectors=rng.integers(-BOUND, BOUND, (count, DIMENSIONS)).astype(np.int16),
    )


@pytest.mark.parametrize("strategy", ["random", "stratified", "diverse"])
def test_every_strategy_takes_as_many_as_asked_and_each_once(strategy: str) -> None:
    of = candidates(50)
    for size in (1, 7, 50):
        assert len(set(take(of, strategy, size).tolist())) == size


def test_coverage_counts_what_is_taken_of_what_there_is() -> None:
    found = coverage(candidates(9), np.array([1, 4]))
    assert found["matching"] == 9
    assert found["largest_distance"] > found["mean_distance"] > 0
    counted = {name: (found[name]["covered"], found[name]["of"]) for name in ("domains", "families", "base_tasks")}
    assert counted == {"domains": (1, 1), "families": (1, 3), "base_tasks": (2, 9)}
    assert found["modifiers"] == {"covered": 0, "of": 2}


def test_all_candidates_are_at_no_distance() -> None:
    found = coverage(candidates(9), np.arange(9))
    assert (found["largest_distance"], found["mean_distance"]) == (0.0, 0.0)
