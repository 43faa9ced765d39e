"""A pool for each test, and both clients of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import worldpool

from tests.clients.pool_double import KEY, PoolDouble


@pytest.fixture
def double() -> Iterator[PoolDouble]:
    pool = PoolDouble()
    pool.start()
    yield pool
    pool.stop()


class Twin:
    """Drives either client with the same words: `twin(lambda pool: pool.me())`, lists and streams read to their end."""

    def __init__(self, double: PoolDouble, *, asynchronous: bool) -> None:
        self._url = double.url
        self._asynchronous = asynchronous

    def __call__(self, use: Callable[[Any], Any]) -> Any:
        if self._asynchronous:
            return asyncio.run(self._ause(use))
        with worldpool.Client(url=self._url, api_key=KEY) as pool:
            return _read(use(pool))

    def with_run(self, use: Callable[[Any], Any]) -> Any:
        """The same with a run of the pool: `twin.with_run(lambda run: run.stream())`."""
        if self._asynchronous:
            return asyncio.run(self._awith_run(use))
        return self(lambda pool: use(pool.runs.get("run_1")))

    async def _ause(self, use: Callable[[Any], Any]) -> Any:
        async with worldpool.AsyncClient(url=self._url, api_key=KEY) as pool:
            return await _aread(use(pool))

    async def _awith_run(self, use: Callable[[Any], Any]) -> Any:
        async with worldpool.AsyncClient(url=self._url, api_key=KEY) as pool:
            return await _aread(use(await pool.runs.get("run_1")))


def _read(result: Any) -> Any:
    return list(result) if isinstance(result, worldpool.Pager | Iterator) else result


async def _aread(result: Any) -> Any:
    return [item async for item in result] if hasattr(result, "__aiter__") else await result


@pytest.fixture(params=["sync", "async"])
def twin(double: PoolDouble, request: pytest.FixtureRequest) -> Twin:
    return Twin(double, asynchronous=request.param == "async")
