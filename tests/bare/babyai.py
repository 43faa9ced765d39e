"""BabyAI's levels by the library's own constructors, which print when they reject a mission."""

from __future__ import annotations

from functools import partial
from typing import Any

from minigrid.envs import babyai
from minigrid.envs.babyai.core.levelgen import LevelGen

BARE: dict[str, Any] = {
    "babyai/across": partial(babyai.PutNext, room_size=8, objs_per_room=3),
    "babyai/doors": babyai.GoToObjDoor,
    "babyai/keys": babyai.UnlockLocal,
    "babyai/maze": babyai.GoTo,
    "babyai/one_room": babyai.GoToLocal,
    "babyai/sentences": LevelGen,
}
