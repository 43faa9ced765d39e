"""Changes of quotas: edits of nodes and of the commitment, or a whole document, applied in one transaction under the
root's lock. Whatever edits quotas comes through here: requests, what-if, and changes that begin or end at a time."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import rfc8785
from sqlalchemy.ext.asyncio import AsyncSession

from service import audit, capacity, documents, quotas
from service.api import schemas
from service.documents import SPEC
from service.edited_tree import Edit, EditedTree
from service.errors import Conflict, PreconditionFailed, PreconditionRequired
from service.models import QuotaNode

LIFE = timedelta(minutes=10)
"""How long a token of what-if binds."""


async def carry_out(
    session: AsyncSession,
    author: audit.Author,
    change: schemas.QuotaChange,
    *,
    now: datetime,
    shown: str | None = None,
    prefix: str = "body.",
    single: bool = False,
) -> list[Edit]:
    """Apply a change that somebody asks for, and write down who and why. With a token of what-if, only what it showed.

    Raises
    ------
    PreconditionRequired
        The change takes something away, and nobody has looked at what follows.
    PreconditionFailed
        The token is of another change, of another tree or pool, or too old.
    """
    await capacity.lock_root(session)
    if shown is not None:
        await check_token(session, change, shown, now=now)
    edits = await apply(session, change, by=author.name, now=now, prefix=prefix, single=single)
    taken = [sentence for edit in edits for sentence in edit.takes]
    if taken and shown is None:
        raise PreconditionRequired(
            f"this {'; '.join(taken[:5])}: send the change to POST /v1/admin/what-if, see what follows, then send the "
            "token that you get as Worldpool-What-If",
            errors=[("header.worldpool-what-if", "is missing")],
        )
    write_down(session, author, edits)
    return edits


def write_down(session: AsyncSession, author: audit.Author, edits: Sequence[Edit]) -> None:
    """Put edits into the audit."""
    for edit in edits:
        audit.record(session, author, edit.action, edit.target, **{k: list(v) for k, v in edit.changed.items()})


async def apply(
    session: AsyncSession,
    change: schemas.QuotaChange,
    *,
    by: str,
    now: datetime,
    prefix: str = "body.",
    single: bool = False,
) -> list[Edit]:
    """Set what a change says, divide shares anew, and answer what is different. `by` is who answers for an exception,
    `prefix` where the request has the change; with `single`, it is of one part.

    Raises
    ------
    NotFound, Invalid, Conflict
        It cannot be carried out, or would lose something.
    """
    tree = await EditedTree.read(session, now=now)
    for number, edit in enumerate(change.quotas):
        tree.edit(edit, at=prefix if single else f"{prefix}quotas[{number}].")
    if change.commitment is not None:
        wanted = change.commitment.model_dump(exclude_none=True)
        tree.commit(wanted, by=by, at=prefix if single else f"{prefix}commitment.")
    if change.document is not None:
        await tree.become(change.document, by=by, at=prefix if single else f"{prefix}document.")
    return await tree.finish()


async def edit_node(
    session: AsyncSession,
    author: audit.Author,
    edit: schemas.QuotaEdit,
    *,
    version: int,
    shown: str | None,
    now: datetime,
) -> None:
    """Edit a node that still has `version`.

    Raises
    ------
    PreconditionFailed
        Somebody edited the node meanwhile.
    Invalid
        The root has no siblings to weigh against, lend to or borrow from; or nothing can be below the new parent.
    """
    await capacity.lock_root(session)
    node = await quotas.get(session, edit.quota)
    if node.version != version:
        raise PreconditionFailed(f"the quota is at version {node.version} now; read it again, then decide")
    await carry_out(session, author, schemas.QuotaChange(quotas=[edit]), now=now, shown=shown, single=True)


async def edit_commitment(
    session: AsyncSession,
    author: audit.Author,
    request: schemas.CommitmentPatch,
    *,
    version: int,
    shown: str | None,
    now: datetime,
) -> None:
    """Edit the share of the pool that is committed. A new limit begins a capacity epoch."""
    await capacity.lock_root(session)
    row = await capacity.commitment(session)
    if row.version != version:
        raise PreconditionFailed(f"the commitment is at version {row.version} now; read it again, then decide")
    await carry_out(session, author, schemas.QuotaChange(commitment=request), now=now, shown=shown, single=True)


async def replace_document(
    session: AsyncSession,
    author: audit.Author,
    document: schemas.QuotaDocument,
    *,
    tag: str,
    shown: str | None,
    now: datetime,
) -> list[Edit]:
    """Make the tree what the document says, if it still is the one that the ETag is of.

    Raises
    ------
    PreconditionFailed
        Somebody edited the tree meanwhile.
    Conflict
        A cell that has had work, or has keys, would go.
    """
    await capacity.lock_root(session)
    if tag != documents.digest(await quotas.document(session)):
        raise PreconditionFailed("the tree is another one now; read the document again, then decide")
    return await carry_out(session, author, schemas.QuotaChange(document=document), now=now, shown=shown, single=True)


async def create_group(
    session: AsyncSession, author: audit.Author, request: schemas.GroupCreate, *, now: datetime
) -> QuotaNode:
    """A new group, that has nothing in it yet. Its share counts at once.

    Raises
    ------
    Conflict
        The name is taken.
    """
    tree = await EditedTree.read(session, now=now)
    if tree.find("group", request.name):
        raise Conflict(f"there is a group named {request.name}", errors=[("body.name", "is taken")])
    parent = tree.group(request.parent, at="body.parent")
    documents.check_group(request.name, tree.depth(parent) + 1, field="body.name")
    node = await tree.create("group", request.name, parent, request.model_dump(include=set(SPEC)))
    write_down(session, author, await tree.finish())
    return node


async def delete_node(session: AsyncSession, author: audit.Author, quota_id: str, *, now: datetime) -> None:
    """Take a group out that has nothing in it, or a cell that never had work.

    Raises
    ------
    Conflict
        Something would be lost.
    """
    tree = await EditedTree.read(session, now=now)
    await tree.delete(tree.node(quota_id))
    write_down(session, author, await tree.finish())


# --- what binds a change to what was shown


async def token(session: AsyncSession, change: schemas.QuotaChange, *, expires: datetime) -> str:
    """Binds a change to the tree and the pool as they stand: a digest of all three, which whoever gets the change
    makes again. A receipt, not a permission."""
    seconds = int(expires.timestamp())
    bound: dict[str, Any] = {
        "change": _canonical(change),
        "tree": documents.digest(await quotas.document(session)),
        "limit_mc": (await capacity.commitment(session)).limit_mc,
        "expires": seconds,
    }
    return f"{seconds}-{hashlib.sha256(rfc8785.dumps(bound)).hexdigest()}"


def _canonical(change: schemas.QuotaChange) -> dict[str, Any]:
    edits = [edit.model_dump(exclude_unset=True) for edit in change.quotas]
    drain = change.drain if isinstance(change, schemas.WhatIfAsk) else None
    return {
        "quotas": sorted(edits, key=lambda edit: str(edit["quota"])),
        "commitment": change.commitment and change.commitment.model_dump(mode="json", exclude_none=True),
        "document": change.document and documents.canonical(change.document),
        "drain": drain and drain.model_dump(mode="json"),
    }


async def check_token(session: AsyncSession, change: schemas.QuotaChange, shown: str, *, now: datetime) -> None:
    """
    Raises
    ------
    PreconditionFailed
        The token is of another change, of another tree or pool, or too old.
    """
    seconds = shown.partition("-")[0]
    again = "ask POST /v1/admin/what-if again"
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) < 12):
        raise PreconditionFailed("this is no token", errors=[("header.worldpool-what-if", "send it as it came")])
    expires = datetime.fromtimestamp(int(seconds), UTC)
    if expires < now or expires > now + LIFE:
        raise PreconditionFailed("what was shown is too old", errors=[("header.worldpool-what-if", again)])
    if not hmac.compare_digest(shown.encode(), (await token(session, change, expires=expires)).encode()):
        detail = "what was shown is of another change, or the tree or the pool's capacity is another one since"
        raise PreconditionFailed(detail, errors=[("header.worldpool-what-if", again)])
