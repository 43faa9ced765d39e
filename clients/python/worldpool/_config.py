"""Where the pool is and with which key it is met: arguments, then environment variables, then what `make up` wrote."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from worldpool.errors import ConfigurationError, PoolNotFound

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
    ConfigurationError
        The address or the key cannot be one, the file cannot be read, or there is no key.
    PoolNotFound
        Neither argument, variable nor file gives an address.
    """
    variable, entry = ("WORLDPOOL_OPERATOR_KEY", "operator_key") if operator else ("WORLDPOOL_API_KEY", "cell_key")
    named_url, named_key = environ.get("WORLDPOOL_URL") or None, environ.get(variable) or None
    url = named_url if url is None else url
    complete = url is not None and (api_key is not None or named_key is not None)
    known = {} if complete else _read_pool_file(folder or Path.cwd())
    known_url = known.get("url", "").rstrip("/")
    if url is None and not known_url:
        raise PoolNotFound(
            f"no pool found: there is no {POOL_FILE} in this folder or above it; start one with `make up`, "
            "or set WORLDPOOL_URL and WORLDPOOL_API_KEY"
        )
    url = _checked_url(known_url if url is None else url)
    own_key = known.get(entry) if known_url == url else None
    for source, key in (("api_key", api_key), (variable, named_key), (str(POOL_FILE), own_key)):
        if key is not None:
            return Address(url, _checked_key(key, source))
    owner = "--operator" if operator else "--cell NAME"
    other = f"; the one in {POOL_FILE} is for {known_url}" if known_url else ""
    raise ConfigurationError(
        f"no key for the pool at {url}: give api_key= or set {variable} to one that its operators made, "
        f"such as with `python -m service keys create {owner}`{other}"
    )


def _checked_url(url: str) -> str:
    try:
        parsed = httpx.URL(url)
        usable = parsed.scheme in ("http", "https") and parsed.host and (parsed.port or 0) < 2**16
    except httpx.InvalidURL:
        usable = False
    if not usable:
        raise ConfigurationError(f"{url!r} is no address of a pool: one looks like http://127.0.0.1:8420")
    return url.rstrip("/")


def _checked_key(key: str, source: str) -> str:
    if not key:
        raise ConfigurationError(f"the key from {source} cannot be one: it is empty")
    wrong = next((place for place, char in enumerate(key, 1) if not "!" <= char <= "~"), None)
    if wrong:
        raise ConfigurationError(f"the key from {source} cannot be one: its character {wrong} is not visible ASCII")
    return key


def _read_pool_file(folder: Path) -> dict[str, str]:
    for parent in (folder, *folder.parents):
        path = parent / POOL_FILE
        try:
            entries = dict(json.loads(path.read_text()))
            return {name: value for name, value in entries.items() if isinstance(value, str)}
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, ValueError, TypeError) as error:
            raise ConfigurationError(f"{path} is not readable: {error}") from error
    return {}
