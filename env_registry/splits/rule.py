"""Rules: what is held out, of which kind, and whether a rule means what its kind says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from env_registry.axes import Axis, Distribution
from env_registry.family import Family, families
from env_registry.modifiers import modifiers
from env_registry.spec import Spec
from env_registry.splits.amounts import Span, amount, axis_range, has, is_numeric


class Kind(StrEnum):
    """How a held-out spec lies to what may be trained on, mildest first."""

    INTERPOLATION = "interpolation"  # between values of one axis that are trained on
    COMPOSITION = "composition"  # parts that are trained on, never together
    EXTRAPOLATION = "extrapolation"  # outside the range of one axis that is trained on
    FAMILY = "family"  # nothing of its dynamics is trained on


HARDNESS = {kind: rank for rank, kind in enumerate(Kind)}


class RuleProblem(ValueError):
    """A rule says nothing, or not what its kind means; `field` is where in the list of rules."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What is held out, in the families that `families` (names, `*` stands for anything) and `domain` leave.

    `family`: all of them, or only the base tasks that `tasks` names (values by task parameter). `interpolation`: values
    of `axis` strictly between two `between`. `extrapolation`: values of `axis` outside `trained` (either end may be
    None). `composition`: specs that have all of `parts`. An axis is a parameter (`gravity`) or, after a colon, an
    argument of a modifier (`:obs_drop.p`); a part is a parameter that is not at its default, or a modifier (`:delay`).
    """

    name: str
    kind: Kind
    families: tuple[str, ...] = ("*",)
    domain: str | None = None
    tasks: Mapping[str, tuple[Any, ...]] | None = None
    axis: str | None = None
    between: tuple[float, float] | None = None
    trained: tuple[float | None, float | None] | None = None
    parts: tuple[str, ...] = ()

    def covers(self, family: Family) -> bool:
        return self.domain in (None, str(family.domain)) and any(fnmatchcase(family.name, p) for p in self.families)

    def json(self) -> dict[str, Any]:
        """Only what is given, as a steward would write it."""
        given = {name: value for name, value in asdict(self).items() if value not in (None, ())}
        shown: dict[str, Any] = json.loads(json.dumps(given))
        return shown


def holds(rule: Rule, spec: Spec) -> bool:
    """Whether the rule, which covers the spec's family, holds the spec out."""
    match rule.kind:
        case Kind.FAMILY:
            return all(_may_be(spec, name, values) for name, values in (rule.tasks or {}).items())
        case Kind.COMPOSITION:
            return all(has(spec, part) for part in rule.parts)
        case _:
            assert rule.axis is not None
            return any(outside(rule, span) for span in amount(spec, rule.axis) or ())


def _may_be(spec: Spec, name: str, values: Sequence[Any]) -> bool:
    if name not in spec.values:
        return False
    value = spec.values[name]
    own = value.arguments if isinstance(value, Distribution) else (value,)
    return not set(values).isdisjoint(own)


def outside(rule: Rule, span: Span) -> bool:
    """Whether a value in the span may be one that the rule holds out."""
    low, high = span
    if rule.between is not None:
        return low < rule.between[1] and high > rule.between[0]
    least, most = rule.trained or (None, None)
    return (least is not None and low < least) or (most is not None and high > most)


# --- what a rule may say

_FIELDS: Mapping[Kind, tuple[str, ...]] = {
    Kind.FAMILY: (),
    Kind.INTERPOLATION: ("axis", "between"),
    Kind.EXTRAPOLATION: ("axis", "trained"),
    Kind.COMPOSITION: ("parts",),
}


def check_rule(field: str, rule: Rule) -> None:
    """
    Raises
    ------
    RuleProblem
        The rule says nothing, or not what its kind means.
    """
    allowed = {*_FIELDS[rule.kind], "tasks"} if rule.kind is Kind.FAMILY else set(_FIELDS[rule.kind])
    for name in ("axis", "between", "trained", "parts", "tasks"):
        given = getattr(rule, name) not in (None, ())
        if given and name not in allowed:
            raise RuleProblem(f"{field}.{name}", f"does not go with the kind {rule.kind}")
        if not given and name in _FIELDS[rule.kind]:
            raise RuleProblem(f"{field}.{name}", f"the kind {rule.kind} needs it")
    covered = [family for family in families().values() if rule.covers(family)]
    if not covered:
        raise RuleProblem(f"{field}.families", "no family has such a name and domain")
    if rule.kind is Kind.FAMILY:
        _check_family(field, rule, covered)
    elif rule.kind is Kind.COMPOSITION:
        _check_parts(f"{field}.parts", rule, covered)
    else:
        _check_axis(field, rule, covered)


def _check_family(field: str, rule: Rule, covered: Sequence[Family]) -> None:
    if not rule.tasks and len(covered) == len(families()):
        raise RuleProblem(f"{field}.families", "name the families: all of them would leave nothing to train on")
    for name, values in (rule.tasks or {}).items():
        at = f"{field}.tasks.{name[:100]}"
        axes = [axis for family in covered if (axis := family.axis(name)) is not None and axis.task]
        if not axes:
            raise RuleProblem(at, "is a task parameter of none of these families")
        if not values:
            raise RuleProblem(at, "give at least one value")
        for value in values:
            if not any(_fits(axis, value) for axis in axes):
                raise RuleProblem(at, f"{value!r} is no value of it")


def _fits(axis: Axis, value: Any) -> bool:
    try:
        return bool(axis.check(value) == value)
    except ValueError:
        return False


def _check_parts(field: str, rule: Rule, covered: Sequence[Family]) -> None:
    if len(set(rule.parts)) != len(rule.parts) or len(rule.parts) < 2:
        raise RuleProblem(field, "give two different parts or more")
    known = {name for name, _ in modifiers()}
    for i, part in enumerate(rule.parts):
        if part.startswith(":") and part[1:] not in known:
            raise RuleProblem(f"{field}[{i}]", f"no modifier {part[1:][:100]!r}")
        if not part.startswith(":") and not any(family.axis(part) for family in covered):
            raise RuleProblem(
                f"{field}[{i}]", f"no parameter {part[:100]!r} in these families; modifiers begin with ':'"
            )
    if not any(all(part.startswith(":") or family.axis(part) for part in rule.parts) for family in covered):
        raise RuleProblem(field, "no family has all of these parameters")


def _check_axis(field: str, rule: Rule, covered: Sequence[Family]) -> None:
    ranges = _ranges(field, rule, covered)
    if rule.between is not None:
        low, high = rule.between
        if not low < high:
            raise RuleProblem(
                f"{field}.between", "the first must be below the second; values strictly between are held out"
            )
        for name, (least, most) in ranges.items():
            if high > least and low < most and not (least <= low and high <= most):
                reason = (
                    f"{name} has {least:g} to {most:g}: without a trained value on both sides it would be extrapolation"
                )
                raise RuleProblem(f"{field}.between", reason)
    if rule.trained is not None:
        bottom, top = rule.trained
        if bottom is None and top is None:
            raise RuleProblem(f"{field}.trained", "give at least one end")
        for name, (least, most) in ranges.items():
            inside = max(least, least if bottom is None else bottom), min(most, most if top is None else top)
            if not inside[0] < inside[1]:
                reason = f"{name} has {least:g} to {most:g}: no range is left to train on"
                raise RuleProblem(f"{field}.trained", reason)


def _ranges(field: str, rule: Rule, covered: Sequence[Family]) -> Mapping[str, Span]:
    """The range of the rule's axis in each family that has it, or of the modifier's argument."""
    axis = rule.axis or ""
    if axis.startswith(":"):
        name, _, argument = axis[1:].partition(".")
        found = [
            own for (known, _), m in modifiers().items() if known == name and (own := m.axis(argument)) is not None
        ]
        named = {axis[1:]: own for own in found}
    else:
        named = {family.name: own for family in covered if (own := family.axis(axis)) is not None}
    numeric = {name: axis_range(own) for name, own in named.items() if is_numeric(own)}
    if not numeric:
        reason = "is no number of any of these families; modifiers are written :name.argument"
        raise RuleProblem(f"{field}.axis", reason)
    return numeric
