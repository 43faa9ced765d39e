"""Constants of the classic control tasks reach the equations, and what is derived from them follows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from env_registry.axes import FloatAxis
from env_registry.physics.classic_control import FAMILIES
from env_registry.seeding import EpisodeSeeds
from env_registry.simulator import SINGLE_AGENT

by_name = {family.name: family for family in FAMILIES}


def build(name: str, **values: Any) -> Any:
    family = by_name[name]
    return family.make({axis.name: axis.default for axis in family.axes} | values)


def test_a_cart_without_gravity_and_pole_mass_accelerates_as_newton_says() -> None:
    simulator = build("classic/cartpole", gravity=0.0, masspole=0.01, masscart=1.99, force_mag=4.0, tau=0.05)
    x, speed, angle, turning = simulator.reset(EpisodeSeeds.of(0)).astype(np.float64)
    observation = simulator.step(1)[0]
    assert observation[0] == pytest.approx(x + 0.05 * speed, abs=1e-6)
    # 4 N on 2 kg; the light pole changes the cart's acceleration by less than 1 %.
    assert observation[1] == pytest.approx(speed + 0.05 * 2.0, rel=0.01)
    assert observation[2] == pytest.approx(angle + 0.05 * turning, abs=1e-6)


def test_a_wider_threshold_widens_the_observation_space() -> None:
    space = build("classic/cartpole", theta_threshold=0.3, x_threshold=5.0).observation_spaces[SINGLE_AGENT]
    assert space.high.tolist() == pytest.approx([10.0, math.inf, 0.6, math.inf])


def test_the_default_spaces_are_the_librarys() -> None:
    from tests.bare import bare_make

    for name in by_name:
        simulator, bare = build(name), bare_make(name)
        assert simulator.observation_spaces[SINGLE_AGENT] == bare.observation_space  # type: ignore[attr-defined]
        assert simulator.action_spaces[SINGLE_AGENT] == bare.action_space  # type: ignore[attr-defined]


def test_a_pendulum_swings_through_its_own_equation() -> None:
    simulator = build("classic/pendulum", g=5.0, m=2.0, l=1.5, dt=0.1, max_torque=4.0)
    cosine, sine, speed = simulator.reset(EpisodeSeeds.of(0)).astype(np.float64)
    faster = simulator.step(np.array([4.0], dtype=np.float32))[0][2]
    expected = speed + (3 * 5.0 / (2 * 1.5) * sine + 3 / (2.0 * 1.5**2) * 4.0) * 0.1
    assert faster == pytest.approx(expected, abs=1e-5)
    assert math.hypot(cosine, sine) == pytest.approx(1.0)


def test_a_pendulum_never_starts_faster_than_it_may_turn() -> None:
    simulator = build("classic/pendulum", start_speed=8.0, max_speed=0.5)
    for seed in range(20):
        assert abs(simulator.reset(EpisodeSeeds.of(seed))[2]) <= 0.5


@pytest.mark.parametrize("name", ["classic/mountain_car", "classic/mountain_car_continuous"])
def test_a_goal_that_asks_for_speed_is_not_reached_slowly(name: str) -> None:
    """The witness of `goal_position` and `goal_velocity`: a state at the goal."""
    action: Any = 2 if name == "classic/mountain_car" else np.array([1.0], dtype=np.float32)
    for values, reached in (({}, True), ({"goal_velocity": 0.07}, False), ({"goal_position": 0.6}, False)):
        simulator = build(name, **values)
        simulator.reset(EpisodeSeeds.of(0))
        saved = simulator.save()
        saved["env"]["state"] = np.array([0.5, 0.02])
        simulator.load(saved)
        assert simulator.step(action)[2] is reached


def test_an_acrobots_huge_angles_end_in_every_corner_of_its_ranges() -> None:
    """Gymnasium wraps angles one turn at a time: a step that diverges would never come back."""
    ends = {axis.name: (axis.low, axis.high) for axis in by_name["classic/acrobot"].axes if isinstance(axis, FloatAxis)}
    worst = {name: high for name, (_, high) in ends.items()} | {"link_moi": ends["link_moi"][0]}
    for light in (ends["link_mass_1"][0], ends["link_mass_1"][1]):
        simulator = build("classic/acrobot", **worst | {"link_mass_1": light})
        for seed in range(5):
            simulator.reset(EpisodeSeeds.of(seed))
            for _ in range(200):
                with np.errstate(all="raise"):
                    simulator.step(2 if simulator.env.state[3] > 0 else 0)
