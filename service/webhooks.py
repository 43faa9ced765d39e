"""Webhooks: who is told of which event. What `notify` writes leaves after the commit; see `deliveries`."""

from __future__ import annotations

import base64
import ipaddress
import json
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid5

from sqlalchemy import Select, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service import clock, db
from service.api import schemas
from service.errors import Conflict, Invalid, NotFound
from service.ids import new_id, read, show
from service.keys import Caller
from service.models import DeliveryState, QuotaNode, Webhook, WebhookDelivery

MOST = 20
"""Webhooks of one quota node."""
KEPT = timedelta(days=30)
"""How long one can see what became of an event."""
NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Event(StrEnum):
    BUDGET_NEARLY_SPENT = "budget.nearly_spent"
    BUDGET_SPENT = "budget.spent"
    HOLD_SET = "hold.set"
    HOLD_RELEASED = "hold.released"
    DEBT_BEGAN = "debt.began"
    DEBT_ENDED = "debt.ended"


SPREADING = (Event.HOLD_SET, Event.HOLD_RELEASED, Event.DEBT_BEGAN, Event.DEBT_ENDED)
"""What happens to a node happens to all below it: those are told too."""


async def notify(
    session: AsyncSession,
    event: Event,
    node: QuotaNode,
    detail: Mapping[str, Any],
    *,
    now: datetime,
    once: str | None = None,
) -> None:
    """Promise to tell all that listen, with this transaction: webhooks of the node and its ancestors, and where the
    event spreads of all below it. `detail` is JSON and may be read by each of them.

    Events of a node with equal `once` (such as the beginning of a budget's window) are one: told once, with one id.
    """
    asked = {"node": node.id, "event": event, "spreads": event in SPREADING}
    listening = (await session.scalars(_LISTENING, asked)).all()
    if not listening:
        return
    event_id = new_id() if once is None else uuid5(node.id, f"{event} {once}")
    about = {"id": show("quota", node.id), "name": node.name, "kind": node.kind}
    told = {"id": show("event", event_id), "event": event, "at": now.isoformat(), "node": about, "detail": detail}
    promised = {"event_id": event_id, "event": event, "body": json.dumps(told), "due_at": now, "created_at": now}
    rows = [{"id": new_id(), "webhook_id": webhook, **promised} for webhook in listening]
    await session.execute(insert(WebhookDelivery).values(rows).on_conflict_do_nothing())
    await db.notify(session, db.WEBHOOK)


_LISTENING = text(
    """
    WITH RECURSIVE above AS (
        SELECT id, parent_id FROM quota_node WHERE id = :node
        UNION ALL SELECT n.id, n.parent_id FROM quota_node n JOIN above ON n.id = above.parent_id
    ), below AS (
        SELECT id FROM quota_node WHERE id = :node
        UNION ALL SELECT n.id FROM quota_node n JOIN below ON n.parent_id = below.id
    )
    SELECT id FROM webhook WHERE :event = ANY(events)
        AND (node_id IN (SELECT id FROM above) OR (:spreads AND node_id IN (SELECT id FROM below)))
    """
)


# --- register


async def create(
    session: AsyncSession, caller: Caller, node: QuotaNode, request: schemas.WebhookCreate, *, private: bool
) -> Webhook:
    """A new webhook of a node.

    Raises
    ------
    Invalid
        Nothing can or may be delivered to the address.
    Conflict
        The node has too many.
    """
    _check(request.url, private=private)
    await session.execute(select(QuotaNode.id).where(QuotaNode.id == node.id).with_for_update(key_share=True))
    count = await session.scalar(select(func.count()).where(Webhook.node_id == node.id)) or 0
    if count >= MOST:
        raise Conflict(f"{node.name} has {count} webhooks, the most there can be; delete one first")
    webhook = Webhook(
        node_id=node.id,
        url=request.url,
        events=list(request.events),
        secret=secrets.token_bytes(32),
        created_by=caller.name,
    )
    session.add(webhook)
    await session.flush()
    await session.refresh(webhook)
    return webhook


def _check(url: str, *, private: bool) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise _wrong(f"is no address: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise _wrong("begins with http:// or https:// and a host")
    if parts.username is not None or parts.password is not None:
        raise _wrong("must not hold a user or password; the signature says who sends")
    if not private and (host == "localhost" or host.endswith(".localhost") or not _may_be_public(host)):
        raise _wrong("lies on this machine or in a private network, where WORLDPOOL_WEBHOOK_PRIVATE lets nothing go")


def _wrong(reason: str) -> Invalid:
    return Invalid("nothing can be delivered there", errors=[("body.url", reason)])


def _may_be_public(host: str) -> bool:
    """What a name stands for is looked up at each delivery."""
    try:
        return is_public(host)
    except ValueError:
        return True


def is_public(address: str) -> bool:
    """Whether an IP address, and one that it stands for, can belong to somebody outside of every private network."""
    outer = ipaddress.ip_address(address)
    meant = [outer]
    if isinstance(outer, ipaddress.IPv6Address):
        inner = [outer.ipv4_mapped, outer.sixtofour, *(outer.teredo or ())]
        meant += [one for one in inner if one is not None]
        if outer in NAT64:
            meant.append(ipaddress.IPv4Address(int(outer) & 0xFFFFFFFF))
    return all(one.is_global and not one.is_multicast for one in meant)


def secret(webhook: Webhook) -> str:
    """As Standard Webhooks has it: what follows the underscore is the key, in base64."""
    return "whsec_" + base64.b64encode(webhook.secret).decode()


# --- look


def owned(node: QuotaNode) -> Select[Webhook]:
    """Those registered at the node, or anywhere if it is the root: see `roles.summit`."""
    query = select(Webhook)
    return query if node.kind == "root" else query.where(Webhook.node_id == node.id)


async def get(session: AsyncSession, node: QuotaNode, webhook_id: str) -> Webhook:
    found = await session.scalar(owned(node).where(Webhook.id == read("webhook", webhook_id)))
    if found is None:
        raise NotFound(f"there is no webhook {webhook_id}")
    return found


async def describe(session: AsyncSession, found: list[Webhook]) -> list[schemas.Webhook]:
    """Webhooks with how much of what they were promised they have."""
    ids = [webhook.id for webhook in found]
    counts = select(WebhookDelivery.webhook_id, WebhookDelivery.state, func.count())
    counts = counts.where(WebhookDelivery.webhook_id.in_(ids)).group_by(
        WebhookDelivery.webhook_id, WebhookDelivery.state
    )
    count = {(webhook, state): number for webhook, state, number in await session.execute(counts)}
    nodes = select(QuotaNode.id, QuotaNode.name).where(QuotaNode.id.in_([webhook.node_id for webhook in found]))
    names: dict[UUID, str] = dict((await session.execute(nodes)).all())
    return [
        schemas.Webhook(
            id=show("webhook", webhook.id),
            node=names[webhook.node_id],
            url=webhook.url,
            events=webhook.events,
            created_by=webhook.created_by,
            created_at=webhook.created_at,
            **{state: count.get((webhook.id, state), 0) for state in DeliveryState},
        )
        for webhook in found
    ]


async def remove(session: AsyncSession, webhook: Webhook) -> None:
    """Delete a webhook with all that it was promised."""
    await session.execute(delete(Webhook).where(Webhook.id == webhook.id))


# --- what became of events


def deliveries(webhook: Webhook) -> Select[WebhookDelivery]:
    return select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook.id)


def show_delivery(row: WebhookDelivery) -> schemas.Delivery:
    return schemas.Delivery(
        id=show("event", row.event_id),
        event=row.event,
        state=row.state,
        attempts=row.attempts,
        failure=row.failure,
        content=json.loads(row.body),
        created_at=row.created_at,
        due_at=row.due_at if row.state == DeliveryState.WAITING else None,
        delivered_at=row.delivered_at,
    )


async def redeliver(session: AsyncSession, webhook: Webhook, event_id: str) -> WebhookDelivery:
    """Try a dead letter anew, with the same id.

    Raises
    ------
    NotFound
        The webhook was not promised this event.
    Conflict
        It is not dead.
    """
    row = await session.scalar(deliveries(webhook).where(WebhookDelivery.event_id == read("event", event_id)))
    if row is None:
        raise NotFound(f"{show('webhook', webhook.id)} has no event {event_id}")
    revived = await session.execute(
        update(WebhookDelivery)
        .where(WebhookDelivery.id == row.id, WebhookDelivery.state == DeliveryState.DEAD)
        .values(state=DeliveryState.WAITING, attempts=0, due_at=await clock.now(session))
        .returning(WebhookDelivery.id)
    )
    if revived.one_or_none() is None:
        raise Conflict(f"{event_id} is {row.state}; only what is dead is sent anew")
    await db.notify(session, db.WEBHOOK)
    await session.refresh(row)
    return row


async def forget(session: AsyncSession, *, now: datetime) -> None:
    """Delete what is too old, sent or dead."""
    old = (WebhookDelivery.state != DeliveryState.WAITING, WebhookDelivery.created_at < now - KEPT)
    await session.execute(delete(WebhookDelivery).where(*old))
