"""Why a spec is held out: what each rule says of it, and the nearest spec that may be trained on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import islice, product
from typing import Any

from env_registry.axes import Axis, format_scalar
from env_registry.family import Family
from env_registry.modifiers import Modifier, modifiers
from env_registry.problems import RefProblem
from env_registry.spec import ModifierUse, Spec
from env_registry.splits.amounts import (
    ANYTHING,
    OTHER_UNITS,
    SAME,
    Span,
    amount,
    axis_range,
    is_numeric,
    modifier_name,
    support,
)
from env_registry.splits.rule import HARDNESS, Kind, Rule, outside
from env_registry.splits.split import Split


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why one rule holds a spec out. `hull` is the trained range of `axis`, `between` the band left out of it;
    `distance` says how far outside the hull the value lies, in units of its width: 0 inside, None where there is no
    such measure."""

    rule: str
    kind: Kind
    detail: str
    axis: str | None = None
    value: str | None = None
    hull: tuple[float, float] | None = None
    between: tuple[float, float] | None = None
    distance: float | None = None


@dataclass(frozen=True, kw_only=True)
class Nearest:
    """The nearest spec that may be trained on, found by changing what holds the spec out. `distance` is summed over
    axes: the change in units of the axis' range; 1 for another choice, and for a modifier more or less."""

    ref: str
    distance: float


def reasons(split: Split, spec: Spec) -> list[Reason]:
    """Why the spec is held out, hardest kind first; empty if it may be trained on."""
    found = [_reason(rule, spec) for rule in split.holding(spec)]
    return sorted(found, key=lambda reason: -HARDNESS[reason.kind])


def nearest(split: Split, spec: Spec) -> Nearest | None:
    """The nearest training spec among the listed values of the axes that hold this one out. None where there is
    none, as for a whole family, or the spec may be trained on itself."""
    holding = split.holding(spec)
    if not holding or any(rule.kind is Kind.FAMILY for rule in holding):
        return None
    changes = [list(_changes(rule, spec)) for rule in holding]
    tried: dict[str, float] = {}
    for steps in islice(product(*changes), 1_000):
        try:
            point = reduce(lambda before, change: change(before), steps, spec)
        except RefProblem:  # what remains of the modifiers may not fit
            continue
        if point.ref not in tried and split.kind(point) is None:
            tried[point.ref] = distance(spec, point)
    return min((Nearest(ref=ref, distance=d) for ref, d in tried.items()), key=_order, default=None)


def _order(nearest: Nearest) -> tuple[float, str]:
    return nearest.distance, nearest.ref


def _reason(rule: Rule, spec: Spec) -> Reason:
    match rule.kind:
        case Kind.FAMILY:
            of = f" with {_tasks_text(rule)}" if rule.tasks else ""
            return Reason(rule=rule.name, kind=rule.kind, detail=f"nothing of {spec.family}{of} is trained on")
        case Kind.COMPOSITION:
            parts = " with ".join(part.removeprefix(":") for part in rule.parts)
            return Reason(rule=rule.name, kind=rule.kind, detail=f"{parts} is trained on apart, never together")
    assert rule.axis is not None
    spans = [span for span in amount(spec, rule.axis) or () if outside(rule, span)]
    hull, value = _hull(rule, spec), _span_text(spans[0])
    name = rule.axis.removeprefix(":")
    away = None if rule.between else max(_excess(span, hull) for span in spans)
    if spans[0] == ANYTHING:
        detail = f"what {name} amounts to here is not known, which counts as held out"
    elif rule.between is not None:
        low, high = map(format_scalar, rule.between)
        detail, away = f"{name} {value} lies between {low} and {high}, which are trained on", 0.0
    else:
        detail = f"{name} {value} lies outside {_span_text(hull)}, which is trained on"
    return Reason(
        rule=rule.name,
        kind=rule.kind,
        detail=detail,
        axis=rule.axis,
        value=None if spans[0] == ANYTHING else value,
        hull=hull,
        between=rule.between,
        distance=away if away is not None and math.isfinite(away) else None,
    )


def _tasks_text(rule: Rule) -> str:
    return ", ".join(f"{n}={'|'.join(map(format_scalar, values))}" for n, values in (rule.tasks or {}).items())


def _span_text(span: Span) -> str:
    low, high = span
    return format_scalar(low) if low == high else f"{format_scalar(low)} to {format_scalar(high)}"


def _hull(rule: Rule, spec: Spec) -> Span:
    """The trained range of the rule's axis, as far as the axis goes."""
    assert rule.axis is not None
    low, high = axis_range(axis_of(rule.axis, spec.source))
    least, most = rule.trained or (None, None)
    return low if least is None else max(low, least), high if most is None else min(high, most)


def _excess(span: Span, hull: Span) -> float:
    return max(hull[0] - span[0], span[1] - hull[1]) / (hull[1] - hull[0])


def axis_of(axis: str, family: Family) -> Axis:
    """The axis that a rule names, in a family that has it."""
    if not axis.startswith(":"):
        found = family.axis(axis)
    else:
        name, _, argument = axis[1:].partition(".")
        found = next(axis for axis in _modifier(name).axes if axis.name == argument)
    assert found is not None
    return found


def _modifier(name: str) -> Modifier:
    return max((m for (known, _), m in modifiers().items() if known == name), key=lambda m: m.version)


def distance(one: Spec, other: Spec) -> float:
    """How far apart two specs of one family are, as `Nearest` has it."""
    total = 0.0
    for axis in one.source.axes:
        mine, theirs = one.values[axis.name], other.values[axis.name]
        spans = support(axis, mine), support(axis, theirs)
        if spans[0] and spans[1]:
            low, high = axis_range(axis)
            total += abs(_middle(spans[0]) - _middle(spans[1])) / (high - low)
        else:
            total += mine != theirs
    return total + _modifier_distance(one.modifiers, other.modifiers)


def _middle(spans: Sequence[Span]) -> float:
    return (min(low for low, _ in spans) + max(high for _, high in spans)) / 2


def _modifier_distance(some: Sequence[ModifierUse], others: Sequence[ModifierUse]) -> float:
    total, left = 0.0, list(others)
    for use in some:
        alike = next((other for other in left if other.name == use.name), None)
        if alike is None:
            total += 1
            continue
        left.remove(alike)
        for axis in use.modifier.axes:
            mine, theirs = dict(use.arguments)[axis.name], dict(alike.arguments).get(axis.name)
            if is_numeric(axis) and theirs is not None:
                low, high = axis_range(axis)
                total += abs(float(mine) - float(theirs)) / (high - low)
            else:
                total += mine != theirs
    return total + len(left)


Change = Callable[[Spec], Spec]


def _changes(rule: Rule, spec: Spec) -> Iterator[Change]:
    """Ways out of a rule: a part less, or a listed value of its axis."""
    if rule.kind is Kind.COMPOSITION:
        yield from (_less(part) for part in rule.parts)
        return
    assert rule.axis is not None
    yield _less(rule.axis.partition(".")[0])
    axis = axis_of(rule.axis, spec.source)
    for value in (axis.default, *axis.levels):
        yield _valued(rule.axis, value)


def _less(part: str) -> Change:
    """The change that takes a part away, in all its spellings."""

    def change(spec: Spec) -> Spec:
        if part.startswith(":"):
            names = {part[1:], OTHER_UNITS.get(part[1:])}
            reset = {p for p, same in SAME.items() if modifier_name(same) == part[1:]}
        else:
            names, reset = {modifier_name(SAME[part])} if part in SAME else set(), {part}
        values = {name: value for name, value in spec.parameters if name not in reset}
        return changed(spec, parameters=values, uses=[use for use in spec.modifiers if use.name not in names])

    return change


def _valued(axis: str, value: Any) -> Change:
    def change(spec: Spec) -> Spec:
        if not axis.startswith(":"):
            return changed(spec, parameters=dict(spec.parameters) | {axis: value})
        name, _, argument = axis[1:].partition(".")
        uses = [
            ModifierUse(u.name, u.version, tuple({**dict(u.arguments), argument: value}.items()))
            if u.name == name
            else u
            for u in spec.modifiers
        ]
        return changed(spec, uses=uses)

    return change


def changed(
    spec: Spec, *, parameters: Mapping[str, Any] | None = None, uses: Sequence[ModifierUse] | None = None
) -> Spec:
    named = [(f"{use.name}@{use.version}", dict(use.arguments)) for use in (spec.modifiers if uses is None else uses)]
    values = dict(spec.parameters) if parameters is None else parameters
    return Spec.of(spec.family, values, named, version=spec.version)
