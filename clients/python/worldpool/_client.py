"""The clients: they carry bytes between a pool and the calls, and wait between attempts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import cached_property
from typing import Any, Self, TypeVar

import httpx

from worldpool import _calls, models
from worldpool import _resources as nouns
from worldpool._config import find_pool
from worldpool._core import Attempts, Call, client_headers, problem
from worldpool._twins import AsyncPager, Pager

T = TypeVar("T")

TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 5.0


def connect(*, url: str | None = None, api_key: str | None = None, operator: bool = False) -> Client:
    """A client of the pool.

    Address and key come from the arguments, else from WORLDPOOL_URL and WORLDPOOL_API_KEY (WORLDPOOL_OPERATOR_KEY with
    `operator=True`), else from `.worldpool/pool.json`, which `make up` writes, in this folder or one above.

    Raises
    ------
    ConfigurationError
        What they name cannot be used, or none of them gives a key; `PoolNotFound` where none gives an address.
    """
    address = find_pool(url=url, api_key=api_key, operator=operator)
    return Client(url=address.url, api_key=address.api_key)


def aconnect(*, url: str | None = None, api_key: str | None = None, operator: bool = False) -> AsyncClient:
    """`connect` for asynchronous code."""
    address = find_pool(url=url, api_key=api_key, operator=operator)
    return AsyncClient(url=address.url, api_key=address.api_key)


def _settings(url: str, api_key: str) -> dict[str, Any]:
    return {
        "base_url": url,
        "headers": client_headers(api_key),
        "timeout": httpx.Timeout(TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
        # a proxy of the environment cannot reach a pool on this machine
        "trust_env": httpx.URL(url).host not in ("localhost", "127.0.0.1", "::1"),
    }


def _request(call: Call[Any], headers: Mapping[str, str | bytes]) -> dict[str, Any]:
    json = {} if call.body is None else {"Content-Type": "application/json"}
    return {
        "method": call.method,
        "url": call.path,
        "params": list(call.params),
        "content": call.body,
        "headers": {**headers, **json},
    }


class Client:
    """A synchronous client, safe to share between threads. Close it, or use it as a context manager."""

    def __init__(self, *, url: str, api_key: str, transport: httpx.BaseTransport | None = None) -> None:
        self.url = url
        self._api_key = api_key
        self._http = httpx.Client(**_settings(url, api_key), transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<worldpool.Client {self.url}>"

    def close(self) -> None:
        """Let all connections go."""
        self._http.close()

    def catalogue(self) -> models.Catalogue:
        """How many environments, families, base tasks and modifiers there are."""
        return self._send(_calls.catalogue())

    def me(self) -> models.Me:
        """What this key's cell may use and uses."""
        return self._send(_calls.me())

    def queue(self, *, limit: int | None = None) -> Pager[models.QueueEntry]:
        """Unfinished runs, oldest first, with why the next item of each waits: this cell's; of a group's cells with its
        steward's key; of all with an operator's."""
        return Pager(self, _calls.list_queue(limit=limit))

    def shares(self) -> Pager[models.Share]:
        """What cells are entitled to and use, from the root down: one's own, and of others what the operators allow."""
        return Pager(self, _calls.list_shares())

    @cached_property
    def environments(self) -> nouns.Environments:
        return nouns.Environments(self)

    @cached_property
    def families(self) -> nouns.Families:
        return nouns.Families(self)

    @cached_property
    def modifiers(self) -> nouns.Modifiers:
        return nouns.Modifiers(self)

    @cached_property
    def subsets(self) -> nouns.Subsets:
        return nouns.Subsets(self)

    @cached_property
    def splits(self) -> nouns.Splits:
        return nouns.Splits(self)

    @cached_property
    def tables(self) -> nouns.Tables:
        return nouns.Tables(self)

    @property
    def policies(self) -> nouns.Policies:
        return nouns.Policies(self)

    @cached_property
    def runs(self) -> nouns.Runs:
        return nouns.Runs(self)

    @cached_property
    def usage(self) -> nouns.Usage:
        return nouns.Usage(self)

    @cached_property
    def webhooks(self) -> nouns.Webhooks:
        return nouns.Webhooks(self)

    @cached_property
    def admin(self) -> nouns.Admin:
        return nouns.Admin(self)

    def _send(self, call: Call[T]) -> T:
        attempts = Attempts(call)
        while True:
            try:
                response = self._http.request(**_request(call, attempts.headers))
            except httpx.TransportError as error:
                time.sleep(attempts.delay_after_error(error))
                continue
            delay = attempts.delay_after(response)
            if delay is None:
                return attempts.result(response)
            time.sleep(delay)

    @contextmanager
    def _open(self, call: Call[None], *, read_timeout: float) -> Generator[httpx.Response]:
        timeout = httpx.Timeout(TIMEOUT_S, connect=CONNECT_TIMEOUT_S, read=read_timeout)
        with self._http.stream(**_request(call, call.headers), timeout=timeout) as response:
            if not response.is_success:
                response.read()
                raise problem(response)
            yield response


class AsyncClient:
    """`Client` with awaitable methods, for one event loop. Close it with `aclose`, or use it as a context manager."""

    def __init__(self, *, url: str, api_key: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.url = url
        self._api_key = api_key
        self._http = httpx.AsyncClient(**_settings(url, api_key), transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<worldpool.AsyncClient {self.url}>"

    async def aclose(self) -> None:
        """Let all connections go."""
        await self._http.aclose()

    async def catalogue(self) -> models.Catalogue:
        """How many environments, families, base tasks and modifiers there are."""
        return await self._send(_calls.catalogue())

    async def me(self) -> models.Me:
        """What this key's cell may use and uses."""
        return await self._send(_calls.me())

    def queue(self, *, limit: int | None = None) -> AsyncPager[models.QueueEntry]:
        """Unfinished runs, oldest first, with why the next item of each waits: this cell's; of a group's cells with its
        steward's key; of all with an operator's."""
        return AsyncPager(self, _calls.list_queue(limit=limit))

    def shares(self) -> AsyncPager[models.Share]:
        """What cells are entitled to and use, from the root down: one's own, and of others what the operators allow."""
        return AsyncPager(self, _calls.list_shares())

    @cached_property
    def environments(self) -> nouns.AsyncEnvironments:
        return nouns.AsyncEnvironments(self)

    @cached_property
    def families(self) -> nouns.AsyncFamilies:
        return nouns.AsyncFamilies(self)

    @cached_property
    def modifiers(self) -> nouns.AsyncModifiers:
        return nouns.AsyncModifiers(self)

    @cached_property
    def subsets(self) -> nouns.AsyncSubsets:
        return nouns.AsyncSubsets(self)

    @cached_property
    def splits(self) -> nouns.AsyncSplits:
        return nouns.AsyncSplits(self)

    @cached_property
    def tables(self) -> nouns.AsyncTables:
        return nouns.AsyncTables(self)

    @property
    def policies(self) -> nouns.AsyncPolicies:
        return nouns.AsyncPolicies(self)

    @cached_property
    def runs(self) -> nouns.AsyncRuns:
        return nouns.AsyncRuns(self)

    @cached_property
    def usage(self) -> nouns.AsyncUsage:
        return nouns.AsyncUsage(self)

    @cached_property
    def webhooks(self) -> nouns.AsyncWebhooks:
        return nouns.AsyncWebhooks(self)

    @cached_property
    def admin(self) -> nouns.AsyncAdmin:
        return nouns.AsyncAdmin(self)

    async def _send(self, call: Call[T]) -> T:
        attempts = Attempts(call)
        while True:
            try:
                response = await self._http.request(**_request(call, attempts.headers))
            except httpx.TransportError as error:
                await asyncio.sleep(attempts.delay_after_error(error))
                continue
            delay = attempts.delay_after(response)
            if delay is None:
                return attempts.result(response)
            await asyncio.sleep(delay)

    @asynccontextmanager
    async def _open(self, call: Call[None], *, read_timeout: float) -> AsyncGenerator[httpx.Response]:
        timeout = httpx.Timeout(TIMEOUT_S, connect=CONNECT_TIMEOUT_S, read=read_timeout)
        async with self._http.stream(**_request(call, call.headers), timeout=timeout) as response:
            if not response.is_success:
                await response.aread()
                raise problem(response)
            yield response
