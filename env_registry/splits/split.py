"""Splits: rules in their order, and which specs they hold out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from env_registry.family import families
from env_registry.spec import Spec
from env_registry.splits.amounts import has
from env_registry.splits.rule import HARDNESS, Kind, Rule, RuleProblem, check_rule, holds, outside


@dataclass(frozen=True)
class Split:
    """Rules in their order. A spec that several hold out has the hardest of their kinds, and all reasons."""

    rules: tuple[Rule, ...]

    @classmethod
    def of(cls, rules: Iterable[Rule]) -> Split:
        """A checked split.

        Raises
        ------
        RuleProblem
            A rule says nothing, or not what its kind means; `field` says which.
        """
        split = cls(tuple(rules))
        _check(split)
        return split

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of the rules."""
        return hashlib.sha256(json.dumps([rule.json() for rule in self.rules], sort_keys=True).encode()).hexdigest()

    @cached_property
    def _covering(self) -> dict[tuple[str, int], list[Rule]]:
        """Rules that may hold out specs of a family, by its name and version, as far as somebody asked."""
        return {}

    def holding(self, spec: Spec) -> list[Rule]:
        """The rules that hold the spec out."""
        at = spec.family, spec.version
        if at not in self._covering:  # asked for every spec of a catalogue
            self._covering[at] = [rule for rule in self.rules if rule.covers(spec.source)]
        return [rule for rule in self._covering[at] if holds(rule, spec)]

    def kind(self, spec: Spec) -> Kind | None:
        """How the spec is held out; None if it may be trained on."""
        return max((rule.kind for rule in self.holding(spec)), key=HARDNESS.__getitem__, default=None)


def _check(split: Split) -> None:
    if not split.rules:
        raise RuleProblem("rules", "give at least one")
    names: set[str] = set()
    for i, rule in enumerate(split.rules):
        if rule.name in names:
            raise RuleProblem(f"rules[{i}].name", f"{rule.name!r} is the name of another rule")
        names.add(rule.name)
        check_rule(f"rules[{i}]", rule)
    for i, rule in enumerate(split.rules):
        if rule.kind is Kind.INTERPOLATION:
            _check_between_trained(f"rules[{i}].between", rule, split)


def _check_between_trained(field: str, rule: Rule, split: Split) -> None:
    """What stands at both ends of a band must be trained on, or it is no interpolation."""
    for other in split.rules:
        if other is rule or other.axis != rule.axis or not _share_families(rule, other):
            continue
        if rule.between is not None and any(outside(other, (end, end)) for end in rule.between):
            raise RuleProblem(
                field, f"{other.name!r} holds out an end of it, so that it would not lie between trained values"
            )


def _share_families(one: Rule, other: Rule) -> bool:
    return any(one.covers(family) and other.covers(family) for family in families().values())


def unseen_parts(split: Split, specs: Iterable[Spec]) -> Mapping[str, list[str]]:
    """Parts of compositions, by rule, that no training spec of these has."""
    missing = {rule.name: set(rule.parts) for rule in split.rules if rule.kind is Kind.COMPOSITION}
    rules = [rule for rule in split.rules if rule.kind is Kind.COMPOSITION]
    for spec in specs:
        wanted = [rule for rule in rules if missing[rule.name] and rule.covers(spec.source)]
        if wanted and split.kind(spec) is None:
            for rule in wanted:
                missing[rule.name] -= {part for part in missing[rule.name] if has(spec, part)}
    return {name: sorted(parts) for name, parts in missing.items() if parts}
