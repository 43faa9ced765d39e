"""Arrow columns as numpy arrays: views wherever the memory allows it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from worldpool.errors import FormatError

Array = NDArray[Any]
ArrayOrDict = Array | dict[str, Array]


def read_stream(buffer: pa.Buffer) -> pa.RecordBatch:
    """The one record batch of an Arrow IPC stream."""
    try:
        return pa.ipc.open_stream(buffer).read_next_batch()
    except (pa.ArrowException, OSError, StopIteration) as error:
        raise FormatError(f"not a readable chunk: {error}") from error


def as_array(column: pa.Array) -> Array:
    """The column as numpy: a view, except for text and for columns with nulls (NaN or None)."""
    if isinstance(column.type, pa.FixedShapeTensorType):
        return column.to_numpy_ndarray()  # type: ignore[no-any-return]
    if pa.types.is_dictionary(column.type) and not column.null_count:
        return column.dictionary.to_numpy(zero_copy_only=False)[column.indices.to_numpy()]  # type: ignore[no-any-return]
    return column.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def groups(*keys: Array) -> tuple[Array, Array]:
    """Starts and stops of the runs of equal keys."""
    size = len(keys[0])
    if not size:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    changed = np.zeros(size - 1, np.bool_)
    for key in keys:
        changed |= key[1:] != key[:-1]
    starts = np.concatenate(([0], np.flatnonzero(changed) + 1))
    return starts, np.append(starts[1:], size)
