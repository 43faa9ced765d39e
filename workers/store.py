"""The site's object store, by address. Knows nothing of what the bytes mean."""

from __future__ import annotations

from functools import cache

import numpy as np
import obstore
from numpy.typing import NDArray
from obstore.store import LocalStore, ObjectStore, from_url


def put(store_url: str, key: str, data: bytes | NDArray[np.uint8]) -> None:
    """Write an object at once: a reader sees all of it or none. In one part: several cost four times the processor."""
    obstore.put(_store(store_url), key, data, use_multipart=False)


def delete(store_url: str, key: str) -> None:
    obstore.delete(_store(store_url), key)


@cache
def _store(url: str) -> ObjectStore:
    if url.startswith("file://"):
        return LocalStore.from_url(url, mkdir=True)
    return from_url(url)  # credentials come from the environment, as each provider's tools read them
