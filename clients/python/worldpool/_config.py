"""Where the pool is and with which key it is met: arguments, then environment variables, then what `make up` wrote."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from worldpool.errors import PoolNotFound

POOL_FILE = Path(".worldpool") / "pool.json"


@dataclass(frozen=True)
class Address:
    url: str
    api_key: str = field(repr=False)


def find_pool(
    *,
    url: str | None,
    api_key: str | None,
    operator: bool,
    environ: Mapping[str, str] = os.environ,
    folder: Path | None = None,
) -> Address:
    """The pool's address and key.

    The file's key is used only with the file's own address, so that no key is sent to a pool that did not issue it.

    Raises
    ------
    PoolNotFound
        Neither argument, variable nor file gives one of them.
    """
    variable, entry = ("WORLDPOOL_OPERATOR_KEY", "operator_key") if operator else ("WORLDPOOL_API_KEY", "cell_key")
    known = _read_pool_file(folder or Path.cwd())
    url = (url or environ.get("WORLDPOOL_URL") or known.get("url", "")).rstrip("/")
    if not url:
        raise PoolNotFound(
            f"no pool found: there is no {POOL_FILE} in this folder or above it; start one with `make up`, "
            "or set WORLDPOOL_URL and WORLDPOOL_API_KEY"
        )
    if not url.startswith(("http://", "https://")):
        raise PoolNotFound(f"{url!r} is no address of a pool: it must start with http:// or https://")
    own_key = known.get(entry) if known.get("url", "").rstrip("/") == url else None
    key = api_key or environ.get(variable) or own_key
    if not key:
        raise PoolNotFound(f"no key for the pool at {url}: set {variable}")
    return Address(url, key)


def _read_pool_file(folder: Path) -> dict[str, str]:
    for parent in (folder, *folder.parents):
        path = parent / POOL_FILE
        if path.is_file():
            try:
                return dict(json.loads(path.read_text()))
            except (ValueError, TypeError) as error:
                raise PoolNotFound(f"{path} is not readable: {error}") from error
    return {}
