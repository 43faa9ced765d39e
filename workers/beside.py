"""What a run may have recorded beside observations and actions: what its policy computed, infos, and pictures."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from workers import contract
from workers.columns import Leaf, SpaceColumns

if TYPE_CHECKING:
    from env_registry.simulator import Simulator


class NoPicture(RuntimeError):
    """A picture was asked for that the environment, or this machine, cannot draw."""


class Beside:
    """Further columns of a stream of rows: `policy.NAME`, `infos.NAME` (float64) and `pixels` (PNG)."""

    def __init__(self, policy: Sequence[Leaf], record: contract.Record) -> None:
        self._policy = SpaceColumns(tuple(policy))
        self._infos = SpaceColumns(tuple(Leaf((name,), "float64", None) for name in record.infos))
        self._pixels = record.pixels
        self._pictures: list[bytes | None] = []

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._policy.leaves or self._infos.leaves) or self._pixels is not None

    def reserve(self, rows: int) -> None:
        self._policy.reserve(rows)
        self._infos.reserve(rows)

    def clear(self, row: int) -> None:
        """Nothing was computed or told here; a picture may still be."""
        self._policy.zero(row)
        self._infos.fill(row, np.nan)

    def compute(self, row: int, extras: Mapping[str, Any] | None) -> None:
        """What the policy computed beside the row's action."""
        if extras is not None:
            self._policy.write(row, extras)

    def tell(self, row: int, info: Any) -> None:
        """The numbers that the row's step told, NaN where it told none of the name."""
        if self._infos.leaves:
            told = info if isinstance(info, Mapping) else {}
            self._infos.write(row, {leaf.path[0]: _number(told.get(leaf.path[0])) for leaf in self._infos.leaves})

    def see(self, simulator: Simulator | None) -> None:
        """The picture of the next row, None if it has none."""
        if self._pixels is not None:
            self._pictures.append(None if simulator is None else _png(simulator, self._pixels))

    def extend(self, row: int, other: Beside, rows: int) -> None:
        """Another's first `rows` rows, from `row` on."""
        self._policy.copy(row, other._policy, rows)
        self._infos.copy(row, other._infos, rows)
        self._pictures += other._pictures

    def columns(self, rows: int) -> Iterator[tuple[str, pa.Array]]:
        yield from self._policy.arrays("policy", rows)
        yield from self._infos.arrays("infos", rows)
        if self._pixels is not None:
            yield "pixels", pa.array(self._pictures, pa.large_binary())


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def _png(simulator: Simulator, pixels: contract.Pixels) -> bytes:
    from PIL import Image

    try:
        picture = Image.fromarray(simulator.render())
    except Exception as error:  # whatever an engine raises
        raise NoPicture(f"{error} (engines that draw in 3D need EGL or OSMesa where the worker runs)") from error
    if pixels.width is not None and pixels.height is not None:
        picture = picture.resize((pixels.width, pixels.height), Image.Resampling.BOX)
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1)
    return out.getvalue()
