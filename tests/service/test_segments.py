"""How runs are cut: nothing is lost or doubled, numbers of episodes never meet, items stay near their aim."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.segments import ITEM_BYTES, ITEM_MS, MOST_MEMORY_MB, MOST_SEGMENTS, Cost, ItemPlan, items

costs = st.lists(
    st.builds(
        Cost,
        ref=st.just("x"),
        digest=st.uuids().map(str),
        step_us=st.floats(1, 1e6),
        make_ms=st.floats(0, 5000),
        memory_mb=st.integers(1, 2000),
        step_bytes=st.integers(1, 10**7),
        horizon=st.integers(1, 2000),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda cost: cost.digest,
)


def by_spec(plans: list[ItemPlan]) -> dict[str, list[dict[str, int]]]:
    found: dict[str, list[dict[str, int]]] = {}
    for item in plans:
        for segment in item.segments:
            found.setdefault(item.specs[segment["spec"]]["digest"], []).append(segment)
    return found


@given(costs, st.integers(1, 3000), st.integers(1, 8))
def test_a_step_budget_is_spent_exactly_and_segments_number_their_episodes_apart(
    costs: list[Cost], steps: int, slots: int
) -> None:
    cut = by_spec(list(items(costs, episodes=None, steps=steps, slots=slots)))
    assert cut.keys() == {cost.digest for cost in costs}
    for segments in cut.values():
        reached = 0
        for segment in segments:
            # a segment of n steps has n episodes at the most, so the next may begin n numbers later
            assert segment["first_episode"] == reached
            reached += segment["steps"]
        assert reached == steps


@given(costs, st.integers(1, 200), st.integers(1, 8))
def test_an_episode_budget_is_spent_exactly(costs: list[Cost], episodes: int, slots: int) -> None:
    for segments in by_spec(list(items(costs, episodes=episodes, steps=None, slots=slots))).values():
        numbers = [n for s in segments for n in range(s["first_episode"], s["first_episode"] + s["episodes"])]
        assert numbers == list(range(episodes))


@given(costs, st.integers(1, 3000), st.integers(1, 8))
def test_an_item_of_several_segments_stays_near_its_aim(costs: list[Cost], steps: int, slots: int) -> None:
    for item in items(costs, episodes=None, steps=steps, slots=slots):
        assert 1 <= len(item.segments) <= MOST_SEGMENTS
        assert 0 < item.memory_mb <= MOST_MEMORY_MB
        assert item.max_ms > item.estimate_ms
        if len(item.segments) > 1:
            assert item.estimate_ms <= 1.25 * ITEM_MS + 1
            assert item.bytes <= 1.25 * ITEM_BYTES + 1


def test_a_long_run_is_cut_at_whole_episodes_of_about_the_aimed_time() -> None:
    cheetah = Cost("mujoco/half_cheetah@1", "d", step_us=35, make_ms=3, memory_mb=100, step_bytes=136, horizon=1000)
    plans = list(items([cheetah], episodes=None, steps=10_000_000, slots=2))
    assert all(segment["steps"] % 1000 == 0 for item in plans for segment in item.segments)
    assert all(0.8 * ITEM_MS <= item.estimate_ms <= 1.25 * ITEM_MS for item in plans[:-1])


def test_a_small_run_gives_every_slot_several_items() -> None:
    cost = Cost("x", "d", step_us=100, make_ms=1, memory_mb=100, step_bytes=8, horizon=100)
    assert len(list(items([cost], episodes=None, steps=40_000, slots=2))) >= 8
