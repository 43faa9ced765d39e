"""Tables of numbers, from what people have them in. Reads files; sends nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa

Source: TypeAlias = "Mapping[str, Sequence[float]] | pa.Table | str | PathLike[str]"


def columns_of(source: Source) -> dict[str, list[float]]:
    """Columns by name, of a mapping, a pyarrow table, or a file named *.csv, *.parquet or *.arrow.

    Raises
    ------
    TypeError, ValueError
        It is none of these, or a column holds something else than numbers.
    OSError
        The file cannot be read.
    """
    table = _table(source)
    if len(set(table.column_names)) < table.num_columns:
        raise ValueError("two columns have one name")
    return {name: _numbers(name, table.column(name)) for name in table.column_names}


def _table(source: Source) -> pa.Table:
    if isinstance(source, pa.Table):
        return source
    if isinstance(source, Mapping):
        try:
            return pa.table({name: pa.array(values) for name, values in source.items()})
        except pa.ArrowException as error:
            raise ValueError(f"the columns are no table of numbers: {error}") from None
    if isinstance(source, str | PathLike):
        return _read(Path(fspath(source)))
    raise TypeError(f"a table is a mapping of columns, a pyarrow.Table or a path, not {type(source).__name__}")


def _read(path: Path) -> pa.Table:
    try:
        match path.suffix.lower():
            case ".csv":
                from pyarrow import csv

                return csv.read_csv(path)
            case ".parquet":
                from pyarrow import parquet

                return parquet.read_table(path)
            case ".arrow":
                from pyarrow import feather

                return feather.read_table(path)
    except pa.ArrowException as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    raise ValueError(f"{path}: tables are read from *.csv, *.parquet and *.arrow")


def _numbers(name: str, column: pa.ChunkedArray) -> list[float]:
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise ValueError(f"column {name!r} holds {kind}, not numbers")
    values: list[float] = column.to_pylist()
    for row, value in enumerate(values):
        if value is None or not math.isfinite(value):
            raise ValueError(f"column {name!r} has no finite number in row {row}")
    return values
