"""Reading what workers wrote: whole, in parts, and a clear answer where it is not there."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from service import store
from service.errors import Unavailable


async def read(url: str, key: str) -> list[bytes]:
    return [part async for part in store.read(url, key)]


@pytest.mark.parametrize("size", [0, 1, store.PART - 1, store.PART, store.PART + 1, 3 * store.PART])
def test_an_object_is_read_whole_in_parts(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "object").write_bytes(content)
    parts = asyncio.run(read(tmp_path.as_uri(), "object"))
    assert b"".join(parts) == content
    assert all(len(part) <= store.PART for part in parts)


def test_an_object_that_is_not_there_is_said_to_be_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot give gone"):
        asyncio.run(read(tmp_path.as_uri(), "gone"))
