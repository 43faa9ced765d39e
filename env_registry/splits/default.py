"""The split that ships with the registry: all four kinds, in all three domains, a few percent of each.

A change here is a new version of it. docs/decisions/0009-splits-and-holdouts.md says why these.
"""

from __future__ import annotations

from env_registry.splits.rule import Kind, Rule
from env_registry.splits.split import Split

NAME = "default"

DEFAULT = Split.of(
    (
        Rule(name="getting-up", kind=Kind.FAMILY, families=("*/humanoid_standup",)),
        Rule(name="acrobots", kind=Kind.FAMILY, families=("*/acrobot",)),
        Rule(name="eggs-in-hand", kind=Kind.FAMILY, families=("robotics/hand_egg",)),
        Rule(name="auctions", kind=Kind.FAMILY, families=("*auction",)),
        Rule(name="rewriting", kind=Kind.FAMILY, families=("formal/rewriting",)),
        Rule(name="sokoban", kind=Kind.FAMILY, families=("puzzles/sokoban",)),
        Rule(name="strong-gravity", kind=Kind.EXTRAPOLATION, axis="gravity", trained=(None, 16.0)),
        Rule(name="late-observations", kind=Kind.EXTRAPOLATION, axis=":obs_delay.steps", trained=(None, 3.0)),
        Rule(name="noisy-rewards", kind=Kind.EXTRAPOLATION, axis=":reward_noise.sd", trained=(None, 0.5)),
        Rule(name="sluggish-joints", kind=Kind.COMPOSITION, parts=("armature_scale", "damping_scale")),
        Rule(name="other-basis-and-gates", kind=Kind.COMPOSITION, parts=("basis", "gates")),
        Rule(name="late-sight-of-partners", kind=Kind.COMPOSITION, parts=(":obs_delay", ":partner")),
        Rule(name="late-sight-of-noisy-rewards", kind=Kind.COMPOSITION, parts=(":obs_delay", ":reward_noise")),
        Rule(name="heavier", kind=Kind.INTERPOLATION, axis="mass_scale", between=(1.2, 1.8)),
        Rule(name="slippery", kind=Kind.INTERPOLATION, axis="slip", between=(0.05, 0.2)),
        Rule(name="some-losses", kind=Kind.INTERPOLATION, axis=":obs_drop.p", between=(0.15, 0.35)),
    )
)
