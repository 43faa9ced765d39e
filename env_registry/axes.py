"""Axes: the named, typed, ranged arguments of families and modifiers, and the distributions that may stand for a value.

Owns what a value may be, how it is checked and how it is written in a ref. Knows nothing of engines.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

import numpy as np

from env_registry.tables import COLUMN, DIGEST

type_name = {float: "a number", int: "an integer", bool: "true or false", str: "a name"}

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_CALL = re.compile(r"([a-z_]+)\((.*)\)")


class ValueProblem(ValueError):
    """A value does not fit its axis. `name` is the axis, `reason` says what would fit."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


class DistributionKind(StrEnum):
    UNIFORM = "uniform"
    LOGUNIFORM = "loguniform"
    NORMAL = "normal"
    CHOICE = "choice"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Distribution:
    """A value drawn anew at every reset: `uniform(low,high)`, `loguniform(low,high)`, `normal(mean,sd)`, `choice(a,…)`,
    `table(digest,column)`.

    On an integer axis the ends of `uniform` are both drawn. `normal` is clipped to the range of its axis. Parameters
    that name one table come from the same row of it.
    """

    kind: DistributionKind
    arguments: tuple[Any, ...]


Scalar = float | int | bool | str
Value = Scalar | Distribution


def format_scalar(value: Scalar) -> str:
    """The shortest text that parses back to the same value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)


def format_value(value: Value) -> str:
    if isinstance(value, Distribution):
        return f"{value.kind}({','.join(format_scalar(a) for a in value.arguments)})"
    return format_scalar(value)


def value_json(value: Value) -> Any:
    """The value as it stands in canonical JSON."""
    if isinstance(value, Distribution):
        return {"distribution": str(value.kind), "arguments": list(value.arguments)}
    return value


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One named argument. `levels` are the coarse values that the catalogue enumerates besides the default.

    `task` marks a discrete choice that makes another base task (other dynamics or another objective).
    `randomisable` axes take a distribution: they change neither spaces nor agents.
    """

    name: str
    default: Any
    levels: tuple[Any, ...] = ()
    unit: str = ""
    description: str
    randomisable: bool = False
    task: bool = False

    python_type: ClassVar[type]

    def __post_init__(self) -> None:
        object.__setattr__(self, "default", self.check(self.default))
        object.__setattr__(self, "levels", tuple(self.check(level) for level in self.levels))

    def check(self, value: Any) -> Value:
        """The value in its axis' type.

        Raises
        ------
        ValueProblem
            The value has another type or lies outside the range.
        """
        if isinstance(value, Distribution):
            return self._check_distribution(value)
        return self._check_scalar(value)

    def parse(self, text: str) -> Value:
        """The value written in a ref.

        Raises
        ------
        ValueProblem
            The text is no value of this axis.
        """
        call = _CALL.fullmatch(text)
        if call:
            name, inner = call.groups()
            if name not in list(DistributionKind):
                raise ValueProblem(self.name, f"no distribution {name!r}; there are {', '.join(DistributionKind)}")
            parts = inner.split(",")
            arguments = parts if name == DistributionKind.TABLE else [self._parse_scalar(part) for part in parts]
            return self.check(Distribution(DistributionKind(name), tuple(arguments)))
        return self.check(self._parse_scalar(text))

    def draw(self, distribution: Distribution, rng: np.random.Generator) -> Scalar:
        """One value of the distribution, in the axis' type and range. Tables are drawn from by rows: see `tables`."""
        a = distribution.arguments
        match distribution.kind:
            case DistributionKind.CHOICE:
                return a[int(rng.integers(len(a)))]  # type: ignore[no-any-return]
            case DistributionKind.UNIFORM if self.python_type is int:
                return int(rng.integers(a[0], a[1] + 1))
            case DistributionKind.UNIFORM:
                return float(rng.uniform(a[0], a[1]))
            case DistributionKind.LOGUNIFORM:
                value = math.exp(rng.uniform(math.log(a[0]), math.log(a[1])))
            case _:
                value = float(rng.normal(a[0], a[1]))
        return self._clip(value)

    def schema(self) -> dict[str, Any]:
        """The axis as JSON, for people and clients."""
        return {
            "name": self.name,
            "type": self.python_type.__name__,
            "default": self.default,
            "levels": list(self.levels),
            "unit": self.unit,
            "description": self.description,
            "randomisable": self.randomisable,
            "task": self.task,
            **self._range_json(),
        }

    def _check_scalar(self, value: Any) -> Scalar:
        raise NotImplementedError

    def _parse_scalar(self, text: str) -> Any:
        raise NotImplementedError

    def _clip(self, value: float) -> Scalar:
        raise NotImplementedError

    def _range_json(self) -> Mapping[str, Any]:
        return {}

    def _check_distribution(self, value: Distribution) -> Distribution:
        if not self.randomisable:
            raise ValueProblem(self.name, "takes no distribution")
        a = value.arguments
        if value.kind is DistributionKind.CHOICE:
            if len(a) < 2:
                raise ValueProblem(self.name, "choice() needs two values or more")
            return Distribution(value.kind, tuple(self._check_scalar(x) for x in a))
        if self.python_type not in (float, int):
            raise ValueProblem(self.name, f"{value.kind}() is for numbers; use choice()")
        if value.kind is DistributionKind.TABLE:
            if len(a) != 2 or not (DIGEST.fullmatch(str(a[0])) and COLUMN.fullmatch(str(a[1]))):
                raise ValueProblem(self.name, "table() takes a table's digest (64 hexadecimal digits) and a column")
            return Distribution(value.kind, (str(a[0]), str(a[1])))
        if len(a) != 2:
            raise ValueProblem(self.name, f"{value.kind}() takes two numbers")
        if self.python_type is int and value.kind is not DistributionKind.UNIFORM:
            raise ValueProblem(self.name, f"{value.kind}() is for real numbers; use uniform() or choice()")
        if value.kind is DistributionKind.NORMAL:
            mean = self._check_scalar(a[0])
            if not (_is_number(a[1]) and 0 < a[1] < math.inf):
                raise ValueProblem(self.name, "the standard deviation must be above 0")
            return Distribution(value.kind, (mean, float(a[1])))
        low, high = self._check_scalar(a[0]), self._check_scalar(a[1])
        if not low < high:  # type: ignore[operator]
            raise ValueProblem(self.name, f"{value.kind}() needs low below high")
        if value.kind is DistributionKind.LOGUNIFORM and low <= 0:  # type: ignore[operator]
            raise ValueProblem(self.name, "loguniform() needs values above 0")
        return Distribution(value.kind, (low, high))


def _is_number(value: Any) -> bool:
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < 2**63  # JSON may hold one too long for a float, or to print
    return isinstance(value, float) and math.isfinite(value)


@dataclass(frozen=True, kw_only=True)
class FloatAxis(Axis):
    """A real number in [low, high]."""

    low: float
    high: float
    python_type = float

    def _check_scalar(self, value: Any) -> float:
        if not _is_number(value):
            raise ValueProblem(
                self.name, f"must be a number from {format_scalar(self.low)} to {format_scalar(self.high)}"
            )
        if not self.low <= value <= self.high:
            unit = f" {self.unit}" if self.unit else ""
            raise ValueProblem(
                self.name, f"{value!r} is outside {format_scalar(self.low)} to {format_scalar(self.high)}{unit}"
            )
        return float(value) + 0.0  # -0.0 becomes 0.0: one value, one digest

    def _parse_scalar(self, text: str) -> float:
        if not _NUMBER.fullmatch(text):
            raise ValueProblem(self.name, f"{text!r} is not a number")
        return float(text)

    def _clip(self, value: float) -> float:
        return float(min(max(value, self.low), self.high))

    def _range_json(self) -> Mapping[str, Any]:
        return {"low": self.low, "high": self.high}


@dataclass(frozen=True, kw_only=True)
class IntAxis(Axis):
    """An integer in [low, high]."""

    low: int
    high: int
    python_type = int

    def _check_scalar(self, value: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not (isinstance(value, int) and _is_number(value)):
            raise ValueProblem(self.name, f"must be an integer from {self.low} to {self.high}")
        if not self.low <= value <= self.high:
            unit = f" {self.unit}" if self.unit else ""
            raise ValueProblem(self.name, f"{value} is outside {self.low} to {self.high}{unit}")
        return value

    def _parse_scalar(self, text: str) -> int:
        if not re.fullmatch(r"[+-]?\d{1,18}", text):
            raise ValueProblem(self.name, f"{text!r} is not an integer")
        return int(text)

    def _clip(self, value: float) -> int:
        return min(max(round(value), self.low), self.high)

    def _range_json(self) -> Mapping[str, Any]:
        return {"low": self.low, "high": self.high}


@dataclass(frozen=True, kw_only=True)
class BoolAxis(Axis):
    """true or false."""

    python_type = bool

    def _check_scalar(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueProblem(self.name, "must be true or false")
        return value

    def _parse_scalar(self, text: str) -> bool:
        if text not in ("true", "false"):
            raise ValueProblem(self.name, f"{text!r} is not true or false")
        return text == "true"


@dataclass(frozen=True, kw_only=True)
class ChoiceAxis(Axis):
    """One of a few names. Names are lower case letters, digits, `_`, `.` and `-`."""

    choices: tuple[str, ...]
    python_type = str

    def _check_scalar(self, value: Any) -> str:
        if value not in self.choices:
            raise ValueProblem(self.name, f"{value!r} is not one of {', '.join(self.choices)}")
        return str(value)

    def _parse_scalar(self, text: str) -> str:
        return text

    def _range_json(self) -> Mapping[str, Any]:
        return {"choices": list(self.choices)}
