"""MiniGrid's grid worlds, with sizes and counts as parameters.

Owns which worlds there are and in which ranges each can always be generated. The observation stays the library's
Dict of image, direction and mission; only the space of missions is given as Text, which has a form outside of Python.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from env_registry.axes import Axis, ChoiceAxis, IntAxis, Scalar
from env_registry.family import Actions, Domain, Family, Observations, Traits
from env_registry.shorthand import switch
from env_registry.simulator import SINGLE_AGENT, Kind, Simulator
from env_registry.symbolic import grid_planner
from env_registry.symbolic.stepped_axis import SteppedIntAxis

TRAITS = Traits(kind=Kind.SINGLE, actions=Actions.DISCRETE, observations=Observations.MIXED, renders=True)
_MISSION_CHARACTERS = string.ascii_lowercase + " ,"


# ------------------------------------------------------------------ axes


def _size(default: int, levels: tuple[int, ...], low: int, high: int, *, step: int = 1) -> IntAxis:
    return SteppedIntAxis(
        name="size",
        default=default,
        levels=levels,
        low=low,
        high=high,
        step=step,
        unit="cells",
        description="width and height of the grid, outer walls included",
        randomisable=True,
    )


def _count(name: str, default: int, levels: tuple[int, ...], low: int, high: int, what: str, unit: str = "") -> IntAxis:
    return IntAxis(
        name=name,
        default=default,
        levels=levels,
        low=low,
        high=high,
        unit=unit,
        description=what,
        randomisable=True,
    )


VIEW_SIZE = SteppedIntAxis(
    name="agent_view_size",
    default=7,
    low=3,
    high=15,
    step=2,
    levels=(3, 5, 11),
    unit="cells",
    description="width and depth of the square that the agent sees",
)
_WALLS = "whether the agent sees what is behind walls and closed doors"
SEE_THROUGH_WALLS = switch("see_through_walls", False, _WALLS)
RANDOM_START = switch("random_start", False, "whether the agent starts anywhere instead of in the first corner")
KEY_IN_BOX = switch("key_in_box", True, "whether keys lie in boxes")
BLOCKED = switch("blocked", True, "whether balls block the locked doors")
CROSSING_AXES = (
    _size(9, (13, 19), 9, 31, step=2),
    _count("num_crossings", 1, (2, 3, 5), 1, 6, "rivers or walls from one side of the room to the other"),
)


# ------------------------------------------------------------------ worlds


@dataclass(frozen=True, kw_only=True)
class _World:
    """`build` takes MiniGrid's `envs` module and the values and returns the environment; `horizon` is by default.

    `aim` tells the witness where to go and what to do there.
    """

    name: str
    axes: tuple[Axis, ...] = ()
    see_through_walls: bool = False
    build: Callable[[Any, Mapping[str, Any]], Any]
    aim: Callable[[Any], grid_planner.Aim] = grid_planner.goal
    horizon: int
    description: str


def _empty(envs: Any, values: Mapping[str, Any]) -> Any:
    return envs.EmptyEnv(size=values["size"], **_start(values))


def _dynamic_obstacles(envs: Any, values: Mapping[str, Any]) -> Any:
    return envs.DynamicObstaclesEnv(size=values["size"], n_obstacles=values["n_obstacles"], **_start(values))


def _dist_shift(envs: Any, values: Mapping[str, Any]) -> Any:
    return envs.DistShiftEnv(width=values["width"], strip2_row=values["strip2_row"], **_start(values))


def _start(values: Mapping[str, Any]) -> dict[str, None]:
    return {"agent_start_pos": None} if values["random_start"] else {}


def _four_rooms(envs: Any, values: Mapping[str, Any]) -> Any:
    env = envs.FourRoomsEnv()
    env.width = env.height = values["size"]  # the constructor fixes 19; every reset generates width x height
    return env


def _lava_gap(envs: Any, values: Mapping[str, Any]) -> Any:
    from minigrid.core.world_object import Lava, Wall

    return envs.LavaGapEnv(size=values["size"], obstacle_type={"lava": Lava, "wall": Wall}[values["obstacle"]])


def _crossing(obstacle: str) -> Callable[[Any, Mapping[str, Any]], Any]:
    def build(envs: Any, values: Mapping[str, Any]) -> Any:
        return envs.CrossingEnv(size=values["size"], num_crossings=values["num_crossings"], obstacle_type=obstacle)

    return build


def _multi_room(envs: Any, values: Mapping[str, Any]) -> Any:
    rooms = values["num_rooms"]
    return envs.MultiRoomEnv(minNumRooms=rooms, maxNumRooms=rooms, maxRoomSize=values["max_room_size"])


def _key_corridor(envs: Any, values: Mapping[str, Any]) -> Any:
    return envs.KeyCorridorEnv(num_rows=values["num_rows"], room_size=values["room_size"], obj_type=values["object"])


def _plain(name: str, *arguments: str, **renamed: str) -> Callable[[Any, Mapping[str, Any]], Any]:
    """Build the class `name` from the axes `arguments` and, under the library's own names, `renamed`."""
    names = {argument: argument for argument in arguments} | renamed

    def build(envs: Any, values: Mapping[str, Any]) -> Any:
        return getattr(envs, name)(**{argument: values[axis] for argument, axis in names.items()})

    return build


_WORLDS = (
    _World(
        name="blocked_unlock_pickup",
        build=_plain("BlockedUnlockPickupEnv"),
        aim=grid_planner.prize,
        horizon=576,
        description="Move a ball away, unlock a door with a key and pick up a box in the next room.",
    ),
    _World(
        name="dist_shift",
        axes=(
            SteppedIntAxis(
                name="width",
                default=9,
                low=7,
                high=25,
                step=2,
                levels=(13,),
                unit="cells",
                description="width of the grid, which lengthens the strips of lava",
                randomisable=True,
            ),
            _count("strip2_row", 2, (3, 5), 2, 5, "row of the second strip of lava"),
            RANDOM_START,
        ),
        see_through_walls=True,
        build=_dist_shift,
        horizon=252,
        description="Reach the goal around strips of lava, one of which may lie elsewhere than in training.",
    ),
    _World(
        name="door_key",
        axes=(_size(8, (5, 12, 17), 5, 32),),
        build=_plain("DoorKeyEnv", "size"),
        horizon=640,
        description="Find a key, unlock the door with it and reach the goal.",
    ),
    _World(
        name="dynamic_obstacles",
        axes=(
            _size(8, (12, 17), 8, 32),
            _count("n_obstacles", 4, (1, 2), 1, 5, "moving obstacles", "balls"),
            RANDOM_START,
        ),
        see_through_walls=True,
        build=_dynamic_obstacles,
        horizon=256,
        description="Reach the goal without running into moving balls.",
    ),
    _World(
        name="empty",
        axes=(_size(8, (5, 12), 5, 32), RANDOM_START),
        see_through_walls=True,
        build=_empty,
        horizon=256,
        description="Reach the goal in the far corner of an empty room.",
    ),
    _World(
        name="fetch",
        axes=(_size(8, (5, 12), 5, 24), _count("num_objects", 3, (2, 5), 1, 8, "objects in the room", "objects")),
        see_through_walls=True,
        build=_plain("FetchEnv", "size", numObjs="num_objects"),
        aim=grid_planner.named_object,
        horizon=320,
        description="Pick up the object that the mission names; any other ends the episode.",
    ),
    _World(
        name="four_rooms",
        axes=(_size(19, (9, 13, 27), 7, 41, step=2),),
        build=_four_rooms,
        horizon=100,
        description="Reach a goal anywhere in four rooms that are joined by gaps.",
    ),
    _World(
        name="go_to_door",
        axes=(_size(5, (8, 12), 5, 24),),
        see_through_walls=True,
        build=_plain("GoToDoorEnv", "size"),
        aim=grid_planner.named_place,
        horizon=100,
        description="Go to the door of the colour that the mission names and declare it done.",
    ),
    _World(
        name="go_to_object",
        axes=(_size(6, (9, 13), 5, 24), _count("num_objects", 2, (4, 7), 1, 8, "objects in the room", "objects")),
        see_through_walls=True,
        build=_plain("GoToObjectEnv", "size", numObjs="num_objects"),
        aim=grid_planner.named_place,
        horizon=180,
        description="Go to the object that the mission names and declare it done.",
    ),
    _World(
        name="key_corridor",
        axes=(
            _count("num_rows", 3, (1, 2), 1, 4, "rooms on either side of the corridor", "rooms"),
            _count("room_size", 6, (3, 4, 9), 3, 12, "width and height of a room, walls included", "cells"),
            ChoiceAxis(
                name="object",
                default="ball",
                choices=("ball", "box", "key"),
                levels=("box", "key"),
                description="what is behind the locked door",
            ),
        ),
        build=_key_corridor,
        aim=grid_planner.prize,
        horizon=1080,
        description="Find a key in one of several rooms and pick up the object behind the locked door.",
    ),
    _World(
        name="lava_crossing",
        axes=CROSSING_AXES,
        build=_crossing("lava"),
        horizon=324,
        description="Reach the goal through the gaps in rivers of lava.",
    ),
    _World(
        name="lava_gap",
        axes=(
            _size(7, (5, 10, 14), 5, 32),
            ChoiceAxis(
                name="obstacle",
                default="lava",
                choices=("lava", "wall"),
                levels=("wall",),
                description="what the strip across the room is made of",
                task=True,
            ),
        ),
        build=_lava_gap,
        horizon=196,
        description="Reach the goal through the one gap in a strip across the room.",
    ),
    _World(
        name="locked_room",
        axes=(_size(19, (13, 31), 13, 31, step=6),),
        build=_plain("LockedRoomEnv", "size"),
        horizon=190,
        description="Fetch the key that the mission names from its room, unlock the door and reach the goal.",
    ),
    _World(
        name="memory",
        axes=(
            _size(13, (9, 19), 9, 41, step=2),
            switch("random_length", False, "whether the length of the hallway is random"),
        ),
        build=_plain("MemoryEnv", "size", "random_length"),
        aim=grid_planner.like_object,
        horizon=845,
        description="Remember an object and go to its like at the end of a hallway.",
    ),
    _World(
        name="multi_room",
        axes=(
            _count("num_rooms", 6, (2, 4), 2, 6, "rooms in a row", "rooms"),
            _count("max_room_size", 10, (4, 7), 4, 10, "greatest width and height of a room, walls included", "cells"),
        ),
        build=_multi_room,
        horizon=120,
        description="Open the doors of a row of rooms and reach the goal in the last.",
    ),
    _World(
        name="obstructed_maze",
        axes=(KEY_IN_BOX, BLOCKED),
        build=_plain("ObstructedMaze_1Dlhb", "key_in_box", "blocked"),
        aim=grid_planner.prize,
        horizon=288,
        description="Pick up a ball behind a locked door that may be blocked, with a key that may be hidden.",
    ),
    _World(
        name="obstructed_maze_full",
        axes=(
            _count("num_quarters", 4, (1, 2), 1, 4, "quarters of the maze in which the ball may be", "quarters"),
            KEY_IN_BOX,
            BLOCKED,
        ),
        build=_plain("ObstructedMaze_Full_V1", "num_quarters", "key_in_box", "blocked"),
        aim=grid_planner.prize,
        horizon=3600,
        description="Pick up a ball in a maze of nine rooms with locked, blocked doors and hidden keys.",
    ),
    _World(
        name="put_near",
        axes=(_size(6, (9, 13), 6, 24), _count("num_objects", 2, (3, 4), 2, 4, "objects in the room", "objects")),
        see_through_walls=True,
        build=_plain("PutNearEnv", "size", numObjs="num_objects"),
        aim=grid_planner.beside_target,
        horizon=30,
        description="Carry one object next to another, as the mission says.",
    ),
    _World(
        name="red_blue_doors",
        axes=(_size(8, (6, 12), 6, 24, step=2),),
        build=_plain("RedBlueDoorEnv", "size"),
        aim=grid_planner.red_then_blue,
        horizon=1280,
        description="Open the red door, then the blue door.",
    ),
    _World(
        name="simple_crossing",
        axes=CROSSING_AXES,
        build=_crossing("wall"),
        horizon=324,
        description="Reach the goal through the gaps in walls.",
    ),
    _World(
        name="unlock",
        build=_plain("UnlockEnv"),
        aim=grid_planner.door,
        horizon=288,
        description="Find a key and open the locked door.",
    ),
    _World(
        name="unlock_pickup",
        build=_plain("UnlockPickupEnv"),
        aim=grid_planner.prize,
        horizon=288,
        description="Unlock a door with a key and pick up the box in the next room.",
    ),
)


# ------------------------------------------------------------------ construction


def _make(world: _World, values: Mapping[str, Scalar]) -> Simulator:
    from minigrid import envs

    env = world.build(envs, values)
    return simulator_of(env, values, _missions(env.observation_space["mission"]))


def simulator_of(env: Any, values: Mapping[str, Scalar], missions: Any) -> Simulator:
    """The simulator of a MiniGrid environment with the view that the values tell and that space of missions."""
    import numpy as np
    from gymnasium import spaces

    from env_registry.gymnasium_adapter import GymnasiumSimulator

    env.see_through_walls = values["see_through_walls"]  # some constructors do not let it be passed
    view = int(values["agent_view_size"])
    env.agent_view_size = view
    simulator = GymnasiumSimulator(env)
    simulator.observation_spaces = {
        SINGLE_AGENT: spaces.Dict(
            image=spaces.Box(0, 255, (view, view, 3), np.uint8),
            direction=spaces.Discrete(4),
            mission=missions,
        )
    }
    return simulator


def _missions(space: Any) -> Any:
    """The texts that MiniGrid's space of missions can hold, up to the longest."""
    from gymnasium.spaces import Text

    longest = space.mission_func(*(max(words, key=len) for words in space.ordered_placeholders or ()))
    return Text(len(longest), charset=_MISSION_CHARACTERS)


def _axes(world: _World) -> tuple[Axis, ...]:
    return (
        *world.axes,
        VIEW_SIZE,
        replace(SEE_THROUGH_WALLS, default=world.see_through_walls, levels=(not world.see_through_walls,)),
    )


FAMILIES = tuple(
    Family(
        name=f"minigrid/{world.name}",
        domain=Domain.SYMBOLIC,
        traits=TRAITS,
        axes=_axes(world),
        make=partial(_make, world),
        horizon=world.horizon,
        description=world.description,
        source="https://arxiv.org/abs/2306.13831",
        licence="Apache-2.0",
        distribution="minigrid",
        tags=("grid-world", "language"),
        witness=partial(grid_planner.planner, world.aim),
    )
    for world in _WORLDS
)
