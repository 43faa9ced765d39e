"""Deliveries: sends events to webhooks, by the scheduler's leader. Two leaders would do no harm: an event may come
twice, and always with the same id.

Signed as Standard Webhooks has it: HMAC-SHA256 over the id, the time of sending and the body, joined by dots.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import socket
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import httpx
import structlog
from sqlalchemy import Row, func, select, text, update

from service import clock, db, webhooks
from service.db import Sessions
from service.ids import show
from service.models import DeliveryState, WebhookDelivery

BATCH = 32
"""Events that are sent at once."""
TIMEOUT_S = 10.0
"""Time that an address has to answer."""
LEASE = timedelta(seconds=60)
"""After so long an event that somebody was sending is sent by others."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=10), timedelta(hours=1)
MOST_ATTEMPTS = 15
"""After so many, within about seven hours, an event is a dead letter."""
IDLE_S, RETRY_S = 300.0, 5.0
"""Longest sleep while nothing is due, and the pause after the database failed."""

log = structlog.get_logger()


class Undelivered(Exception):
    """Why an event did not arrive."""


def pause(attempts: int) -> timedelta:
    """Until the next attempt, after so many that failed."""
    return min(FIRST_PAUSE * (1 << (attempts - 1)), LONGEST_PAUSE)


def signature(secret: bytes, *, id: str, at: int, body: str) -> str:
    """`at` is in seconds since 1970."""
    digest = hmac.digest(secret, f"{id}.{at}.{body}".encode(), hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


class Deliveries:
    """Sends what is due, and sleeps until something is. With `private` also to addresses of private networks."""

    def __init__(self, sessions: Sessions, wakeups: db.Wakeups, *, private: bool) -> None:
        self._sessions = sessions
        self._wakeups = wakeups
        self._private = private

    async def serve(self) -> None:
        """Runs until cancelled. What fails is tried again; the scheduler goes on."""
        with self._wakeups.subscribe("") as wake:
            while True:
                wake.clear()
                try:
                    while await self.send():
                        pass
                    sleep_s = await self._idle_s()
                except Exception as error:
                    log.warning("webhooks.failed", error=f"{type(error).__name__}: {error}"[:200])
                    sleep_s = RETRY_S
                with suppress(TimeoutError):
                    async with asyncio.timeout(sleep_s):
                        await wake.wait()

    async def send(self) -> int:
        """Send what is due, up to a batch; how many events that were."""
        async with self._sessions.begin() as session:
            now = await clock.now(session)
            asked = {"now": now, "again": now + LEASE, "most": BATCH}
            due = (await session.execute(_TAKE, asked)).all()
        async with httpx.AsyncClient(
            # a connection that is kept would be used for another host of the same address, under the first one's name
            limits=httpx.Limits(max_keepalive_connections=0),
            timeout=TIMEOUT_S,
            trust_env=False,  # a proxy would look names up for itself
        ) as client:
            failures = await asyncio.gather(*(self._try(client, row, at=now) for row in due))
        await self._settle(due, failures)
        return len(due)

    async def _try(self, client: httpx.AsyncClient, row: Row[Any], *, at: datetime) -> str | None:
        """Why it did not arrive, or None."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._post(client, row, at=int(at.timestamp()))
        except Undelivered as failure:
            return str(failure)
        except TimeoutError:
            return f"no answer within {TIMEOUT_S:.0f} s"
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
            return f"{type(error).__name__}: {error}"[:200]
        return None

    async def _post(self, client: httpx.AsyncClient, row: Row[Any], *, at: int) -> None:
        url = httpx.URL(row.url)
        id = show("event", row.event_id)
        headers = {
            "Host": url.netloc.decode(),
            "Content-Type": "application/json",
            "User-Agent": "worldpool",
            "Webhook-Id": id,
            "Webhook-Timestamp": str(at),
            "Webhook-Signature": signature(row.secret, id=id, at=at, body=row.body),
        }
        to = url.copy_with(host=await self._address(url))  # looked up once: no second answer can lead elsewhere
        request = client.build_request(
            "POST", to, content=row.body.encode(), headers=headers, extensions={"sni_hostname": url.host}
        )
        response = await client.send(request, stream=True)  # the answer's body is not read
        await response.aclose()
        if not response.is_success:
            raise Undelivered(f"answered {response.status_code}")

    async def _address(self, url: httpx.URL) -> str:
        """
        Raises
        ------
        Undelivered
            The host is of a private network, in part or whole.
        """
        port = url.port or (443 if url.scheme == "https" else 80)
        found = await asyncio.get_running_loop().getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
        addresses = [str(address[0]).partition("%")[0] for *_, address in found]
        if not self._private and not all(map(webhooks.is_public, addresses)):
            raise Undelivered("the host lies on this machine or in a private network")
        return addresses[0]

    async def _settle(self, due: Sequence[Row[Any]], failures: Sequence[str | None]) -> None:
        async with self._sessions.begin() as session:
            now = await clock.now(session)
            for row, failure in zip(due, failures, strict=True):
                dead = failure is not None and row.attempts >= MOST_ATTEMPTS
                if failure is None:
                    values: dict[str, Any] = {"state": DeliveryState.DELIVERED, "delivered_at": now, "failure": None}
                elif dead:
                    values = {"state": DeliveryState.DEAD, "failure": failure}
                else:
                    values = {"due_at": now + pause(row.attempts), "failure": failure}
                mine = (WebhookDelivery.id == row.id, WebhookDelivery.attempts == row.attempts)
                still = (*mine, WebhookDelivery.state == DeliveryState.WAITING)
                await session.execute(update(WebhookDelivery).where(*still).values(**values))
                if dead:
                    log.warning("webhook.dead", id=show("event", row.event_id), cause=failure)

    async def _idle_s(self) -> float:
        """Seconds until something is due."""
        async with self._sessions() as session:
            waiting = WebhookDelivery.state == DeliveryState.WAITING
            due = await session.scalar(select(func.min(WebhookDelivery.due_at)).where(waiting))
            now = await clock.now(session)
        return IDLE_S if due is None else min(max((due - now).total_seconds(), 0.0), IDLE_S)


_TAKE = text(
    """
    UPDATE webhook_delivery d SET attempts = d.attempts + 1, due_at = :again
    FROM webhook w
    WHERE w.id = d.webhook_id AND d.id IN (
        SELECT id FROM webhook_delivery WHERE state = 'waiting' AND due_at <= :now
        ORDER BY due_at, id LIMIT :most FOR UPDATE SKIP LOCKED
    )
    RETURNING d.id, d.attempts, d.event_id, d.body, w.url, w.secret
    """
)
