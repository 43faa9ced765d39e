"""`python -m service keys`: API keys for an operator who sits at the database and needs no key for it."""

from __future__ import annotations

import argparse
import sys

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from service import cells, db, keys, sites
from service.api.schemas import KeyCreate, reason
from service.errors import Invalid, Problem
from service.ids import show
from service.models import Cell, Key, Site
from service.settings import Settings


async def run(settings: Settings, arguments: argparse.Namespace) -> int:
    """One of `create`, `list` and `revoke`, in one transaction. Returns an exit code."""
    engine = db.create_engine(settings.database_url)
    try:
        async with db.sessions(engine).begin() as session:
            lines = await ACTIONS[arguments.action](session, arguments)
    except Problem as problem:
        sys.stderr.write(f"{problem.detail}\n")
        return 1
    except OperationalError as error:
        reason = str(error.orig).splitlines()[0]
        sys.stderr.write(
            f"{make_url(settings.database_url)!r} does not answer ({reason}); "
            "call this in the folder of a running pool, or set WORLDPOOL_DATABASE_URL\n"
        )
        return 1
    finally:
        await engine.dispose()
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0


async def _create(session: AsyncSession, arguments: argparse.Namespace) -> list[str]:
    """The secret, which is shown this once."""
    _check(arguments)
    cell = await cells.find(session, arguments.cell) if arguments.cell else None
    site = await sites.find(session, arguments.site) if arguments.site else None
    _, secret = await keys.create(session, cell=cell, site=site, label=arguments.label)
    return [secret]


def _check(arguments: argparse.Namespace) -> None:
    """The API's rule, and that a key's line in `list` stays one."""
    try:
        KeyCreate(cell=arguments.cell, site=arguments.site, label=arguments.label)
    except ValidationError as error:
        [wrong, *_] = error.errors()
        raise Invalid(f"--{wrong['loc'][0]}: {reason(wrong)}") from error
    if arguments.label and not arguments.label.isprintable():
        raise Invalid("--label: give one line of printable characters")


async def _list(session: AsyncSession, arguments: argparse.Namespace) -> list[str]:
    query = (
        select(Key, Cell.name, Site.name)
        .outerjoin(Cell, Key.cell_id == Cell.id)
        .outerjoin(Site, Key.site_id == Site.id)
    )
    return [_line(*row) for row in (await session.execute(query.order_by(Key.id)))]


async def _revoke(session: AsyncSession, arguments: argparse.Namespace) -> list[str]:
    await keys.revoke(session, await keys.get(session, arguments.id))
    return [f"{arguments.id} is refused from now on"]


def _line(key: Key, cell: str | None, site: str | None) -> str:
    owner = f"cell {cell}" if cell else f"site {site}" if site else "operator"
    state = "revoked" if key.revoked_at else "valid"
    label = " ".join((key.label or "").split())  # the API takes labels of several lines
    return f"{show('key', key.id)}  {owner:<20} {state:<8} {','.join(key.scopes)}  {label}".rstrip()


ACTIONS = {"create": _create, "list": _list, "revoke": _revoke}
