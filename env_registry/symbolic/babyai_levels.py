"""BabyAI: missions in a small language, in MiniGrid's rooms.

Owns which levels there are, how large their rooms may be, and how many steps their missions get. Levels that are
MiniGrid worlds under another name are left out (`KeyCorridor`, `UnlockPickup`, `BlockedUnlockPickup`).
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from env_registry.axes import Axis, ChoiceAxis, FloatAxis, IntAxis, Scalar
from env_registry.family import Actor, Domain, Family
from env_registry.shorthand import switch, whole
from env_registry.simulator import Simulator
from env_registry.symbolic.minigrid_worlds import SEE_THROUGH_WALLS, TRAITS, VIEW_SIZE, simulator_of

LONGEST_MISSION = 320
"""Characters: four clauses that each put one described object next to another, and the words between them."""

SEARCHES = 100
"""Most ways that the bot looks for before one action; some missions let it go on for ever."""

_ACTIONS_IN = {"action": 1, "and": 2, "seq": 4}  # most actions in a sentence of each kind
_KINDS: Mapping[str, tuple[str, ...]] = {
    "any": ("goto", "pickup", "open", "putnext"),
    **{kind: (kind,) for kind in ("goto", "pickup", "open", "putnext")},
}


# ------------------------------------------------------------------ axes


def _room_size(default: int, levels: tuple[int, ...], low: int = 6) -> IntAxis:
    return whole("room_size", default, low, 14, levels, "width and height of a room, walls included", "cells")


_ROWS = whole("num_rows", 3, 2, 4, (2, 4), "rows of rooms", "rooms")
_COLUMNS = whole("num_cols", 3, 2, 4, (2, 4), "columns of rooms", "rooms")


# ------------------------------------------------------------------ levels


@dataclass(frozen=True, kw_only=True)
class _Level:
    """A class of BabyAI with `fixed` arguments and, by the class' own names, those that axes give.

    A mission gets at most `steps` times the area of a room; where `by_rooms`, times the number of rooms, too.
    """

    made_by: str
    fixed: Mapping[str, Any] = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict)
    steps: int = 1
    by_rooms: bool = False


_ONE_ROOM = {
    "go_to": _Level(made_by="GoToLocal", given={"num_dists": "num_objects"}),
    "go_to_only": _Level(made_by="GoToObj"),
    "go_to_red_ball": _Level(made_by="GoToRedBall", given={"num_dists": "num_objects"}),
    "go_to_red_ball_grey": _Level(made_by="GoToRedBallGrey", given={"num_dists": "num_objects"}),
    "go_to_red_or_blue_ball": _Level(made_by="GoToRedBlueBall", given={"num_dists": "num_objects"}),
    "pickup_only": _Level(made_by="OneRoomS8"),
    "pickup": _Level(made_by="PickupDist"),
    "pickup_strict": _Level(made_by="PickupDist", fixed={"debug": True}),
    "pickup_located": _Level(made_by="PickupLoc"),
    "put_next": _Level(made_by="PutNextLocal", given={"num_objs": "num_objects"}, steps=2),
}
_DOORS = {
    "go_to_object_or_door": _Level(made_by="GoToObjDoor", steps=9),
    "go_to": _Level(made_by="GoToDoor", steps=9),
    "act_on_object_or_door": _Level(made_by="ActionObjDoor", steps=9),
    "open_only": _Level(made_by="OpenRedDoor", steps=2),
    "open_by_colour": _Level(made_by="OpenDoor", fixed={"select_by": "color"}, steps=9),
    "open_by_place": _Level(made_by="OpenDoor", fixed={"select_by": "loc"}, steps=9),
    "open_strict": _Level(made_by="OpenDoor", fixed={"debug": True, "select_by": "color"}, steps=9),
    "open_two": _Level(made_by="OpenTwoDoors", steps=20),
    "open_two_strict": _Level(made_by="OpenTwoDoors", fixed={"strict": True}, steps=20),
    "open_in_order": _Level(made_by="OpenDoorsOrder", given={"num_doors": "num_doors"}, steps=20),
    "open_in_order_strict": _Level(
        made_by="OpenDoorsOrder", fixed={"debug": True}, given={"num_doors": "num_doors"}, steps=20
    ),
}
_MAZE = {
    "go_to": _Level(made_by="GoTo", given={"num_dists": "num_objects", "doors_open": "doors_open"}, by_rooms=True),
    "open": _Level(made_by="Open", by_rooms=True),
    "pickup": _Level(made_by="Pickup", by_rooms=True),
    "unblock_and_pickup": _Level(made_by="UnblockPickup", by_rooms=True),
    "unlock": _Level(made_by="Unlock", by_rooms=True),
    "unlock_and_go_to": _Level(made_by="GoToImpUnlock", by_rooms=True),
}
_KEYS = {
    "unlock": _Level(made_by="UnlockLocal", steps=9),
    "unlock_among_objects": _Level(made_by="UnlockLocal", fixed={"distractors": True}, steps=9),
    "key_in_box": _Level(made_by="KeyInBox", steps=9),
    "unlock_to_unlock": _Level(made_by="UnlockToUnlock", steps=30),
    "pickup_above": _Level(made_by="PickupAbove", steps=8),
    "find_object": _Level(made_by="FindObjS5", steps=20),
}
_ACROSS_ARGUMENTS = {"room_size": "room_size", "objs_per_room": "objs_per_room"}
_ACROSS = {
    "put_next": _Level(made_by="PutNext", given=_ACROSS_ARGUMENTS, steps=8),
    "put_next_carrying": _Level(made_by="PutNext", fixed={"start_carrying": True}, given=_ACROSS_ARGUMENTS, steps=8),
    "move_two": _Level(made_by="MoveTwoAcross", given=_ACROSS_ARGUMENTS, steps=16),
}


def _tasks(levels: Mapping[str, _Level]) -> ChoiceAxis:
    first, *others = levels
    return ChoiceAxis(
        name="mission",
        default=first,
        choices=tuple(levels),
        levels=tuple(others),
        description="what is to be done",
        task=True,
    )


# ------------------------------------------------------------------ model construction


def _build(levels: Mapping[str, _Level], values: Mapping[str, Any]) -> Any:
    from minigrid.envs import babyai

    level = levels[values["mission"]]
    env = getattr(babyai, level.made_by)(**level.fixed, **{name: values[axis] for name, axis in level.given.items()})
    rows, columns = values.get("num_rows", env.num_rows), values.get("num_cols", env.num_cols)
    if (values["room_size"], rows, columns) != (env.room_size, env.num_rows, env.num_cols):
        _lay_out(env, values["room_size"], rows, columns)
    return env


def _lay_out(env: Any, room_size: int, rows: int, columns: int) -> None:
    """Other rooms than the level's own constructor would have; a fixed limit of steps grows with a room's area."""
    from minigrid.envs.babyai.core.roomgrid_level import RoomGridLevel

    limit = env.max_steps * room_size**2 // env.room_size**2 if env.fixed_max_steps else None
    RoomGridLevel.__init__(env, room_size=room_size, num_rows=rows, num_cols=columns, max_steps=limit)


def _build_generated(values: Mapping[str, Any]) -> Any:
    from minigrid.envs.babyai.core import levelgen

    make: Any = levelgen.LevelGen
    sentences = ("action", "and", "seq") if values["sentence"] == "any" else (values["sentence"],)
    own = {"mission", "sentence", "agent_view_size", "see_through_walls"}
    return make(
        action_kinds=_KINDS[values["mission"]],
        instr_kinds=sentences,
        **{name: value for name, value in values.items() if name not in own},
    )


def _make(build: Callable[[Mapping[str, Any]], Any], values: Mapping[str, Scalar]) -> Simulator:
    from gymnasium.spaces import Text

    missions = Text(LONGEST_MISSION, charset=string.ascii_lowercase + " ,")
    return _quiet(simulator_of(build(values), values, missions))


def _quiet(simulator: Any) -> Simulator:
    """BabyAI prints whenever it rejects a mission."""
    reset = simulator.env.reset

    def silently(**arguments: Any) -> Any:
        with redirect_stdout(None):
            return reset(**arguments)

    simulator.env.reset = silently
    made: Simulator = simulator
    return made


# ------------------------------------------------------------------ horizons and witness


def _horizon(levels: Mapping[str, _Level], values: Mapping[str, Any]) -> int:
    level = levels[values["mission"]]
    rooms = values["num_rows"] * values["num_cols"] if level.by_rooms else 1
    return int(level.steps * rooms * values["room_size"] ** 2)


def _generated_horizon(values: Mapping[str, Any]) -> int:
    actions = 4 if values["sentence"] == "any" else _ACTIONS_IN[values["sentence"]]
    navigations = actions * (2 if values["mission"] in ("any", "putnext") else 1)
    return int(navigations * values["num_rows"] * values["num_cols"] * values["room_size"] ** 2)


def _solver(simulator: Simulator) -> Actor:
    """BabyAI's own bot, which plans; at random where it gives up, as when its actions are not those executed."""
    env: Any = simulator.env  # type: ignore[attr-defined]
    bot: Any = None

    def act(_: Any, rng: np.random.Generator) -> int:
        nonlocal bot
        if env.step_count == 0:
            bot = _bot(env)
        if bot is not None:
            try:
                return int(bot.replan())
            except Exception:  # the bot has no error of its own
                bot = None
        return int(rng.integers(env.action_space.n))

    return act


def _bot(env: Any) -> Any:
    """A bot that raises StopIteration instead of planning for ever."""
    from minigrid.utils import baby_ai_bot

    base: Any = baby_ai_bot.BabyAIBot

    class Bot(base):  # type: ignore[misc]
        def replan(self, action_taken: Any = None) -> Any:
            self.searches = iter(range(SEARCHES))
            return super().replan(action_taken)

        def _shortest_path(self, *arguments: Any, **keywords: Any) -> Any:
            next(self.searches)
            return super()._shortest_path(*arguments, **keywords)

    return Bot(env)


# ------------------------------------------------------------------ registration


def _family(
    name: str,
    *axes: Axis,
    build: Callable[[Mapping[str, Any]], Any],
    horizon: Callable[[Mapping[str, Any]], int],
    description: str,
) -> Family:
    return Family(
        name=f"babyai/{name}",
        domain=Domain.SYMBOLIC,
        traits=TRAITS,
        axes=(*axes, VIEW_SIZE, SEE_THROUGH_WALLS),
        make=partial(_make, build),
        horizon=horizon,
        description=description,
        source="https://arxiv.org/abs/1810.08272",
        licence="Apache-2.0",
        distribution="minigrid",
        tags=("grid-world", "language"),
        witness=_solver,
    )


def _group(name: str, levels: Mapping[str, _Level], *axes: Axis, description: str) -> Family:
    return _family(
        name,
        _tasks(levels),
        *axes,
        build=partial(_build, levels),
        horizon=partial(_horizon, levels),
        description=description,
    )


FAMILIES: tuple[Family, ...] = (
    _group(
        "one_room",
        _ONE_ROOM,
        _room_size(8, (11, 14), low=7),
        whole("num_objects", 8, 2, 8, (2, 4), "objects in the room", "objects"),
        description="Go to, pick up or move objects of one room, as the mission says.",
    ),
    _group(
        "doors",
        _DOORS,
        _room_size(8, (11, 14), low=7),
        whole("num_doors", 2, 2, 4, (4,), "doors of which two are to be opened in order", "doors"),
        description="Go to or open doors of the room in the middle, as the mission says.",
    ),
    _group(
        "maze",
        _MAZE,
        _room_size(8, (11, 14), low=7),
        _ROWS,
        _COLUMNS,
        whole("num_objects", 18, 1, 18, (1, 5, 10), "objects in all rooms", "objects"),
        switch("doors_open", False, "whether all doors are open at the start"),
        description="Find an object or a door in a maze of rooms and deal with it as the mission says.",
    ),
    _group(
        "keys",
        _KEYS,
        _room_size(8, (6, 12)),
        description="Find keys, unlock doors and reach what is behind them.",
    ),
    _group(
        "across",
        _ACROSS,
        _room_size(8, (6, 12)),
        whole("objs_per_room", 3, 2, 5, (2, 5), "objects in either room", "objects"),
        description="Carry objects from one room to objects in the next.",
    ),
    _family(
        "sentences",
        ChoiceAxis(
            name="mission",
            default="any",
            choices=tuple(_KINDS),
            levels=tuple(kind for kind in _KINDS if kind != "any"),
            description="what is to be done",
            task=True,
        ),
        ChoiceAxis(
            name="sentence",
            default="any",
            choices=("any", *_ACTIONS_IN),
            levels=tuple(_ACTIONS_IN),
            description="one action, two in any order, or up to four with an order between them",
            task=True,
        ),
        _room_size(8, (11, 14), low=7),
        _ROWS,
        _COLUMNS,
        whole("num_dists", 18, 6, 18, (6, 10), "objects in all rooms", "objects"),
        FloatAxis(
            name="locked_room_prob",
            default=0.5,
            low=0.0,
            high=1.0,
            levels=(1.0,),
            unit="probability",
            description="that one room is locked, with its key in another",
            randomisable=True,
        ),
        switch("locations", True, "whether missions may describe objects by their places"),
        switch("unblocking", True, "whether objects may block the way"),
        build=_build_generated,
        horizon=_generated_horizon,
        description="Missions of the whole language: actions joined by `and`, `then` and `after`.",
    ),
)
