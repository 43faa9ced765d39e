"""The multi-agent particle environments, as mpe2 ships them.

Owns which scenarios there are and what may vary in each: constructor arguments, and the particle world's physics, which
is edited once after construction and which resets leave alone. Actions are the discrete ones.

Not offered: motor and message noise, because mpe2 draws them from numpy's global generator; mass, because it is
acceleration and contact force in other units; contact axes where little or nothing collides; `dt` in
`simple_adversary`, where without velocities in sight it is acceleration in other units.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib import import_module
from typing import Any

from env_registry.axes import Axis, FloatAxis, IntAxis, Scalar
from env_registry.family import Actions, Domain, Family, Observations, Traits
from env_registry.simulator import Kind, Simulator

EPISODE_CYCLES = 25  # steps of all agents together
DEFAULT_ACCELERATION = 5.0  # of agents that set none, in the world's lengths per s^2 at mass 1

_TRAITS = Traits(kind=Kind.PARALLEL, actions=Actions.DISCRETE, observations=Observations.VECTOR)


# ------------------------------------------------------------------ axes of the world's physics


def _scale(name: str, levels: tuple[float, ...], what: str) -> FloatAxis:
    return FloatAxis(
        name=f"{name}_scale",
        default=1.0,
        low=0.1,
        high=5.0,
        levels=levels,
        unit="x",
        description=f"factor on {what}",
        randomisable=True,
    )


DAMPING = FloatAxis(
    name="damping",
    default=0.25,
    low=0.0,
    high=0.95,
    levels=(0.1, 0.5, 0.75),
    unit="1/step",
    description="part of its velocity that a particle loses each step",
    randomisable=True,
)
DT = FloatAxis(
    name="dt",
    default=0.1,
    low=0.02,
    high=0.3,
    levels=(0.06, 0.16),
    unit="s",
    description="time that passes in a step",
    randomisable=True,
)
CONTACT_FORCE = FloatAxis(
    name="contact_force",
    default=100.0,
    low=10.0,
    high=1000.0,
    levels=(25.0, 400.0),
    description="stiffness of contacts between colliding particles, in the world's units of force per length",
    randomisable=True,
)
ACCELERATION = _scale("acceleration", (0.4, 0.65, 1.5, 2.25), "the acceleration that a move gives an agent")
MAX_SPEED = _scale("max_speed", (0.25,), "the speed limits of the agents; their moves seldom reach higher ones")
SIZE = _scale("agent_size", (0.5, 1.6), "the radii of the agents")

FREE = (DAMPING, DT, ACCELERATION)
COLLIDING = (*FREE, CONTACT_FORCE, SIZE)
_WORLD_NAMES = frozenset(axis.name for axis in (*COLLIDING, MAX_SPEED))


# ------------------------------------------------------------------ axes of the scenarios: constructor arguments


def _count(name: str, default: int, levels: tuple[int, ...], what: str, *, low: int = 1, high: int = 12) -> IntAxis:
    return IntAxis(name=name, default=default, low=low, high=high, levels=levels, description=f"number of {what}")


def _seen(name: str, what: str) -> IntAxis:
    return IntAxis(
        name=f"num_{name}_neighbors",
        default=0,
        low=0,
        high=12,
        levels=(1,),
        description=f"number of nearest {what} that an agent sees; 0: all of them",
    )


CYCLES = IntAxis(
    name="max_cycles",
    default=EPISODE_CYCLES,
    low=1,
    high=400,
    levels=(15, 60),
    unit="steps",
    description="steps after which the episode is truncated",
)
LOCAL_RATIO = FloatAxis(
    name="local_ratio",
    default=0.5,
    low=0.0,
    high=1.0,
    levels=(0.0, 1.0),
    description="weight of an agent's own reward; the shared one has the rest",
    randomisable=True,
)
SEEN_AGENTS = _seen("agent", "other agents")
SEEN_LANDMARKS = _seen("landmark", "landmarks")


# ------------------------------------------------------------------ model construction


def _edit(world: Any, physics: Mapping[str, Any]) -> None:
    world.damping = physics.get("damping", world.damping)
    world.dt = physics.get("dt", world.dt)
    world.contact_force = physics.get("contact_force", world.contact_force)
    for agent in world.agents:
        own = DEFAULT_ACCELERATION if agent.accel is None else agent.accel
        agent.accel = own * physics.get("acceleration_scale", 1.0)
        agent.size *= physics.get("agent_size_scale", 1.0)
        if agent.max_speed is not None:
            agent.max_speed *= physics.get("max_speed_scale", 1.0)


def _make(module: str, values: Mapping[str, Scalar]) -> Simulator:
    from env_registry.social.pettingzoo_simulators import Cycle, ParallelSimulator

    physics = {name: value for name, value in values.items() if name in _WORLD_NAMES}
    arguments: dict[str, Any] = {name: value for name, value in values.items() if name not in _WORLD_NAMES}
    for name in arguments:
        if name.endswith("_neighbors"):
            arguments[name] = arguments[name] or None

    def build() -> Any:
        env = Cycle(import_module(f"mpe2.{module}").raw_env(**arguments))
        _edit(env.unwrapped.world, physics)
        return env

    return ParallelSimulator(build)


# ------------------------------------------------------------------ registration


def _family(module: str, *axes: Axis, description: str, tags: tuple[str, ...] = ()) -> Family:
    scenario = module.rpartition("_v")[0]
    return Family(
        name=f"mpe/{scenario}",
        domain=Domain.SOCIAL,
        traits=_TRAITS,
        axes=(CYCLES, *axes),
        make=partial(_make, module),
        horizon=EPISODE_CYCLES,
        description=description,
        source=f"https://mpe2.farama.org/environments/{scenario}/ after https://arxiv.org/abs/1706.02275",
        licence="MIT",
        distribution="mpe2",
        tags=("particles", *tags),
    )


FAMILIES: tuple[Family, ...] = (
    _family(
        "simple_spread_v3",
        _count("N", 3, (4, 6), "agents and of landmarks", low=2),
        LOCAL_RATIO,
        SEEN_AGENTS,
        SEEN_LANDMARKS,
        *COLLIDING,
        description="Agents cover all landmarks between them and lose reward for collisions.",
        tags=("cooperative",),
    ),
    _family(
        "simple_tag_v3",
        _count("num_good", 1, (2,), "prey"),
        _count("num_adversaries", 3, (1, 5), "predators"),
        _count("num_obstacles", 2, (0, 4), "obstacles", low=0),
        SEEN_AGENTS,
        SEEN_LANDMARKS,
        *COLLIDING,
        MAX_SPEED,
        description="Slow predators are rewarded for touching a faster prey among obstacles.",
        tags=("mixed-motive",),
    ),
    _family(
        "simple_adversary_v3",
        _count("N", 2, (3, 5), "good agents and of landmarks"),
        SEEN_AGENTS,
        SEEN_LANDMARKS,
        DAMPING,
        ACCELERATION,
        description="Good agents know which landmark is the goal and hide it from an adversary who watches.",
        tags=("mixed-motive",),
    ),
    _family(
        "simple_push_v3",
        *FREE,
        description="An agent goes to its landmark while an adversary, who does not know which, pushes it away.",
        tags=("competitive",),
    ),
    _family(
        "simple_reference_v3",
        LOCAL_RATIO,
        *FREE,
        description="Two agents tell each other by messages which landmark to go to.",
        tags=("cooperative", "communication"),
    ),
    _family(
        "simple_speaker_listener_v4",
        *FREE,
        description="A speaker that cannot move tells a listener that cannot speak which landmark to go to.",
        tags=("cooperative", "communication"),
    ),
    _family(
        "simple_crypto_v3",
        description="Alice sends Bob a message under a shared key; Eve, without the key, tries to read it.",
        tags=("mixed-motive", "communication"),
    ),
    _family(
        "simple_world_comm_v3",
        _count("num_good", 2, (1, 4), "prey"),
        _count("num_adversaries", 4, (2, 6), "predators, with their leader"),
        _count("num_obstacles", 1, (3,), "obstacles", low=0),
        _count("num_food", 2, (1, 4), "pieces of food"),
        _count("num_forests", 2, (1, 3), "forests", low=0),
        *COLLIDING,
        MAX_SPEED,
        description="Prey look for food and hide in forests; a leader that sees all directs the other predators.",
        tags=("mixed-motive", "communication"),
    ),
    _family(
        "simple_formation_v1",
        _count("N", 4, (3, 6), "agents", low=2),
        *COLLIDING,
        description="Agents spread evenly on a circle around a landmark.",
        tags=("cooperative",),
    ),
    _family(
        "simple_line_v1",
        _count("N", 4, (3, 6), "agents", low=2),
        *COLLIDING,
        description="Agents line up evenly between two landmarks.",
        tags=("cooperative",),
    ),
    _family(
        "collect_treasure_v1",
        _count("num_collectors", 6, (3, 8), "collectors"),
        _count("num_deposits", 2, (1, 3), "deposits, each for one kind of treasure", high=6),
        _count("num_treasures", 6, (3, 9), "treasures"),
        *FREE,
        description="Collectors bring treasures to the moving deposits of their kind.",
        tags=("cooperative",),
    ),
)
