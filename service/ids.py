"""Identifiers: UUIDv7 inside, prefixed text outside (`run_0190…`)."""

from __future__ import annotations

import os
import time
from uuid import UUID

from service.errors import NotFound

NOUNS = {"sub": "subset"}
"""What prefixes stand for that are not the noun itself."""


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): ordered by time of creation, in milliseconds."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds << 80) | (0x7 << 76) | ((random >> 68) << 64) | (0b10 << 62) | (random & (2**62 - 1))
    return UUID(int=value)


def show(prefix: str, value: UUID) -> str:
    return f"{prefix}_{value.hex}"


def read(prefix: str, text: str) -> UUID:
    """The UUID in prefixed text.

    Raises
    ------
    NotFound
        The text names nothing of this kind.
    """
    head, _, tail = text.partition("_")
    if head != prefix or len(tail) != 32 or not set(tail) <= set("0123456789abcdef"):
        noun = NOUNS.get(prefix, prefix)
        raise NotFound(f"there is no {noun} with the id {text!r}; ids look like {prefix}_ and 32 hexadecimal digits")
    return UUID(hex=tail)
