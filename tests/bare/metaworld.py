"""Meta-World's own classes, set up as the library sets them up where it generates tasks, with its public seeding."""

from __future__ import annotations

from typing import Any

from metaworld.env_dict import ALL_V3_ENVIRONMENTS


class _Seeded:
    """A new place for objects and goal at every reset."""

    def __init__(self, task: str = "reach", *, goal_observable: bool = True, **arguments: Any) -> None:
        env: Any = ALL_V3_ENVIRONMENTS[f"{task}-v3"](**arguments)
        env._partially_observable = not goal_observable
        del env.sawyer_observation_space  # cached with the goal hidden
        env.seeded_rand_vec = True
        env._freeze_rand_vec = False
        env._set_task_called = True
        self.unwrapped, self.step = env, env.step

    def reset(self, *, seed: int, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        self.unwrapped.seed(seed)
        found: tuple[Any, dict[str, Any]] = self.unwrapped.reset()
        return found


BARE = {"metaworld/sawyer": _Seeded}
