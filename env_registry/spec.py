"""Specs: points in the space of environments, with their ref (text) and digest (identity).

Owns how a spec is checked and identified; `grammar` owns how text is cut into parts. Knows no engine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import rfc8785

from env_registry.axes import (
    Axis,
    Distribution,
    DistributionKind,
    Scalar,
    Value,
    ValueProblem,
    format_value,
    value_json,
)
from env_registry.family import Family, Traits, families, family_versions
from env_registry.grammar import MAX_LENGTH, cut
from env_registry.modifiers import Modifier, modifiers
from env_registry.problems import RefProblem, SyntaxProblem, UnknownName, WrongComposition, WrongValue, unknown

MAX_MODIFIERS = 8


@dataclass(frozen=True)
class ModifierUse:
    """A modifier with a value for each of its axes, in their order."""

    name: str
    version: int
    arguments: tuple[tuple[str, Scalar], ...]

    @property
    def modifier(self) -> Modifier:
        return modifiers()[self.name, self.version]

    def __str__(self) -> str:
        version = "" if self.version == 1 else f"@{self.version}"
        return f"{self.name}{version}({','.join(f'{name}={format_value(value)}' for name, value in self.arguments)})"


@dataclass(frozen=True)
class Spec:
    """A family's version, the parameters other than default (sorted by name), and modifiers, innermost first.

    Made by `parse` or `Spec.of`, which check everything.
    """

    family: str
    version: int
    parameters: tuple[tuple[str, Value], ...] = ()
    modifiers: tuple[ModifierUse, ...] = ()

    @classmethod
    def of(
        cls,
        family: str,
        parameters: Mapping[str, Any] | None = None,
        modifiers: Iterable[tuple[str, Mapping[str, Any]]] = (),
        *,
        version: int | None = None,
    ) -> Spec:
        """A checked spec. Values are of their axis' type, distributions, or text as it stands in a ref.

        A modifier's name may carry its version (`delay@2`). Without `version` the family's newest is taken.

        Raises
        ------
        RefProblem
            Something has no such name, value or place; `field` says which.
        """
        source = _family(family, version)
        values = _values("parameters", source.axes, parameters or {}, "parameter")
        changed = sorted((axis.name, values[axis.name]) for axis in source.axes if values[axis.name] != axis.default)
        uses = tuple(_use(f"modifiers[{i}]", name, given) for i, (name, given) in enumerate(modifiers))
        _check_composition(source, uses)
        spec = cls(source.name, source.version, tuple(changed), uses)
        if len(spec.ref) > MAX_LENGTH:
            raise SyntaxProblem("ref", f"longer than {MAX_LENGTH} characters")
        return spec

    @property
    def source(self) -> Family:
        return family_versions()[self.family, self.version]

    @cached_property
    def values(self) -> Mapping[str, Value]:
        """A value for every axis of the family, defaults included."""
        return {axis.name: axis.default for axis in self.source.axes} | dict(self.parameters)

    @property
    def traits(self) -> Traits:
        """Those of the family as the modifiers leave them."""
        traits = self.source.traits
        for use in self.modifiers:
            traits = use.modifier.traits(traits)
        return traits

    @property
    def from_tables(self) -> tuple[tuple[str, Distribution], ...]:
        """Those of the parameters that are drawn from tables."""
        drawn = ((name, value) for name, value in self.parameters if isinstance(value, Distribution))
        return tuple((name, value) for name, value in drawn if value.kind is DistributionKind.TABLE)

    @property
    def tables(self) -> frozenset[str]:
        """Digests of the tables that parameters are drawn from."""
        return frozenset(value.arguments[0] for _, value in self.from_tables)

    @cached_property
    def ref(self) -> str:
        """The canonical text: pinned, defaults of parameters left out, legal unescaped in the path of a URL."""
        head = f"{self.family}@{self.version}"
        parameters = "".join(f";{name}={format_value(value)}" for name, value in self.parameters)
        return head + parameters + "".join(f":{use}" for use in self.modifiers)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of the spec's RFC 8785 JSON, defaults included and the runtime not."""
        return hashlib.sha256(self._canonical.encode()).hexdigest()

    @property
    def _canonical(self) -> str:
        """`rfc8785.dumps(self.json())`, from parts that many specs have in common."""
        parameters = ",".join(f'"{name}":{_canonical_value(self.values[name])}' for name in sorted(self.values))
        modifiers = ",".join(map(_canonical_use, self.modifiers))
        return (
            f'{{"family":"{self.family}","modifiers":[{modifiers}],'
            f'"parameters":{{{parameters}}},"version":{self.version}}}'
        )

    def json(self) -> dict[str, Any]:
        return {
            "family": self.family,
            "version": self.version,
            "parameters": {name: value_json(value) for name, value in self.values.items()},
            "modifiers": [
                {"name": use.name, "version": use.version, "arguments": dict(use.arguments)} for use in self.modifiers
            ],
        }

    def __str__(self) -> str:
        return self.ref


def _canonical_value(value: Value) -> str:
    return _canonical_json(value_json(value)) if isinstance(value, Distribution) else _canonical_scalar(value)


@lru_cache(maxsize=10_000, typed=True)  # 1 and true are equal, but not alike
def _canonical_scalar(value: Scalar) -> str:
    return _canonical_json(value)


@lru_cache(maxsize=10_000)
def _canonical_use(use: ModifierUse) -> str:
    return _canonical_json({"name": use.name, "version": use.version, "arguments": dict(use.arguments)})


def _canonical_json(value: Any) -> str:
    return rfc8785.dumps(value).decode()


def parse(text: str) -> Spec:
    """The spec that a ref names.

    Raises
    ------
    RefProblem
        The text is no ref, or names nothing; `field` says where.
    """
    parts = cut(text)
    return Spec.of(parts.family, parts.parameters, parts.modifiers, version=parts.version)


def _family(name: str, version: int | None) -> Family:
    newest = families().get(name) if isinstance(name, str) else None
    if newest is None:
        raise unknown("family", "family", name, families())
    if version is None:
        return newest
    found = family_versions().get((name, version))
    if found is None:
        versions = sorted(number for known, number in family_versions() if known == name)
        raise UnknownName("version", f"no version {version!r} of {name}; there are {', '.join(map(str, versions))}")
    return found


def _use(field: str, name: str, given: Mapping[str, Any]) -> ModifierUse:
    base, version = _modifier_name(field, name)
    modifier = modifiers()[base, version]
    values = _values(field, modifier.axes, given, f"argument of {base}")
    arguments = tuple((axis.name, values[axis.name]) for axis in modifier.axes)
    return ModifierUse(base, version, arguments)  # type: ignore[arg-type]  # no modifier's axis is randomisable


def _modifier_name(field: str, name: str) -> tuple[str, int]:
    base, _, version = str(name).partition("@")
    versions = sorted(number for known, number in modifiers() if known == base)
    if not versions:
        raise unknown(field, "modifier", base, sorted({known for known, _ in modifiers()}))
    number = version or "1"
    if number not in map(str, versions):
        raise UnknownName(
            f"{field}.version", f"no version {number[:20]!r} of {base}; there are {', '.join(map(str, versions))}"
        )
    return base, int(number)


def _values(field: str, axes: tuple[Axis, ...], given: Mapping[str, Any], what: str) -> dict[str, Value]:
    values: dict[str, Value] = {axis.name: axis.default for axis in axes}
    by_name = {axis.name: axis for axis in axes}
    for name, value in given.items():
        axis = by_name.get(name)
        if axis is None:
            raise unknown(f"{field}.{str(name)[:100]}", what, name, by_name)
        try:
            values[name] = axis.parse(value) if isinstance(value, str) else axis.check(value)
        except ValueProblem as problem:
            raise WrongValue(f"{field}.{name}", problem.reason[:300]) from problem
    return values


def _check_composition(source: Family, uses: tuple[ModifierUse, ...]) -> None:
    if len(uses) > MAX_MODIFIERS:
        raise WrongComposition("modifiers", f"{len(uses)} modifiers; at most {MAX_MODIFIERS} compose")
    traits = source.traits
    for i, use in enumerate(uses):
        reason = use.modifier.fits(traits)
        if reason:
            raise WrongComposition(f"modifiers[{i}]", f"{use.name} {reason}")
        traits = use.modifier.traits(traits)


__all__ = ["MAX_MODIFIERS", "ModifierUse", "RefProblem", "Spec", "parse"]
