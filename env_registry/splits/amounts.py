"""How much of something a spec has, whatever it is spelled with: stacked modifiers, or a parameter and a modifier that
do the same. What is not known may be anything."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import reduce
from itertools import product
from operator import add, mul

from env_registry.axes import Axis, Distribution, DistributionKind, Value
from env_registry.spec import Spec

Span = tuple[float, float]
"""The least and the greatest value that may occur."""
ANYTHING: Span = (-math.inf, math.inf)

_STACKED: Mapping[str, Callable[[float, float], float]] = {
    ":action_bias.share": add,
    ":action_scale.gain": mul,
    ":delay.steps": add,
    ":obs_delay.steps": add,
    ":repeat.k": mul,
    ":reward_delay.steps": add,
    ":time_limit.steps": min,
}
"""What two uses of one modifier amount to. A modifier that is not here may amount to anything when it is stacked."""

_LENGTHS = ("episode_length", "horizon", "max_cycles", "max_episode_length", "max_episode_steps", "max_steps", "rounds")
SAME: Mapping[str, str] = {
    "frame_skip": ":repeat.k",
    "gear_scale": ":action_scale.gain",
    **dict.fromkeys(_LENGTHS, ":time_limit.steps"),
}
"""Parameters that do what a modifier does."""
OTHER_UNITS = {"delay": "latency", "latency": "delay"}
"""Modifiers that do the same in units which only the engine can convert."""


def amount(spec: Spec, axis: str) -> list[Span] | None:
    """What the spec has of a rule's axis: where its values may lie. None where it has none of it, or no number.

    A parameter counts together with the modifier that does the same, and a modifier together with its own further uses
    and with such parameters where they are off their default.
    """
    if not axis.startswith(":"):
        own = spec.source.axis(axis)
        spans = support(own, spec.values[axis]) if own is not None else None
        alike = _uses(spec, SAME[axis]) if spans is not None and axis in SAME else []
        return reduce(_joined(SAME[axis]), alike, spans) if alike and spans is not None else spans
    uses = _uses(spec, axis)
    if any(use.name == OTHER_UNITS.get(modifier_name(axis)) for use in spec.modifiers):
        return [ANYTHING]
    alike = [_relative(spec, name, axis) for name, value in spec.parameters if SAME.get(name) == axis]
    found = uses + alike
    return reduce(_joined(axis), found) if found else None


def _uses(spec: Spec, axis: str) -> list[list[Span]]:
    name, _, argument = axis[1:].partition(".")
    values = [dict(use.arguments)[argument] for use in spec.modifiers if use.name == name]
    return [[(float(value), float(value))] for value in values]


def modifier_name(axis: str) -> str:
    return axis[1:].partition(".")[0]


def _joined(axis: str) -> Callable[[list[Span], list[Span]], list[Span]]:
    operation = _STACKED.get(axis)

    def join(some: list[Span], more: list[Span]) -> list[Span]:
        if operation is None:
            return [ANYTHING]
        corners = [[operation(x, y) for x in a for y in b] for a, b in product(some, more)]
        return [(min(values), max(values)) for values in corners]

    return join


def _relative(spec: Spec, name: str, axis: str) -> list[Span]:
    """A parameter off its default as an amount of the modifier that does the same: a factor against the default."""
    own = spec.source.axis(name)
    assert own is not None
    spans = support(own, spec.values[name]) or [ANYTHING]
    if _STACKED[axis] is not mul:
        return spans
    return [(low / own.default, high / own.default) for low, high in spans] if own.default else [ANYTHING]


def support(axis: Axis, value: Value) -> list[Span] | None:
    """Where a value of a numeric axis may lie; None for names and truths. Fails closed: a distribution that is not
    known here may draw anything that its axis takes."""
    if not is_numeric(axis):
        return None
    if not isinstance(value, Distribution):
        return [(float(value), float(value))]
    match value.kind:
        case DistributionKind.CHOICE:
            return [(float(x), float(x)) for x in value.arguments]
        case DistributionKind.UNIFORM | DistributionKind.LOGUNIFORM:
            return [(float(value.arguments[0]), float(value.arguments[1]))]
        case _:
            return [axis_range(axis)]


def is_numeric(axis: Axis) -> bool:
    return axis.python_type in (int, float)


def axis_range(axis: Axis) -> Span:
    limits = axis.schema()
    return float(limits["low"]), float(limits["high"])


def has(spec: Spec, part: str) -> bool:
    """Whether the spec has a part of a composition, in any spelling."""
    changed = {name for name, _ in spec.parameters}
    used = {use.name for use in spec.modifiers}
    if not part.startswith(":"):
        same = SAME.get(part)
        return part in changed or (
            same is not None and modifier_name(same) in used and spec.source.axis(part) is not None
        )
    name = part[1:]
    return bool(
        used & {name, OTHER_UNITS.get(name)} or any(modifier_name(SAME[p]) == name for p in changed & SAME.keys())
    )
