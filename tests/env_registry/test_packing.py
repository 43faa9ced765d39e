"""Plain data survive MessagePack with type and bits."""

from __future__ import annotations

import contextlib
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, scalar_dtypes

from env_registry.packing import pack, unpack

leaves = (
    st.none() | st.booleans() | st.integers(-(2**200), 2**200) | st.floats(allow_nan=False) | st.text() | st.binary()
)
plain = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text() | st.integers(0, 9), inner)
    ),
    max_leaves=12,
)


def same(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


@given(plain)
def test_plain_data_come_back_with_their_types(data: Any) -> None:
    assert same(unpack(pack(data)), data)


@given(arrays(scalar_dtypes(), array_shapes(min_dims=0, min_side=0)))
def test_arrays_come_back_bit_for_bit_and_writable(array: np.ndarray[Any, Any]) -> None:
    back = unpack(pack(array))
    assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, array.shape, array.tobytes())
    assert back.flags.writeable


def test_numpy_scalars_keep_their_type() -> None:
    for scalar in (np.float32(0.1), np.float64(0.1), np.int64(3), np.bool_(True)):
        assert type(unpack(pack(scalar))) is type(scalar)
        assert unpack(pack(scalar)) == scalar


def test_the_state_of_a_generator_survives() -> None:
    state = np.random.PCG64(5).state
    assert unpack(pack(state)) == state


@pytest.mark.parametrize("thing", [object(), {1, 2}, np.array([object()]), np.zeros(1, "i4,f8")])
def test_what_is_no_plain_data_is_refused(thing: Any) -> None:
    with pytest.raises(TypeError, match="is no plain data"):
        pack(thing)


@pytest.mark.parametrize(
    "data",
    [b"", b"\xc1", b"\x93\x01", msgpack.packb(msgpack.ExtType(9, b"")), msgpack.packb(msgpack.ExtType(1, b"\x00"))],
)
def test_bytes_that_are_no_packed_data_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # msgpack has several
        unpack(data)


def test_bytes_that_pretend_to_be_objects_are_refused() -> None:
    """Their content would be taken for addresses in memory."""
    for name in ("O", "O,O"):
        with pytest.raises(ValueError, match="an array of 'O"):
            unpack(msgpack.packb(msgpack.ExtType(1, pack([name, [1], b"x" * 16]))))


def test_bytes_nested_without_end_are_refused() -> None:
    data = pack(())
    for _ in range(5000):
        data = msgpack.packb(msgpack.ExtType(3, b"\x91" + data))
    with pytest.raises(ValueError, match="too deep"):
        unpack(data)


@given(st.binary(max_size=60), st.sampled_from([1, 2, 3, 4]))
def test_any_bytes_are_read_or_refused(data: bytes, code: int) -> None:
    with contextlib.suppress(ValueError):
        unpack(data)
    with contextlib.suppress(ValueError):
        unpack(msgpack.packb(msgpack.ExtType(code, data)))


@given(
    st.one_of(
        st.text(max_size=4),
        st.sampled_from(["<f8", "<U0", "<M8[ns]", "<M8[xx]", "<f3", "<f99999999999999999999"]),
        leaves,
    ),
    plain,
    st.binary(max_size=16),
)
def test_any_array_header_is_read_or_refused(dtype: Any, shape: Any, content: bytes) -> None:
    with contextlib.suppress(ValueError):
        unpack(msgpack.packb(msgpack.ExtType(1, pack([dtype, shape, content]))))
