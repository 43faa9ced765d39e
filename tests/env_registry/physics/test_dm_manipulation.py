"""dm_control's manipulation: every task is the library's own, whatever the workplace was used for before."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest

from env_registry.axes import FloatAxis
from env_registry.physics.dm_control_manipulation import FAMILIES, TASKS, TIME_LIMIT
from env_registry.seeding import EpisodeSeeds
from tests.bare import record
from tests.bare.dm_control import ManipulationLoop
from tests.env_registry import test_single_agent_families as promises
from tests.env_registry.test_single_agent_families import actions, assert_same_bits, build, episode

(FAMILY,) = FAMILIES


@pytest.mark.parametrize("task", TASKS)
def test_every_task_equals_the_librarys_own_loop_after_other_episodes_and_edits(task: str) -> None:
    edited = build(FAMILY, task=task, **{axis.name: axis.levels[0] for axis in FAMILY.axes if not axis.task})
    episode(edited, 0, 5)
    edited.close()
    edited.close()  # once more does nothing
    simulator, bare = build(FAMILY, task=task), ManipulationLoop(task)
    for seed in (1,) if "stack" in task else (1, 2):
        taken = list(islice(actions(simulator, seed), 20))
        expected = record(lambda seed=seed: bare.reset(seed=seed)[0], bare.step, taken)  # type: ignore[misc]
        assert_same_bits(episode(simulator, seed, 20), expected)
    simulator.close()


def test_an_episode_ends_with_the_librarys() -> None:
    ours = promises.assert_equals_bare_loop(FAMILY, 0, TIME_LIMIT + 1)
    assert len(ours["rewards"]) == TIME_LIMIT
    assert ours["truncations"][-1]


@pytest.mark.parametrize("axis", [axis for axis in FAMILY.axes if not axis.task], ids=lambda axis: axis.name)
def test_an_edit_changes_the_dynamics_and_outlasts_resets(axis: Any) -> None:
    default, edited = build(FAMILY, task="lift_brick"), build(FAMILY, task="lift_brick", **{axis.name: axis.levels[-1]})
    one, again, base = (episode(simulator, 3, 20) for simulator in (edited, edited, default))
    assert_same_bits(one, again)
    assert not np.array_equal(one["observations"][""], base["observations"][""])
    default.close()
    edited.close()


def test_props_are_heavier_and_the_arm_is_not() -> None:
    models = [
        build(FAMILY, task="lift_large_box", prop_mass_scale=factor).env.physics.model  # type: ignore[attr-defined]
        for factor in (1.0, 2.0)
    ]
    assert models[1].body_mass[-1] == 2 * models[0].body_mass[-1]
    assert np.array_equal(models[1].body_mass[:-1], models[0].body_mass[:-1])
    assert models[1].body_subtreemass[0] == pytest.approx(models[0].body_subtreemass[0] + models[0].body_mass[-1])


def test_other_seeds_give_other_bits_and_observations_lie_in_their_space() -> None:
    promises.test_another_seed_gives_other_bits(FAMILY)
    promises.test_observations_lie_in_the_declared_space(FAMILY)
    promises.test_values_beyond_an_axis_are_refused(FAMILY)


def test_corners_of_the_ranges_run_and_stay_finite() -> None:
    rng = np.random.default_rng(0)
    for seed, task in enumerate(tuple(TASKS)[1::2]):
        values = {
            axis.name: float(rng.choice([axis.low, axis.high])) for axis in FAMILY.axes if isinstance(axis, FloatAxis)
        }
        simulator = build(FAMILY, task=task, **values)
        simulator.reset(EpisodeSeeds.of(seed))
        bounds: Any = simulator.action_spaces["agent"]
        for step in range(20):
            observation, reward, over, *_ = simulator.step(bounds.high if step % 10 < 5 else bounds.low)
            assert np.isfinite(observation).all()
            assert np.isfinite(reward)
            assert not over, values
        assert simulator.save() is None
        simulator.close()
