"""Columns of one space: its leaves, and numpy buffers that grow while an episode is recorded.

Owns how a space becomes Arrow columns (docs/decisions/0003-chunk-format.md). Knows nothing of episodes, specs or files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

if TYPE_CHECKING:
    import gymnasium

_FIRST_ROWS = 1024
_FIRST_BYTES = 4 << 20  # a first buffer of images stays below this; a growing buffer doubles


class SpaceProblem(ValueError):
    """A space has no place in the chunk format."""


@dataclass(frozen=True)
class Leaf:
    """One column: where its values stand in a nested value, and what they are.

    `shape` is None for plain numbers (`Discrete`) and for text; text has no dtype.
    """

    path: tuple[str | int, ...]
    dtype: str | None
    shape: tuple[int, ...] | None

    @property
    def name(self) -> str:
        return "".join(f".{part}" for part in self.path)


def leaves(space: gymnasium.Space[Any]) -> tuple[Leaf, ...]:
    """The columns of a space in their order; a space without parts is one leaf with an empty path.

    Raises
    ------
    SpaceProblem
        The space, or a part of it, has no fixed layout (sequences, graphs, unions) or no elements.
    """
    return tuple(_leaves(space, ()))


def _leaves(space: gymnasium.Space[Any], path: tuple[str | int, ...]) -> Iterator[Leaf]:
    from gymnasium import spaces

    match space:
        case spaces.Dict():
            for key, part in space.spaces.items():
                yield from _leaves(part, (*path, key))
        case spaces.Tuple():
            for index, part in enumerate(space.spaces):
                yield from _leaves(part, (*path, index))
        case spaces.Discrete():
            yield Leaf(path, "int64", None)
        case spaces.Box() | spaces.MultiDiscrete() | spaces.MultiBinary():
            if 0 in space.shape:
                raise SpaceProblem(f"{space} has no elements")
            dtype = np.dtype(space.dtype)
            yield Leaf(path, "uint8" if dtype.kind == "b" else dtype.name, tuple(space.shape))
        case _ if space.dtype is not None and space.dtype.kind == "U":
            yield Leaf(path, None, None)
        case _:
            raise SpaceProblem(f"{type(space).__name__} is not a space of fixed layout")


class SpaceColumns:
    """Growing buffers for the values of one space. Call `reserve` before writing rows beyond `capacity`."""

    def __init__(self, space_leaves: tuple[Leaf, ...]) -> None:
        self.leaves = space_leaves
        self.capacity = min(_FIRST_ROWS, max(32, _FIRST_BYTES // max(1, _row_bytes(space_leaves))))
        self._buffers = [_empty(leaf, self.capacity) for leaf in space_leaves]
        self._texts: list[dict[str, int]] = [{"": 0} for _ in space_leaves]
        self._bind()

    write: Callable[[int, Any], None]
    """write(row, value): a value of the space. `reserve` rebinds it, to the array's own item assignment if possible."""

    def reserve(self, rows: int) -> None:
        if rows <= self.capacity:
            return
        while self.capacity < rows:
            self.capacity *= 2
        for index, leaf in enumerate(self.leaves):
            grown = _empty(leaf, self.capacity)
            grown[: len(self._buffers[index])] = self._buffers[index]
            self._buffers[index] = grown
        self._bind()

    def block(self, row: int, count: int) -> NDArray[Any]:
        """Consecutive rows to write to, for a space that is one leaf."""
        return self._buffers[0][row : row + count]

    def copy(self, row: int, other: SpaceColumns, rows: int) -> None:
        """The first `rows` rows of another's equal columns, to `row` and beyond."""
        for index, buffer in enumerate(self._buffers):
            values = other._buffers[index][:rows]
            if self.leaves[index].dtype is None:
                own = self._texts[index]
                codes = np.array([own.setdefault(text, len(own)) for text in other._texts[index]], np.int32)
                values = codes[values]
            buffer[row : row + rows] = values

    def zero(self, row: int) -> None:
        self.fill(row, 0)

    def fill(self, row: int, value: float) -> None:
        for buffer in self._buffers:
            buffer[row] = value

    def arrays(self, name: str, rows: int) -> Iterator[tuple[str, pa.Array]]:
        """(column name, Arrow array over the first `rows`), without copying numbers."""
        for leaf, buffer, texts in zip(self.leaves, self._buffers, self._texts, strict=True):
            values = buffer[:rows]
            if leaf.dtype is None:
                yield name + leaf.name, dictionary(values, list(texts))
            elif leaf.shape is None:
                yield name + leaf.name, pa.array(values)
            else:
                yield name + leaf.name, tensor(values)

    def _bind(self) -> None:
        bare = len(self.leaves) == 1 and not self.leaves[0].path and self.leaves[0].dtype is not None
        self._targets = [
            (leaf.path, buffer, None if leaf.dtype else texts)
            for leaf, buffer, texts in zip(self.leaves, self._buffers, self._texts, strict=True)
        ]
        self.write = self._buffers[0].__setitem__ if bare else self._write_leaves

    def _write_leaves(self, row: int, value: Any) -> None:
        for path, buffer, texts in self._targets:
            part = value
            for key in path:
                part = part[key]
            buffer[row] = part if texts is None else texts.setdefault(part, len(texts))


def tensor(values: NDArray[Any]) -> pa.Array:
    """`arrow.fixed_shape_tensor` over a C-contiguous array of rows x shape, without a copy."""
    shape = values.shape[1:]
    flat = pa.array(values.reshape(-1))
    storage = pa.FixedSizeListArray.from_arrays(flat, int(np.prod(shape, dtype=np.int64)))
    return pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(flat.type, shape), storage)


def flags(values: NDArray[np.bool_]) -> pa.Array:
    """`arrow.bool8`, without a copy."""
    return pa.ExtensionArray.from_storage(pa.bool8(), pa.array(values.view(np.int8)))


def dictionary(codes: NDArray[Any], words: list[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(words, pa.utf8()))


def _empty(leaf: Leaf, rows: int) -> NDArray[Any]:
    return np.empty((rows, *(leaf.shape or ())), leaf.dtype or "int32")


def _row_bytes(space_leaves: tuple[Leaf, ...]) -> int:
    return sum(_empty(leaf, 1).nbytes for leaf in space_leaves)
