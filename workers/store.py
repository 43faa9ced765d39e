"""The site's object store, by address. Knows nothing of what the bytes mean."""

from __future__ import annotations

from functools import cache

import obstore
from obstore.store import LocalStore, ObjectStore, from_url


def put(store_url: str, key: str, data: bytes) -> None:
    """Write an object at once: a reader sees all of it or none."""
    obstore.put(_store(store_url), key, data)


def delete(store_url: str, key: str) -> None:
    obstore.delete(_store(store_url), key)


@cache
def _store(url: str) -> ObjectStore:
    if url.startswith("file://"):
        return LocalStore.from_url(url, mkdir=True)
    return from_url(url)  # credentials come from the environment, as each provider's tools read them
