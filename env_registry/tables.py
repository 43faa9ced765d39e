"""Tables: joint samples of parameters. A spec draws one row of a table at each reset.

Owns what a table may hold, its canonical form, its digest and how a row is drawn. Knows nothing of axes and engines.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from numbers import Real
from typing import Any

import numpy as np
import rfc8785

MAX_ROWS = 10_000
MAX_COLUMNS = 32
MAX_BYTES = 2**20
"""Of the canonical form. A table travels with every work item that draws from it."""

DIGEST = re.compile(r"[0-9a-f]{64}")
COLUMN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,62}")


class TableProblem(ValueError):
    """The content is no table. `field` is where (`columns.friction[17]`), `reason` says what would be right."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


@dataclass(frozen=True)
class Table:
    """Columns of equally many finite numbers by name, and perhaps a weight above 0 for each row. Made by `Table.of`."""

    columns: Mapping[str, tuple[float, ...]]
    weights: tuple[float, ...] | None

    @classmethod
    def of(cls, columns: Mapping[str, Sequence[float]], weights: Sequence[float] | None = None) -> Table:
        """A checked table. A row is drawn in proportion to its weight; without weights all are as likely.

        Raises
        ------
        TableProblem
            Names the field and the reason.
        """
        if not (isinstance(columns, Mapping) and 1 <= len(columns) <= MAX_COLUMNS):
            raise TableProblem("columns", f"give 1 to {MAX_COLUMNS} columns by name")
        for name in columns:
            if not (isinstance(name, str) and COLUMN.fullmatch(name)):
                reason = "no column has such a name: 1 to 63 of A-Z, a-z, 0-9, '_', '.' and '-', not '.' or '-' first"
                raise TableProblem(f"columns.{str(name)[:100]}", reason)
        table = cls(
            {name: tuple(_numbers(f"columns.{name}", column)) for name, column in columns.items()},
            None if weights is None else tuple(_numbers("weights", weights)),
        )
        table._check_rows()
        if len(table.content) > MAX_BYTES:
            raise TableProblem("columns", f"{len(table.content)} bytes as canonical JSON; at most {MAX_BYTES}")
        return table

    @classmethod
    def read(cls, content: str | bytes) -> Table:
        """The table of a canonical form.

        Raises
        ------
        TableProblem
            It is the form of no table.
        """
        try:
            found = json.loads(content)
            return cls.of(found["columns"], found["weights"])
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            if isinstance(error, TableProblem):
                raise
            raise TableProblem("content", "is no table's canonical JSON") from error

    @cached_property
    def content(self) -> bytes:
        """The canonical form: RFC 8785 JSON of columns and weights, all numbers as float64."""
        return rfc8785.dumps({"columns": dict(self.columns), "weights": self.weights})

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of the canonical form."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def rows(self) -> int:
        return len(next(iter(self.columns.values())))

    def draw(self, rng: np.random.Generator) -> int:
        """The number of a row, from 0. The same on every machine: weights are summed one by one, in float64."""
        if self.weights is None:
            return int(rng.integers(self.rows))
        return bisect_right(self._sums, rng.random() * self._sums[-1], hi=self.rows - 1)

    @cached_property
    def _sums(self) -> list[float]:
        return list(accumulate(self.weights or ()))

    def _check_rows(self) -> None:
        if not 1 <= self.rows <= MAX_ROWS:
            raise TableProblem("columns", f"{self.rows} rows; a table has 1 to {MAX_ROWS}")
        weights = {} if self.weights is None else {"weights": self.weights}
        for field, part in ({f"columns.{name}": column for name, column in self.columns.items()} | weights).items():
            if len(part) != self.rows:
                raise TableProblem(field, f"{len(part)} numbers, where the first column has {self.rows}")
        if self.weights is not None:
            for row, weight in enumerate(self.weights):
                if weight <= 0:
                    raise TableProblem(f"weights[{row}]", "a weight is above 0; leave rows out that are never drawn")
            if not math.isfinite(self._sums[-1]):
                raise TableProblem("weights", "their sum is not finite")


def _numbers(field: str, values: Any) -> Iterator[float]:
    if not isinstance(values, Sequence | np.ndarray) or isinstance(values, str | bytes):
        raise TableProblem(field, "must be a list of numbers")
    if len(values) > MAX_ROWS:
        raise TableProblem(field, f"{len(values)} rows; a table has at most {MAX_ROWS}")
    for row, value in enumerate(values):
        number = _number(value)
        if not math.isfinite(number):
            raise TableProblem(f"{field}[{row}]", "must be a finite number")
        yield number + 0.0  # -0.0 becomes 0.0: one value, one digest


def _number(value: Any) -> float:
    """The value as float64; not finite where it cannot be one."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return math.nan
    try:
        return float(value)
    except OverflowError:  # of integers
        return math.inf
