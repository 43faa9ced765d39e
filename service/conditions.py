"""Conditions of a search, and the names and amounts by which specs are found. See docs/decisions/0012-search.md.

What a search asks for, a spec has in the same words: `names`, `amounts` and `conditions` belong together. Knows what
the registry declares of families and modifiers.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeGuard

import env_registry
from env_registry import Axis, Distribution, RefProblem, Scalar, Spec
from env_registry.axes import ValueProblem, format_value
from env_registry.family import SINGLE_TURN
from env_registry.problems import unknown
from env_registry.splits import Kind
from service.api import schemas
from service.errors import Invalid

NONE = "none"
"""In a search, the modifier of specs without any."""
HELD_OUT = tuple(f"split={kind}" for kind in Kind)
"""Names that follow from the split in force, see `Holdout`: no spec has them for good."""

EQUAL = ("domain", "tag", "kind", "base_task", "observations", "actions", "engine", "seed_sensitive", "snapshot")
AT_LEAST = {"min_agents": "agents", "min_effect": "effect"}
AT_MOST = {"max_agents": "agents", "max_step_us": "step_us", "max_make_ms": "make_ms", "max_memory_mb": "memory_mb"}
"""Conditions of `schemas.Where` on one name or amount each."""

OF_SPEC = ("base_task", "kind", "observations", "actions", "seed_sensitive", "snapshot")
"""What is shown of a spec that makes a name and does not follow from its family."""
MEASURED = ("agents", "step_us", "make_ms", "memory_mb", "effect")
"""What is shown of a spec that makes an amount."""


# --- what a spec has


def names(spec: Spec, shown: Mapping[str, Any]) -> set[str]:
    """What a search can ask of a spec by name; `shown` are the facts that its row shows."""
    found = {f"text={word}" for word in words(spec.ref)}
    found |= _names_of_family(spec.family, spec.version)
    found.update(f"{name}={shown[name]}" for name in OF_SPEC)
    found.update(f"modifier={use.name}" for use in spec.modifiers)
    if not spec.modifiers:
        found.add(f"modifier={NONE}")
    found.update(_named(name, value) for name, value in spec.values.items() if not _is_number(value))
    return found


def amounts(spec: Spec, shown: Mapping[str, Any]) -> dict[str, float]:
    """What a search can ask of a spec by range."""
    found = {name: shown[name] for name in MEASURED if shown[name] is not None}
    found.update((_amount(name), value) for name, value in spec.values.items() if _is_number(value))
    return found


@cache
def _names_of_family(name: str, version: int) -> frozenset[str]:
    family = env_registry.family_versions()[name, version]
    named = [f"domain={family.domain}", f"family={family.name}", f"engine={family.distribution}"]
    tags = [f"tag={tag}" for tag in family.tags]
    described = [f"text={word}" for text in (*family.tags, family.description) for word in words(text)]
    return frozenset(named + tags + described)


def _named(name: str, value: Scalar | Distribution) -> str:
    return f"parameters.{name}={format_value(value)}"


def _amount(name: str) -> str:
    return f"parameters.{name}"


def _is_number(value: Scalar | Distribution) -> TypeGuard[float]:
    return isinstance(value, float | int) and not isinstance(value, bool)


def words(text: str) -> list[str]:
    """Letters and digits without a gap, in lower case; points belong to a word between them, as in 9.81."""
    return re.findall(r"[^\W_]+(?:\.[^\W_]+)*", text.lower())


# --- what a search asks


class Term(NamedTuple):
    """A name, or an amount of that name from `low` to `high`."""

    name: str
    low: float = 0
    high: float = 0


class Condition(NamedTuple):
    """Holds for specs that have one of the terms; for those without any if not `having`."""

    terms: Sequence[Term]
    having: bool = True


def conditions(where: schemas.Where, *, field: str) -> list[Condition]:
    """All that must hold.

    Raises
    ------
    Invalid
        There is no such parameter or modifier, or the parameter never has the value; `field` is where the caller gave
        parameters.
    """
    given = where.model_dump(exclude_none=True)
    found = [_either(f"{name}={given[name]}") for name in EQUAL if name in given]
    found += [Condition([Term(name, given[key], math.inf)]) for key, name in AT_LEAST.items() if key in given]
    found += [Condition([Term(name, -math.inf, given[key])]) for key, name in AT_MOST.items() if key in given]
    if where.family is not None:
        found.append(_either(*(f"family={name}" for name in _families_named(where.family))))
    if where.single_turn is not None:
        found.append(_either(f"tag={SINGLE_TURN}")._replace(having=where.single_turn))
    if where.modifier is not None:
        found += [_either(f"modifier={name}") for name in _modifiers(where.modifier, field)]
    if where.text is not None:
        found += [_either(f"text={word}") for word in words(where.text)] or [_either()]
    if where.split not in (None, "any"):
        found.append(_of_split(where.split))
    return found + [_has(name, wanted, f"{field}.{name}") for name, wanted in where.parameters.items()]


def _either(*names: str) -> Condition:
    return Condition([Term(name) for name in names])


def _families_named(name: str) -> Iterable[str]:
    """`name` may be a prefix ending in *."""
    prefix = name.removesuffix("*")
    return [name] if prefix == name else [known for known in env_registry.families() if known.startswith(prefix)]


def _of_split(wanted: str) -> Condition:
    if wanted in ("train", "heldout"):
        return _either(*HELD_OUT)._replace(having=wanted == "heldout")
    return _either(f"split={wanted}")


def _modifiers(names: Sequence[str], field: str) -> Sequence[str]:
    place = field.rpartition(".")[0] + ".modifier"
    known = {name for name, _ in env_registry.modifiers()}
    for name in names:
        if name == NONE and len(names) > 1:
            raise Invalid("no spec can be that", errors=[(place, "none goes alone")])
        if name not in known | {NONE}:
            raise _refused("a modifier is unknown", unknown(place, "modifier", name, sorted(known)))
    return names


def _has(name: str, wanted: schemas.Range, field: str) -> Condition:
    """Of specs whose parameter of that name lies in the range or has the value."""
    axes = _axes().get(name)
    if axes is None:
        raise _refused("a parameter is unknown", unknown(field, "parameter", name, _axes()))
    if wanted.equals is not None:
        return Condition([_is(name, value) for value in _meant(axes, wanted.equals, field)])
    if wanted.min is None and wanted.max is None:
        return _either(*(f"family={family.name}" for family in env_registry.families().values() if family.axis(name)))
    low, high = wanted.min, wanted.max
    return Condition([Term(_amount(name), -math.inf if low is None else low, math.inf if high is None else high)])


def _is(name: str, value: Scalar) -> Term:
    return Term(_amount(name), value, value) if _is_number(value) else Term(_named(name, value))


def _meant(axes: Sequence[Axis], value: Scalar, field: str) -> list[Scalar]:
    """What a value means on axes of one name and maybe several types: text may be a number, a truth value or a name."""
    found: dict[tuple[bool, Any], Scalar] = {}
    reason = ""
    for axis in axes:
        try:
            meant = axis.parse(value) if isinstance(value, str) else axis.check(value)
        except ValueProblem as problem:
            reason = problem.reason
            continue
        if not isinstance(meant, Distribution):
            found[isinstance(meant, bool), meant] = meant
    if not found:
        raise Invalid("a parameter never has that value", errors=[(field, reason[:300] or "give one value")])
    return list(found.values())


def _refused(detail: str, problem: RefProblem) -> Invalid:
    return Invalid(detail, errors=[(problem.field, problem.reason)])


@cache
def _axes() -> Mapping[str, Sequence[Axis]]:
    """The axes of all families by name."""
    found: defaultdict[str, list[Axis]] = defaultdict(list)
    for family in env_registry.families().values():
        for axis in family.axes:
            found[axis.name].append(axis)
    return found
