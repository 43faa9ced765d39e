"""Gymnasium's own MuJoCo and classic control environments, as registered."""

from __future__ import annotations

from functools import partial

import gymnasium

_IDS = {
    "classic/acrobot": "Acrobot-v1",
    "classic/cartpole": "CartPole-v1",
    "classic/mountain_car": "MountainCar-v0",
    "classic/mountain_car_continuous": "MountainCarContinuous-v0",
    "classic/pendulum": "Pendulum-v1",
    "mujoco/ant": "Ant-v5",
    "mujoco/half_cheetah": "HalfCheetah-v5",
    "mujoco/hopper": "Hopper-v5",
    "mujoco/humanoid": "Humanoid-v5",
    "mujoco/humanoid_standup": "HumanoidStandup-v5",
    "mujoco/inverted_double_pendulum": "InvertedDoublePendulum-v5",
    "mujoco/inverted_pendulum": "InvertedPendulum-v5",
    "mujoco/pusher": "Pusher-v5",
    "mujoco/reacher": "Reacher-v5",
    "mujoco/swimmer": "Swimmer-v5",
    "mujoco/walker2d": "Walker2d-v5",
}

BARE = {family: partial(gymnasium.make, id, disable_env_checker=True) for family, id in _IDS.items()}
