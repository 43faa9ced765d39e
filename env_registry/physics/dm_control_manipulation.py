"""dm_control's manipulation tasks with a Jaco arm, observed by features.

Owns which tasks there are and what may vary. Not offered: `stack_3_bricks`, which differs from `stack_2_bricks` in a
count; tasks that draw an order of bricks, and so another model for every episode; the reassembly of stacks, whose steps
cost five times those of the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from env_registry.axes import ChoiceAxis, Scalar
from env_registry.family import Actions, Domain, Family, Observations, Traits
from env_registry.physics import dm_control_witnesses as witnesses
from env_registry.physics.dm_control_suite import DRY_FRICTION, SLOPE, SOFTNESS, scale
from env_registry.physics.gymnasium_mujoco import ARMATURE, DAMPING, FRICTION, GEAR, GRAVITY, MASS
from env_registry.simulator import Kind, Simulator

TIME_LIMIT = 250  # steps of 0.04 s

TASKS = {
    "reach_site": "the hand comes to a point in the air",
    "reach_duplo": "the hand comes to a brick on the table",
    "lift_brick": "the hand lifts a brick",
    "lift_large_box": "the hand lifts a box that is too large to be pinched",
    "place_brick": "the hand puts a brick upon one that stands on a pedestal",
    "place_cradle": "the hand puts a brick into a cradle on a pedestal",
    "stack_2_bricks": "the hand puts a brick upon one that is fixed to the table",
    "stack_2_bricks_moveable_base": "the hand puts a brick upon one that lies loose",
}

TASK = ChoiceAxis(
    name="task",
    default="reach_site",
    choices=tuple(TASKS),
    levels=tuple(TASKS)[1:],
    description="; ".join(f"{name}: {what}" for name, what in TASKS.items()),
    task=True,
)
PROP_MASS = scale("prop_mass_scale", 0.2, 10.0, (0.4, 2.5, 6.0, 10.0), "mass and inertia of what stands or lies around")
AXES = (
    *(TASK, GRAVITY, SLOPE, FRICTION, replace(SOFTNESS, high=4.0, levels=(2.0, 4.0)), DAMPING, DRY_FRICTION),
    *(MASS, PROP_MASS, ARMATURE, GEAR),
)


def _make(values: Mapping[str, Scalar]) -> Simulator:
    from env_registry.physics.dm_control_manipulation_simulator import ManipulationSimulator

    physics = {
        axis.name: float(values[axis.name]) for axis in AXES if not axis.task and values[axis.name] != axis.default
    }
    return ManipulationSimulator(str(values["task"]), physics=physics)


FAMILIES = (
    Family(
        name="dm_manipulation/jaco",
        domain=Domain.PHYSICS,
        traits=Traits(kind=Kind.SINGLE, actions=Actions.CONTINUOUS, observations=Observations.VECTOR),
        axes=AXES,
        make=_make,
        horizon=TIME_LIMIT,
        description="An arm with a hand of three fingers reaches, lifts, places and stacks.",
        source="https://arxiv.org/abs/2006.12983",
        licence="Apache-2.0",
        distribution="dm-control",
        tags=("continuous-control", "mujoco", "manipulation"),
        witness=witnesses.hold,
    ),
)
