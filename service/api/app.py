"""The HTTP application: routes, problems, and what runs beside them for its lifetime."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
import uvicorn
from fastapi import APIRouter, FastAPI
from fastapi_offline import FastAPIOffline
from sqlalchemy.exc import DBAPIError
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import catalogue, clock, db, logs
from service.api import (
    admin,
    departures,
    environments,
    groups,
    health,
    internal,
    me,
    policies,
    problems,
    queue,
    quotas,
    runs,
    splits,
    subsets,
    tables,
    usage,
    webhooks,
)
from service.api.dependencies import Parts
from service.ids import new_id
from service.presence import Presence
from service.releases import Releases
from service.settings import Settings

log = structlog.get_logger()


def create_app(settings: Settings) -> FastAPI:
    """The application; it connects to nothing before it starts.

    The page at /docs brings its own scripts, from a locked package: FastAPI's own shows nothing without internet.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        engine, reads = db.create_engine(settings.database_url), db.create_reads(settings.database_url)
        sessions = db.sessions(engine)
        wakeups, releases = db.Wakeups(settings.database_url, db.RUN), Releases(sessions)
        presence = Presence(sessions)
        app.state.parts = Parts(settings, sessions, reads, wakeups, releases, presence)
        works = (wakeups.listen(), releases.serve(), presence.serve(), _tick(sessions))
        beside = [asyncio.create_task(work) for work in works]
        try:
            yield
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await engine.dispose()
            await reads.dispose()

    app = FastAPIOffline(
        title="Worldpool",
        version="1",
        summary="A federated pool of simulation environments",
        lifespan=lifespan,
        openapi_url="/v1/openapi.json",
        docs_url="/docs",
        static_url="/docs/static",
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    problems.install(app)
    app.add_middleware(RequestId)
    public = APIRouter(prefix="/v1")
    for module in (
        environments,
        splits,
        subsets,
        tables,
        policies,
        runs,
        groups,
        me,
        queue,
        usage,
        webhooks,
        quotas,
        admin,
        departures,
    ):
        public.include_router(module.router)
    app.include_router(public)
    app.include_router(internal.router)
    app.include_router(health.router)
    return app


class RequestId:
    """Gives every request an id, in its state and in the answer's X-Request-Id. Plain ASGI: streams pass untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = new_id().hex
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        await self._app(scope, receive, send_with_id)


async def _tick(sessions: db.Sessions) -> None:
    """Mark that this API can hear heartbeats, as long as it can."""
    while True:
        try:
            async with sessions.begin() as session:
                await clock.tick(session)
        except (DBAPIError, OSError) as error:
            log.warning("database.unreachable", error=str(error).splitlines()[0][:200])
        await asyncio.sleep(clock.TICK_S)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C; open streams are cut after 2 s and resume elsewhere."""
    logs.configure(settings)
    app = create_app(settings)
    catalogue.prepare()
    gc.freeze()  # all of this stays: looking through it for garbage again and again would delay requests
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=2,
        timeout_keep_alive=75,
    )
