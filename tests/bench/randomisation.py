"""Resets with new parameters: edited in place against simulators made anew, interleaved, in this process."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from functools import partial

from rich.console import Console

from env_registry import EpisodeSeeds, Scalar, Simulator, Spec, parse
from env_registry.family import Family
from env_registry.randomisation import Randomised
from tests.bench.measurement import Measurement, compared

REFS = {
    "mujoco": "mujoco/ant;friction_scale=uniform(0.5,1.5);gravity=uniform(5,12)",
    "ma_mujoco": "ma_mujoco/ant;friction_scale=uniform(0.5,1.5);gravity=uniform(5,12)",
    "metaworld": "metaworld/sawyer;friction_scale=uniform(0.5,1.5);gravity=uniform(5,12)",
    "cable": "cable/grasp;friction=uniform(0.1,1);gravity=uniform(5,12)",
    "dm_control": "dm_control/walker;friction_scale=uniform(0.5,1.5);gravity=uniform(5,12)",
    "robotics": "robotics/fetch_push;friction_scale=uniform(0.5,1.5);mass_scale=uniform(0.5,2)",
    "classic": "classic/cartpole;gravity=uniform(5,12);length=uniform(0.3,1)",
}
REPEATS = 5
SECONDS = float(os.environ.get("BENCH_SECONDS", "60")) / 30
"""Of each side of a repeat."""

progress = Console(stderr=True)


def measure(wanted: Callable[[str], bool]) -> list[Measurement]:
    found = []
    for name, ref in REFS.items():
        if wanted(f"randomisation/{name}"):
            spec = parse(ref)
            forget = _forget(name)
            pairs = [
                (_rate(partial(_in_place, spec)), _rate(partial(_made_anew, spec, forget))) for _ in range(REPEATS)
            ]
            found.append(compared(f"randomisation/{name}/in_place_vs_made", "resets/s", pairs))
            progress.print(f"{name}: {found[-1].value:,.0f} against {found[-1].baseline:,.0f} resets/s")
    return found


def _rate(start: Callable[[], Callable[[EpisodeSeeds], object]]) -> float:
    """Resets a second."""
    reset = start()
    for seed in range(3):
        reset(EpisodeSeeds.of(seed))  # warm
    count, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < SECONDS:
        reset(EpisodeSeeds.of(count))
        count += 1
    return count / took


def _in_place(spec: Spec) -> Callable[[EpisodeSeeds], object]:
    """As the pool does it."""
    return Randomised(spec.source, spec.values).reset


def _made_anew(spec: Spec, forget: Callable[[], None]) -> Callable[[EpisodeSeeds], object]:
    """The same, with an engine that was never used for each episode."""
    drawing = Randomised(spec.source, spec.values)
    drawing._family = _Anew(spec.source, forget)  # type: ignore[assignment]
    return drawing.reset


class _Anew:
    """A family that cannot retune, and whose closed simulators lend nothing to those that follow."""

    def __init__(self, family: Family, forget: Callable[[], None]) -> None:
        self._family, self._forget = family, forget

    def retune(self, simulator: Simulator, values: Mapping[str, Scalar]) -> bool:
        return False

    def make(self, values: Mapping[str, Scalar]) -> Simulator:
        self._forget()
        return self._family.make(values)


def _forget(name: str) -> Callable[[], None]:
    """Drops what a closed simulator left for the next one: families that lend engines edit those in place."""
    match name:
        case "dm_control":
            from env_registry.physics.dm_control_simulator import stage

            return stage.cache_clear
        case "robotics":
            from env_registry.physics.gymnasium_robotics_simulator import _idle

            return _idle.clear
    return lambda: None
