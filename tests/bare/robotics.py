"""Gymnasium-Robotics as registered; what no argument reaches is set as an attribute of the environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

import gymnasium
import gymnasium_robotics

gymnasium.register_envs(gymnasium_robotics)

_IDS = {
    "adroit_door": "AdroitHandDoor-v1",
    "adroit_hammer": "AdroitHandHammer-v1",
    "adroit_pen": "AdroitHandPen-v1",
    "adroit_relocate": "AdroitHandRelocate-v1",
    "fetch_pick_and_place": "FetchPickAndPlace-v4",
    "fetch_push": "FetchPush-v4",
    "fetch_reach": "FetchReach-v4",
    "fetch_slide": "FetchSlide-v4",
    "hand_block": "HandManipulateBlockFull-v1",
    "hand_egg": "HandManipulateEggFull-v1",
    "hand_pen": "HandManipulatePenFull-v1",
    "hand_reach": "HandReach-v3",
    "kitchen_franka": "FrankaKitchen-v1",
    "maze_ant": "AntMaze_UMaze-v5",
    "maze_point": "PointMaze_UMaze-v3",
}


def _make(default: str, *, id: str = "", attributes: Mapping[str, Any] | None = None, **arguments: Any) -> Any:
    env = gymnasium.make(id or default, disable_env_checker=True, **arguments)
    leaked = getattr(env.unwrapped, "tmp_xml_file_path", None)
    if leaked:
        Path(leaked).unlink()
    for name, value in (attributes or {}).items():
        owner, _, attribute = f"unwrapped.{name}".rpartition(".")
        assert hasattr(attrgetter(owner)(env), attribute)
        setattr(attrgetter(owner)(env), attribute, value)
    return env


BARE: dict[str, Callable[..., Any]] = {f"robotics/{name}": partial(_make, id) for name, id in _IDS.items()}
