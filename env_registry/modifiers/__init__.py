"""The library of modifiers. Refs without a version mean version 1 for ever; a change of behaviour is a new version."""

from __future__ import annotations

from collections.abc import Mapping

from env_registry.modifiers.actions import action_bias, action_scale, delay, latency, noise, sticky
from env_registry.modifiers.modifier import Modifier
from env_registry.modifiers.observations import frame_stack, obs_delay, obs_drop, obs_mask, obs_noise, pixels
from env_registry.modifiers.partners import partner
from env_registry.modifiers.rewards import reward_delay, reward_noise, reward_sign, reward_sparse
from env_registry.modifiers.time import repeat, time_limit

__all__ = ["Modifier", "modifiers"]

_MODIFIERS = {
    (modifier.name, modifier.version): modifier
    for modifier in (
        action_bias,
        action_scale,
        delay,
        frame_stack,
        latency,
        noise,
        obs_delay,
        obs_drop,
        obs_mask,
        obs_noise,
        partner,
        pixels,
        repeat,
        reward_delay,
        reward_noise,
        reward_sign,
        reward_sparse,
        sticky,
        time_limit,
    )
}


def modifiers() -> Mapping[tuple[str, int], Modifier]:
    """Every modifier by (name, version), sorted."""
    return _MODIFIERS
