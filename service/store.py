"""Object stores of the sites: where chunks lie. Keys are given by leases; bytes are written by workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import obstore
from obstore.store import ObjectStore, from_url

from service.errors import Invalid, Unavailable

if TYPE_CHECKING:
    from obstore import ObjectMeta

SCHEMES = ("file", "s3", "gs", "az")
PART = 4 * 1024 * 1024


def check_url(url: str, *, field: str) -> None:
    """
    Raises
    ------
    Invalid
        No store has such an address.
    """
    if urlsplit(url).scheme not in SCHEMES:
        raise Invalid("no such store", errors=[(field, f"begins with one of {', '.join(s + '://' for s in SCHEMES)}")])


@lru_cache(maxsize=64)
def opened(url: str) -> ObjectStore:
    """The store at an address; a local folder is made."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        Path(unquote(parts.path)).mkdir(parents=True, exist_ok=True)
    return from_url(url)


async def read(url: str, key: str) -> AsyncIterator[bytes]:
    """The object's bytes in parts, each asked for by its range: a local file's own stream gives it in pieces of 8 KiB,
    which costs ten times the processor.

    Raises
    ------
    Unavailable
        The store does not have it, or does not answer.
    """
    with _expected_to(f"give {key}"):
        found = opened(url)
        size = (await obstore.head_async(found, key))["size"]
        for start in range(0, size, PART):
            yield bytes(await obstore.get_range_async(found, key, start=start, end=min(start + PART, size)))


async def read_range(url: str, key: str, start: int, end: int) -> bytes:
    """The object's bytes from `start` up to `end`.

    Raises
    ------
    Unavailable
        The store does not have it, or does not answer.
    """
    with _expected_to(f"give {key}"):
        return bytes(await obstore.get_range_async(opened(url), key, start=start, end=end))


async def listing(url: str, prefix: str, *, size: int) -> AsyncIterator[Sequence[ObjectMeta]]:
    """All objects under a prefix, in batches of at most `size`, in no order; each batch is read when it is asked for.

    Raises
    ------
    Unavailable
        The store does not answer, or does not let itself be listed.
    """
    with _expected_to("be listed"):
        async for batch in obstore.list(opened(url), prefix, chunk_size=size):
            yield batch


async def delete(url: str, keys: Iterable[str]) -> None:
    """Delete objects; those that are gone already count as deleted.

    Raises
    ------
    Unavailable
        The store does not answer, or does not let them be deleted.
    """
    with _expected_to("delete objects"):
        store = opened(url)
        for key in keys:
            try:
                await obstore.delete_async(store, key)
            except FileNotFoundError:
                await asyncio.sleep(0)


@contextmanager
def _expected_to(do: str) -> Iterator[None]:
    try:
        yield
    except (OSError, obstore.exceptions.BaseError) as error:
        raise Unavailable(f"the site's store cannot {do}: {type(error).__name__}", retry_after_s=5) from error
