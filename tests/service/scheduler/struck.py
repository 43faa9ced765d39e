"""Runs a piece of the service in a process of its own and strikes it with a signal before its n-th SQL statement.

Whatever goes to the database counts: statements, savepoints, COMMIT, and the moment after COMMIT. Processes are forked
from one that has everything imported (`multiprocessing`'s fork server), so that each costs a few milliseconds.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable, Coroutine, Mapping
from multiprocessing.process import BaseProcess
from typing import Any
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy.event import listen
from sqlalchemy.orm import Session

from service import clock, db, leases
from service.db import Sessions
from service.releases import Releases
from service.scheduler import loop
from service.scheduler.publish import Publisher
from service.settings import Settings
from workers import contract

Operation = Callable[[Sessions, Any], Coroutine[Any, Any, object]]


async def grant(sessions: Sessions, _: None) -> None:
    """Plan, grant and send, as the scheduler does when it is woken."""
    await loop._act(sessions, Publisher(sessions))


async def sweep(sessions: Sessions, _: None) -> None:
    await loop.sweep(sessions)


async def release(sessions: Sessions, endings: list[leases.Ending]) -> None:
    """End leases, as the release gate does for a batch."""
    async with sessions.begin() as session:
        await leases.end(session, endings, now=await clock.now(session))


async def release_and_go_on(sessions: Sessions, takes: list[tuple[leases.Ending, UUID]]) -> list[contract.Released]:
    """End leases and go on with each slot's next item, as the API does."""
    releases = Releases(sessions)
    serving = asyncio.create_task(releases.serve())
    try:
        return await asyncio.gather(*(releases.end(ending, take) for ending, take in takes))
    finally:
        serving.cancel()


OPERATIONS: Mapping[str, Operation] = {each.__name__: each for each in (grant, sweep, release, release_and_go_on)}


class Blow:
    """A signal to this process at the n-th point that is reached, or at the n-th whose statement begins in some way."""

    def __init__(self, number: signal.Signals, *, at: int, where: str = "") -> None:
        self.number, self.at, self.where = number, at, where

    def listen(self) -> None:
        """To all that any engine of this process sends from now on."""
        listen(Engine, "before_cursor_execute", lambda _, __, statement, *___: self._reach(statement))
        listen(Engine, "commit", lambda _: self._reach("COMMIT"))
        listen(Session, "after_commit", lambda _: self._reach("after COMMIT"))

    def _reach(self, statement: str) -> None:
        if statement.strip().startswith(self.where):
            self.at -= 1
            if self.at == 0:
                os.kill(os.getpid(), self.number)


def operate(name: str, url: str, argument: object, blow: Blow | None) -> None:
    """The target of a process: one operation."""

    async def work() -> None:
        engine = db.create_engine(url, pool_size=2)
        if blow:
            blow.listen()
        await OPERATIONS[name](db.sessions(engine), argument)
        await engine.dispose()

    asyncio.run(work())


def lead(url: str, blow: Blow | None, *, key: int = loop.LEADER) -> None:
    """The target of a process: the scheduler. With a `key` of its own it leads beside others."""
    loop.LEADER = key
    if blow:
        blow.listen()
    loop.main(Settings(database_url=url, log_level="error"))


def start(target: Callable[..., None], *arguments: object, **named: object) -> BaseProcess:
    """A process, started."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=target, args=arguments, kwargs=named, daemon=True)
    process.start()
    return process
