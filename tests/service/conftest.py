"""The service in this process, on a real database with the whole catalogue: an ASGI client for each kind of caller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
from fastapi import FastAPI

from service.api.app import create_app
from service.api.dependencies import Parts
from service.bootstrap import bootstrap
from service.embedded.postgres import EmbeddedPostgres
from service.settings import Settings
from tests.conftest import create_database


@dataclass
class Pool:
    """A running API and its callers. `run` drives it: all requests of a test share one event loop."""

    app: FastAPI
    runner: asyncio.Runner
    keys: dict[str, str]
    cell: httpx.AsyncClient
    operator: httpx.AsyncClient
    site: httpx.AsyncClient
    anonymous: httpx.AsyncClient

    @property
    def parts(self) -> Parts:
        found: Parts = self.app.state.parts
        return found

    def client(self, key: str | None) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://pool", headers=headers)

    def request(self, client: httpx.AsyncClient, method: str, path: str, **arguments: object) -> httpx.Response:
        return self.runner.run(client.request(method, path, **arguments))  # type: ignore[arg-type]

    def get(self, path: str, client: httpx.AsyncClient | None = None, **arguments: object) -> httpx.Response:
        return self.request(client or self.cell, "GET", path, **arguments)

    def post(self, path: str, client: httpx.AsyncClient | None = None, **arguments: object) -> httpx.Response:
        return self.request(client or self.cell, "POST", path, **arguments)


@pytest.fixture(scope="session")
def catalogued(postgres: EmbeddedPostgres, migrated: str) -> tuple[str, dict[str, str]]:
    """A database with the whole catalogue, a cell, an operator and a site; and their keys."""
    name = create_database(postgres, migrated)
    return name, bootstrap(postgres.url_of(name), "redis://localhost:1", "file:///nonexistent")


@pytest.fixture(scope="module")
def pool(postgres: EmbeddedPostgres, catalogued: tuple[str, dict[str, str]]) -> Iterator[Pool]:
    """An API of this test module's own."""
    template, keys = catalogued
    settings = Settings(database_url=postgres.url_of(create_database(postgres, template)))
    app = create_app(settings)
    with asyncio.Runner() as runner:
        found = Pool(app, runner, keys, *[None] * 4)  # type: ignore[arg-type]
        found.cell, found.operator = found.client(keys["cell_key"]), found.client(keys["operator_key"])
        found.site, found.anonymous = found.client(keys["site_key"]), found.client(None)
        lifespan = _lifespan(app)
        runner.run(lifespan.__aenter__())
        yield found
        runner.run(lifespan.__aexit__(None, None, None))


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with app.router.lifespan_context(app):
        yield
