"""For one spec of every family: the rollout that came through the pool equals a bare loop of the library, bit for
bit."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest
import worldpool

import env_registry
import tests.bare
import tests.bare.social
from service.embedded.pool import EmbeddedPool

STEPS = 120
FAMILIES = sorted(env_registry.families())


@pytest.fixture(scope="module")
def rollouts(running: EmbeddedPool, operator: worldpool.Client) -> dict[str, list[worldpool.Episode]]:
    """By family, the parts of its first episode: one for each stream of rows (roles with other spaces have their
    own). Families that are held out of training run as an evaluation."""
    scopes = ["runs:read", "runs:write", "evaluate", "trajectories"]
    secret = operator.admin.keys.create(cell="demo", scopes=scopes).secret
    found: defaultdict[str, list[worldpool.Episode]] = defaultdict(list)
    with worldpool.connect(url=running.url, api_key=secret) as client:
        run = client.runs.create(refs=FAMILIES, steps_per_env=STEPS, seed=20261122, purpose="evaluate")
        for batch in run.stream(progress=False):
            for episode in batch.to_episodes():
                if episode.episode_index == 0:
                    found[episode.ref.split("@")[0]].append(episode)
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_a_rollout_equals_a_bare_loop(rollouts: dict[str, list[worldpool.Episode]], family: str) -> None:
    parts = rollouts[family]
    if env_registry.families()[family].traits.kind == "single":
        (episode,) = parts
        compare_single(family, episode)
    else:
        compare_several(family, parts)


def compare_single(family: str, episode: worldpool.Episode) -> None:
    steps = len(episode) - 1
    bare = tests.bare.bare_episode(family, episode.seed, episode.actions[:-1])
    observations = episode.observations if isinstance(episode.observations, dict) else {"": episode.observations}
    assert observations.keys() == bare["observations"].keys()
    for name, expected in bare["observations"].items():
        same_bits(observations[name], expected)
    same_bits(episode.rewards[:-1], bare["rewards"])
    same_bits(episode.terminations[:-1], bare["terminations"])
    # the step budget may have cut the episode at its last step, which the bare loop knows nothing of
    uncut = steps if steps < STEPS else steps - 1
    same_bits(episode.truncations[:uncut], bare["truncations"][:uncut])
    assert bool(episode.is_terminal[-1]) == bool(bare["terminations"][-1])


def compare_several(family: str, parts: list[worldpool.Episode]) -> None:
    steps = max(int(part.t[-1]) for part in parts)
    joint: list[dict[str, Any]] = [{} for _ in range(steps)]
    seen: defaultdict[str, list[Any]] = defaultdict(list)
    paid: defaultdict[str, np.ndarray] = defaultdict(lambda: np.zeros(steps))
    over: defaultdict[str, bool] = defaultdict(bool)
    for part in parts:
        for row in range(len(part)):
            agent, t = part.agents[part.agent_index[row]], int(part.t[row])
            if part.acted[row]:
                joint[t][agent] = part.actions[row]
            if part.acted[row] or part.is_last[row]:
                seen[agent].append(part.observations[row])
            if t < steps and not part.is_last[row]:
                paid[agent][t] = part.rewards[row]
            over[agent] |= bool(part.terminations[row])
    bare = tests.bare.social.bare_episode(family, parts[0].seed, joint)
    assert bare.order == [tuple(actions) for actions in joint] or [set(o) for o in bare.order] == [
        set(a) for a in joint
    ]
    for agent, column in bare.columns.items():
        count = min(len(column["observations"]), len(seen[agent]))
        assert (
            count >= len(seen[agent]) - 1
        )  # of an episode that the budget cut, the bare loop does not look at everyone
        same_bits(np.array(seen[agent][:count]), np.array(column["observations"][:count]))
        rewards = np.array(column["rewards"])
        same_bits(paid[agent][: len(rewards)], rewards)
        assert over[agent] == any(column["terminations"])


def same_bits(ours: Any, bare: Any) -> None:
    """Equal values, and for floats equal bytes; integers may have other widths."""
    ours, bare = np.asarray(ours), np.asarray(bare)
    assert ours.shape == bare.shape
    if np.issubdtype(bare.dtype, np.floating):
        assert ours.dtype == bare.dtype
        assert ours.tobytes() == bare.tobytes()
    else:
        assert np.array_equal(ours, bare)
