"""Sends the outbox to the sites' brokers, after commit. A message may leave twice, or late: the claim decides."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

import structlog
from celery import Celery
from kombu.exceptions import OperationalError
from sqlalchemy import delete, select

from service.db import Sessions
from service.models import Outbox, Site
from workers import contract

log = structlog.get_logger()


class Publisher:
    """One Celery producer a site, kept open."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._apps: dict[str, Celery] = {}

    async def flush(self) -> bool:
        """Send what waits, oldest first; false if a broker did not take it (what it did not take stays)."""
        async with self._sessions() as session:
            messages = (await session.execute(select(Outbox).order_by(Outbox.id).limit(1000))).scalars().all()
            urls = dict((await session.execute(select(Site.id, Site.redis_url))).all()) if messages else {}
        by_site: defaultdict[UUID, list[Outbox]] = defaultdict(list)
        for message in messages:
            by_site[message.site_id].append(message)
        sent = await asyncio.gather(*(self._send(urls[site], waiting) for site, waiting in by_site.items()))
        await self._forget([id for ids in sent for id in ids])
        return sum(map(len, sent)) == len(messages)

    async def _send(self, url: str, messages: Sequence[Outbox]) -> list[int]:
        """The ids that the broker took."""
        return await asyncio.to_thread(self._send_blocking, url, messages)

    def _send_blocking(self, url: str, messages: Sequence[Outbox]) -> list[int]:
        sent: list[int] = []
        app = self._app(url)
        try:
            with app.producer_or_acquire() as producer:
                for message in messages:
                    app.send_task(
                        contract.GRANT_TASK,
                        kwargs=message.body,
                        queue=message.queue,
                        producer=producer,
                        retry=False,
                        ignore_result=True,
                    )
                    sent.append(message.id)
        except (OperationalError, OSError) as error:
            log.warning(
                "broker.unreachable", error=str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            )
        return sent

    def _app(self, url: str) -> Celery:
        if url not in self._apps:
            self._apps[url] = Celery(broker=url, set_as_current=False)
            self._apps[url].conf.update(
                task_default_delivery_mode="transient",
                broker_transport_options={"socket_connect_timeout": 2, "socket_timeout": 5, "max_retries": 0},
                broker_connection_timeout=2,
            )
        return self._apps[url]

    async def _forget(self, ids: Sequence[int]) -> None:
        if ids:
            async with self._sessions.begin() as session:
                await session.execute(delete(Outbox).where(Outbox.id.in_(ids)))
