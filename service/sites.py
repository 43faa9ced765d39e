"""Sites: members of the federation, each with its broker and its object store."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.api import schemas
from service.errors import Conflict, Invalid, NotFound
from service.ids import show
from service.models import Site, Worker
from service.store import check_url

BROKERS = ("redis://", "rediss://", "redis+socket://")


async def create(session: AsyncSession, *, name: str, redis_url: str, store_url: str) -> Site:
    """
    Raises
    ------
    Conflict
        The name is taken.
    Invalid
        An address has a scheme that is not served.
    """
    if not redis_url.startswith(BROKERS):
        raise Invalid("no such broker", errors=[("body.redis_url", f"begins with one of {', '.join(BROKERS)}")])
    check_url(store_url, field="body.store_url")
    if await session.scalar(select(Site.id).where(Site.name == name)):
        raise Conflict(f"there is a site named {name}", errors=[("body.name", "is taken")])
    site = Site(name=name, redis_url=redis_url, store_url=store_url)
    session.add(site)
    await session.flush()
    await session.refresh(site)
    return site


async def find(session: AsyncSession, name: str) -> Site:
    found = (await session.execute(select(Site).where(Site.name == name))).scalar_one_or_none()
    if found is None:
        raise NotFound(f"there is no site {name}")
    return found


def show_site(site: Site, workers: Sequence[Worker]) -> schemas.Site:
    """With those of these workers that are its own. The broker's address stays inside: it may hold a password."""
    own = [worker for worker in workers if worker.site_id == site.id]
    return schemas.Site(
        id=show("site", site.id),
        name=site.name,
        store_url=site.store_url,
        state=site.state,
        workers=len(own),
        slots=sum(worker.slots for worker in own),
        created_at=site.created_at,
    )
