"""Plain data as MessagePack bytes and back, with nothing lost: numpy values, tuples and long integers included.

Equal data in equal order give equal bytes, so that a digest of the bytes stands for the data. No pickle.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import msgpack
import numpy as np

_ARRAY, _SCALAR, _TUPLE, _INTEGER = 1, 2, 3, 4
_DEEPEST = 32  # extensions within extensions; each takes some of the C stack, which foreign bytes must not exhaust
_DTYPE = re.compile(r"[<>|][biufcSUmM]\d+(\[\w+\])?")
"""Types whose bytes are their value: no objects, whose bytes are addresses, and no records."""


def pack(data: Any) -> bytes:
    """Bytes of dicts, lists, tuples, numbers, text, bytes, None and numpy values.

    Raises
    ------
    TypeError
        Something else is in it.
    """
    return msgpack.packb(data, default=_encode, strict_types=True)  # type: ignore[no-any-return]


def unpack(data: bytes) -> Any:
    """What was packed; arrays are writable.

    Raises
    ------
    ValueError
        The bytes are no such data.
    """
    return _unpack(data, 0)


def _unpack(data: bytes, depth: int) -> Any:
    if depth > _DEEPEST:
        raise ValueError("not packed data: too deep")
    try:
        return msgpack.unpackb(data, ext_hook=partial(_decode, depth + 1), strict_map_key=False)
    except (ArithmeticError, LookupError, TypeError, msgpack.UnpackException) as error:
        raise ValueError(f"not packed data: {error}") from error


def _encode(value: Any) -> msgpack.ExtType:
    if isinstance(value, (np.ndarray, np.generic)) and _DTYPE.fullmatch(value.dtype.str):
        if isinstance(value, np.ndarray):
            return msgpack.ExtType(_ARRAY, pack([value.dtype.str, list(value.shape), value.tobytes()]))
        return msgpack.ExtType(_SCALAR, pack([value.dtype.str, value.tobytes()]))
    if type(value) is tuple:
        return msgpack.ExtType(_TUPLE, pack(list(value)))
    if type(value) is int:
        return msgpack.ExtType(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True))
    raise TypeError(f"{type(value).__name__} is no plain data")


def _decode(depth: int, code: int, data: bytes) -> Any:
    if code == _INTEGER:
        return int.from_bytes(data, "little", signed=True)
    if code not in (_ARRAY, _SCALAR, _TUPLE):
        raise ValueError(f"not packed data: extension {code}")
    parts = _unpack(data, depth)
    if code == _TUPLE:
        return tuple(parts)
    dtype, shape, content = parts if code == _ARRAY else (parts[0], [], parts[1])
    if not _DTYPE.fullmatch(dtype):
        raise ValueError(f"not packed data: an array of {dtype[:20]!r}")
    array: np.ndarray[Any, Any] = np.ndarray(shape, np.dtype(dtype), bytearray(content))
    return array if code == _ARRAY else array[()]
