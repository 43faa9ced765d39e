"""The whole pool, started as a user does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import worldpool

from service.embedded.pool import EmbeddedPool


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPool]:
    """One pool for all tests here. Many failures may be wished for: chaos is the test."""
    with EmbeddedPool(tmp_path_factory.mktemp("pool"), settings={"max_failures": 1000}) as pool:
        yield pool


@pytest.fixture(scope="session")
def client(running: EmbeddedPool) -> Iterator[worldpool.Client]:
    with worldpool.connect(url=running.url, api_key=running.cell_key) as connected:
        yield connected


@pytest.fixture(scope="session")
def operator(running: EmbeddedPool) -> Iterator[worldpool.Client]:
    with worldpool.connect(url=running.url, api_key=running.operator_key) as connected:
        yield connected
