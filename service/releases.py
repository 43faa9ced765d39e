"""Coalesces releases: those that arrive within a few milliseconds share one transaction, and are answered after its
commit."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import UUID

from service import capacity, clock, leases, successors
from service.db import Sessions
from workers import contract

GATHER_S = 0.005
"""How long a release waits for others. One a commit measured 1.2 k/s, 64 a commit 5.2 k/s."""
MOST = 256


@dataclass(frozen=True)
class _Waiting:
    ending: leases.Ending
    take: UUID | None
    answer: asyncio.Future[contract.Released]


class Releases:
    """The queue in front of the release gate."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._waiting: list[_Waiting] = []
        self._arrived = asyncio.Event()

    async def end(self, ending: leases.Ending, take: UUID | None = None) -> contract.Released:
        """Accepted if the lease ended by this, or had ended in just this way before; see `leases.end`. Then `take` is
        an attempt to go on with the slot's next item; see `successors`."""
        answer: asyncio.Future[contract.Released] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(ending, take, answer))
        self._arrived.set()
        return await answer

    async def serve(self) -> None:
        """Runs until cancelled; what waits then is answered with the cancellation."""
        try:
            while True:
                await self._arrived.wait()
                await asyncio.sleep(GATHER_S)
                batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                if not self._waiting:
                    self._arrived.clear()
                await self._commit(batch)
        finally:
            for one in self._waiting:
                one.answer.cancel()

    async def _commit(self, batch: list[_Waiting]) -> None:
        try:
            answers = await self._end(batch)
        except Exception as error:
            for one in batch:
                if not one.answer.done():
                    one.answer.set_exception(error)
            return
        for one, answer in zip(batch, answers, strict=True):
            if not one.answer.done():
                one.answer.set_result(answer)

    async def _end(self, batch: list[_Waiting]) -> list[contract.Released]:
        taking = any(one.take for one in batch)
        async with self._sessions.begin() as session:
            await capacity.lock_root(session)
            now = await clock.now(session)  # under the lock: what is granted at it comes after all that was
            accepted = await leases.end(session, [one.ending for one in batch], now=now, wake=not taking)
            takes = {one.ending.lease_id: one.take for one, ok in zip(batch, accepted, strict=True) if ok and one.take}
            found = await successors.start(session, takes, now=now) if taking else {}
        return [
            contract.Released(accepted=ok, next=found.get(one.ending.lease_id) if ok and one.take else None)
            for one, ok in zip(batch, accepted, strict=True)
        ]
