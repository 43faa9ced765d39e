"""Carving: what remains of distributions when what is held out is cut out of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from env_registry.axes import Axis, Distribution, DistributionKind, Value
from env_registry.spec import Spec
from env_registry.splits.amounts import Span, support
from env_registry.splits.reasons import changed
from env_registry.splits.rule import Kind, Rule
from env_registry.splits.split import Split

MAX_PARTS = 64
"""Specs that may become of one."""


@dataclass(frozen=True, kw_only=True)
class Carved:
    """What remains of a spec with distributions: `share` of the drawn values keeps each of `parts`; `cut` is lost."""

    ref: str
    parts: tuple[tuple[str, float], ...]
    cut: float


def carve(split: Split, spec: Spec) -> Carved | None:
    """The spec with its distributions cut to what may be trained on, or None where that is nothing, or cannot be
    written as uniform, log-uniform and choice. Parts are as many specs as intervals remain."""
    drawn = {name: value for name, value in spec.parameters if isinstance(value, Distribution)}
    remaining = {axis.name: _Pieces.of(axis, drawn[axis.name]) for axis in spec.source.axes if axis.name in drawn}
    for rule in split.holding(spec):
        if rule.axis not in remaining or rule.kind not in (Kind.INTERPOLATION, Kind.EXTRAPOLATION):
            return None
        pieces = remaining[rule.axis]
        if pieces is None:
            return None
        remaining[rule.axis] = pieces.without(rule)
    if math.prod(len(pieces.values) for pieces in remaining.values() if pieces) > MAX_PARTS:
        return None
    whole = [(name, pieces) for name, pieces in remaining.items() if pieces is not None]
    parts = []
    for choice in product(*(pieces.values for _, pieces in whole)):
        values = {name: value for (name, _), (value, _) in zip(whole, choice, strict=True)}
        part = changed(spec, parameters=dict(spec.parameters) | values)
        if split.kind(part) is not None:
            return None
        parts.append((part.ref, math.prod(share for _, share in choice)))
    kept = math.fsum(share for _, share in parts)
    return Carved(ref=spec.ref, parts=tuple(parts), cut=max(1.0 - kept, 0.0)) if parts else None


@dataclass(frozen=True)
class _Pieces:
    """What remains of a distribution: intervals, or of a choice its values. Shares are of what was drawn at first."""

    axis: Axis
    whole: Distribution
    spans: tuple[Span, ...]

    @classmethod
    def of(cls, axis: Axis, value: Distribution) -> _Pieces | None:
        """None where a part of the distribution could not be written as a distribution."""
        if value.kind in (DistributionKind.UNIFORM, DistributionKind.LOGUNIFORM, DistributionKind.CHOICE):
            spans = support(axis, value)
            return None if spans is None else cls(axis, value, tuple(spans))
        return None

    def without(self, rule: Rule) -> _Pieces:
        return _Pieces(self.axis, self.whole, tuple(part for span in self.spans for part in self._rest(span, rule)))

    def _rest(self, span: Span, rule: Rule) -> Iterator[Span]:
        low, high = span
        least, most = rule.trained or (None, None)
        allowed: list[Span] = [(-math.inf if least is None else least, math.inf if most is None else most)]
        if rule.between is not None:
            allowed = [(-math.inf, rule.between[0]), (rule.between[1], math.inf)]
        for start, end in allowed:
            part = max(low, start), min(high, end)
            if self.axis.python_type is int:
                part = float(math.ceil(part[0])), float(math.floor(part[1]))
            if part[0] < part[1] or (part[0] == part[1] and self._is_point(span)):
                yield part

    def _is_point(self, span: Span) -> bool:
        return self.axis.python_type is int or span[0] == span[1]

    @property
    def values(self) -> list[tuple[Value, float]]:
        if self.whole.kind is DistributionKind.CHOICE:
            own = tuple(value for value in self.whole.arguments if (float(value), float(value)) in self.spans)
            share = len(own) / len(self.whole.arguments)
            return [(Distribution(self.whole.kind, own) if len(own) > 1 else own[0], share)] if own else []
        return [(self._value(span), self._size(span) / self._size(self._all)) for span in self.spans]

    @property
    def _all(self) -> Span:
        return float(self.whole.arguments[0]), float(self.whole.arguments[1])

    def _value(self, span: Span) -> Value:
        low, high = (int(end) if self.axis.python_type is int else end for end in span)
        return low if low == high else Distribution(self.whole.kind, (low, high))

    def _size(self, span: Span) -> float:
        if self.whole.kind is DistributionKind.LOGUNIFORM:
            return math.log(span[1]) - math.log(span[0])
        return span[1] - span[0] + (self.axis.python_type is int)
