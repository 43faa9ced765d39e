"""Drawn parameters through the whole pool: recorded with each episode, and the episode is that of the values fixed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import worldpool

from env_registry import EpisodeSeeds, Spec, make, parse
from tests.e2e.test_bare_equality import same_bits

JOINT = {"friction": [0.5, 0.6, 0.7, 0.8], "gravity": [5, 6, 7, 8], "often": [1, 2, 2, 1]}


@pytest.fixture(scope="module")
def episodes(client: worldpool.Client) -> dict[str, list[worldpool.Episode]]:
    """By ref."""
    table = client.tables.create(JOINT, weight="often")
    refs = [
        "mujoco/hopper;friction_scale=uniform(0.5,1.5);gravity=uniform(5,12)",  # in place
        "cable/grasp;bend=loguniform(50000,500000)",  # made anew
        f"mujoco/hopper;friction_scale=table({table.digest},friction);gravity=table({table.digest},gravity)",
    ]
    found: dict[str, list[worldpool.Episode]] = {parse(ref).ref: [] for ref in refs}
    for batch in client.runs.create(refs=refs, episodes=6, seed=4).stream(progress=False):
        for episode in batch.to_episodes():
            found[episode.ref].append(episode)
    return found


def drawn_of(episode: Any, ref: str) -> dict[str, Any]:
    mine = {name: value for name, value in episode.outcomes.drawn.items() if f";{name}=" in ref}
    return {name: np.ravel(value)[0].item() for name, value in mine.items()}


def test_every_episode_is_that_of_the_values_recorded_with_it(episodes: dict[str, list[worldpool.Episode]]) -> None:
    for ref, found in episodes.items():
        assert len(found) == 6
        seen = []
        for episode in found:
            values = drawn_of(episode, ref)
            seen.append(tuple(values.values()))
            fixed = make(Spec.of(parse(ref).family, values))
            observed = [fixed.reset(EpisodeSeeds.of(episode.seed))]
            observed += [fixed.step(action)[0] for action in episode.actions[:-1]]
            same_bits(episode.observations, np.array(observed))
        assert len(set(seen)) > 1


def test_parameters_of_one_table_were_drawn_from_one_row(episodes: dict[str, list[worldpool.Episode]]) -> None:
    (ref,) = [ref for ref in episodes if "table(" in ref]
    rows = set(zip(JOINT["friction"], JOINT["gravity"], strict=True))
    for episode in episodes[ref]:
        values = drawn_of(episode, ref)
        assert (values["friction_scale"], values["gravity"]) in rows
