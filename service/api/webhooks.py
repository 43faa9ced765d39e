"""Webhooks: addresses that are told of holds, debts and budgets."""

from __future__ import annotations

from fastapi import APIRouter, Response

from service import audit, roles, webhooks
from service.api import schemas
from service.api.dependencies import Idempotent, Page, PartsDep, Session, ShareReader, WebhookOwner
from service.api.problems import documented, linked
from service.api.routing import StrictRoute
from service.ids import show
from service.models import Webhook, WebhookDelivery
from service.pages import page

router = APIRouter(prefix="/webhooks", tags=["webhooks"], route_class=StrictRoute, responses=documented(401, 403, 422))
LINKS = linked(201, "webhook_id", "delete_webhook", "list_deliveries")


@router.post(
    "", status_code=201, response_model=schemas.WebhookWithSecret, responses=documented(400, 409, 413, 415) | LINKS
)
async def create_webhook(
    session: Session, parts: PartsDep, caller: WebhookOwner, idempotent: Idempotent, request: schemas.WebhookCreate
) -> Response:
    """Be told of events: with an operator's key of all nodes, with a steward's of its group and all below it, with a
    cell's of the cell. The secret is shown this once; docs/decisions/0022-roles-and-visibility.md says how it signs.

    With an Idempotency-Key the answer is kept without the secret, so the same request again shows no secret.
    """

    async def create() -> tuple[schemas.WebhookWithSecret, str]:
        node = await roles.summit(session, caller)
        private = parts.settings.webhook_private
        webhook = await webhooks.create(session, caller, node, request, private=private)
        audit.record(session, caller, "webhook.create", show("webhook", webhook.id), node=node.name)
        (shown,) = await webhooks.describe(session, [webhook])
        secret = webhooks.secret(webhook)
        return schemas.WebhookWithSecret(**shown.model_dump(), secret=secret), f"/v1/webhooks/{shown.id}/deliveries"

    return await idempotent.once(201, create, shown_once="secret")


@router.get("")
async def list_webhooks(session: Session, caller: ShareReader, paging: Page) -> schemas.Page[schemas.Webhook]:
    """One's own, newest first; an operator sees all."""
    query = webhooks.owned(await roles.summit(session, caller))
    rows, cursor = await page(session, query, Webhook.id, cursor=paging.cursor, limit=paging.limit, descending=True)
    return schemas.Page[schemas.Webhook](items=await webhooks.describe(session, list(rows)), next_cursor=cursor)


@router.delete("/{webhook_id}", status_code=204, responses=documented(404))
async def delete_webhook(session: Session, caller: WebhookOwner, webhook_id: str) -> None:
    """Nothing more is sent to it, and what was is forgotten."""
    await webhooks.remove(session, await webhooks.get(session, await roles.summit(session, caller), webhook_id))
    audit.record(session, caller, "webhook.delete", webhook_id)


@router.get("/{webhook_id}/deliveries", responses=documented(404))
async def list_deliveries(
    session: Session,
    caller: ShareReader,
    paging: Page,
    webhook_id: str,
    state: schemas.DeliveryState | None = None,
) -> schemas.Page[schemas.Delivery]:
    """What the webhook was or is to be told, newest first, and what became of it: `dead` is what never arrived."""
    webhook = await webhooks.get(session, await roles.summit(session, caller), webhook_id)
    query = webhooks.deliveries(webhook)
    if state is not None:
        query = query.where(WebhookDelivery.state == state)
    rows, cursor = await page(
        session, query, WebhookDelivery.id, cursor=paging.cursor, limit=paging.limit, descending=True
    )
    return schemas.Page[schemas.Delivery](items=[webhooks.show_delivery(row) for row in rows], next_cursor=cursor)


@router.post("/{webhook_id}/deliveries/{event_id}:redeliver", responses=documented(404, 409))
async def redeliver_event(session: Session, caller: WebhookOwner, webhook_id: str, event_id: str) -> schemas.Delivery:
    """Try a dead event anew."""
    webhook = await webhooks.get(session, await roles.summit(session, caller), webhook_id)
    return webhooks.show_delivery(await webhooks.redeliver(session, webhook, event_id))
