"""MuJoCo behind the simulator interface: edits of a compiled model and the way back, and the exact state of an
environment.

Knows nothing of tasks and axes' ranges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import mujoco
import numpy as np
from gymnasium.envs.mujoco import MujocoEnv

from env_registry.gymnasium_adapter import GymnasiumSimulator

AIR_DENSITY = 1.2  # kg/m^3

_STATE = mujoco.mjtState.mjSTATE_INTEGRATION


class MujocoSimulator(GymnasiumSimulator):
    """A Gymnasium MuJoCo environment whose model may differ from the one in its file.

    Gymnasium resets data, never the model, so an edit between episodes holds for every episode after it.
    """

    env: MujocoEnv

    def __init__(self, env: MujocoEnv, *, time_limit: int, physics: Mapping[str, float]) -> None:
        super().__init__(env, time_limit=time_limit, state=())
        self.step_ms = 1e3 * env.dt
        self._compiled = ModelNumbers(env.model)
        if physics:
            edit_model(env.model, physics)

    def retune(self, arguments: Mapping[str, Any], physics: Mapping[str, float]) -> None:
        """From the next reset on as if constructed with these arguments, and with these edits of the compiled model.

        The environment keeps what its constructor took under the argument's name, perhaps after an underscore.
        """
        for name, value in arguments.items():
            setattr(self.env, f"_{name}" if hasattr(self.env, f"_{name}") else name, value)
        self._compiled.restore(self.env.model)
        if physics:
            edit_model(self.env.model, physics)
        self.step_ms = 1e3 * self.env.dt

    def save_env(self) -> dict[str, Any]:
        """Integration state, warm start included, and the positions that rewards of the next step are measured from.

        Those positions are not a function of the state: `mj_step` leaves them as its last evaluation of the dynamics
        found them, one Runge-Kutta stage or one time step behind.
        """
        model, data = self.env.model, self.env.data
        state = np.empty(mujoco.mj_stateSize(model, _STATE))
        mujoco.mj_getState(model, data, state, _STATE)
        return {"integration": state, "xpos": data.xpos.copy(), "xipos": data.xipos.copy()}

    def load_env(self, state: dict[str, Any]) -> None:
        model, data = self.env.model, self.env.data
        mujoco.mj_setState(model, data, state["integration"], _STATE)
        data.xpos[:] = state["xpos"]
        data.xipos[:] = state["xipos"]


# ------------------------------------------------------------------ a model's numbers

_OF_MESHES = ("_", "mesh_", "bvh_")
"""Beginnings of the names of arrays that no edit changes; Meta-World's have 7 MB."""
_SCALARS = {"opt": ("density", "viscosity"), "stat": ("meaninertia", "meanmass", "meansize", "extent")}


class ModelNumbers:
    """Every real number of a model as it is now, but for what only meshes and pictures have."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self._arrays = {name: view.copy() for name, view in model_numbers(model).items()}
        self._scalars = [
            (part, name, getattr(getattr(model, part), name)) for part, names in _SCALARS.items() for name in names
        ]

    def restore(self, model: mujoco.MjModel) -> None:
        """Give the model, or a copy of it, these numbers again."""
        for name, view in model_numbers(model).items():
            view[:] = self._arrays[name]
        for part, name, value in self._scalars:
            setattr(getattr(model, part), name, value)


def model_numbers(model: mujoco.MjModel) -> dict[str, Any]:
    """Live views of the arrays among them."""
    views = {name: getattr(model, name) for name in _array_names()}
    return views | {"gravity": model.opt.gravity, "wind": model.opt.wind, "center": model.stat.center}


@lru_cache(1)
def _array_names() -> tuple[str, ...]:
    model = mujoco.MjSpec().compile()
    arrays = {name: getattr(model, name) for name in dir(model) if not name.startswith(_OF_MESHES)}
    reals = [name for name, value in arrays.items() if isinstance(value, np.ndarray) and value.dtype == np.float64]
    return (*reals, "hfield_data")


# ------------------------------------------------------------------ edits


def edit_model(model: mujoco.MjModel, physics: Mapping[str, float]) -> None:
    """Change the compiled model in place. Names are those of `EDITS`.

    Constants that the compiler derives from masses and inertias are computed anew, in data of their own: `mj_setConst`
    leaves its data in the reference pose.
    """
    for name, value in physics.items():
        EDITS[name](model, value)
    mujoco.mj_setConst(model, mujoco.MjData(model))


def _set_gravity(model: mujoco.MjModel, magnitude: float) -> None:
    model.opt.gravity[2] = -magnitude


def _set_fluid_density(model: mujoco.MjModel, density: float) -> None:
    model.opt.density = density


def _set_fluid_viscosity(model: mujoco.MjModel, viscosity: float) -> None:
    model.opt.viscosity = viscosity


def _scale_mass(model: mujoco.MjModel, factor: float) -> None:
    model.body_mass *= factor
    model.body_inertia *= factor


def _scale(array: str) -> Callable[[mujoco.MjModel, float], None]:
    def scale(model: mujoco.MjModel, factor: float) -> None:
        getattr(model, array)[:] *= factor

    return scale


def _tilt(model: mujoco.MjModel, degrees: float) -> None:
    """Gravity as on a slope that rises along x; comes after `gravity`."""
    angle = np.deg2rad(degrees)
    x, _, z = model.opt.gravity
    model.opt.gravity[[0, 2]] = x * np.cos(angle) + z * np.sin(angle), z * np.cos(angle) - x * np.sin(angle)


def _set_headwind(model: mujoco.MjModel, speed: float) -> None:
    """Wind against x. It needs a medium: air, unless there is another; comes after `fluid_density`."""
    model.opt.wind[0] = -speed
    model.opt.density = model.opt.density or AIR_DENSITY


def _scale_root_mass(model: mujoco.MjModel, factor: float) -> None:
    model.body_mass[1] *= factor
    model.body_inertia[1] *= factor


def _scale_joint_range(model: mujoco.MjModel, factor: float) -> None:
    model.jnt_range[model.jnt_limited.astype(bool)] *= factor


def _scale_softness(model: mujoco.MjModel, factor: float) -> None:
    """The time constants of contacts; those written as stiffness and damping (negative) stay."""
    model.geom_solref[model.geom_solref[:, 0] > 0, 0] *= factor


def _set_damping(model: mujoco.MjModel, damping: float) -> None:
    model.dof_damping[:] = damping


def _scale_lag(model: mujoco.MjModel, factor: float) -> None:
    model.actuator_dynprm[:, 0] *= factor


EDITS: Mapping[str, Callable[[mujoco.MjModel, float], None]] = {
    "gravity": _set_gravity,
    "friction_scale": _scale("geom_friction"),
    "damping_scale": _scale("dof_damping"),
    "stiffness_scale": _scale("jnt_stiffness"),
    "mass_scale": _scale_mass,
    "armature_scale": _scale("dof_armature"),
    "gear_scale": _scale("actuator_gear"),
    "fluid_density": _set_fluid_density,
    "fluid_viscosity": _set_fluid_viscosity,
    "slope": _tilt,
    "headwind": _set_headwind,
    "root_mass_scale": _scale_root_mass,
    "joint_range_scale": _scale_joint_range,
    "dry_friction_scale": _scale("dof_frictionloss"),
    "contact_softness": _scale_softness,
    "actuator_lag_scale": _scale_lag,
    "damping": _set_damping,
}
