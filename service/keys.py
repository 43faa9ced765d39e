"""API keys: whose they are, what they may do. A secret is shown once and stored only as a hash.

Which quota nodes a caller may see and edit, `roles` says.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service import clock, db
from service.errors import Forbidden, Invalid, NotFound, Unauthenticated
from service.ids import read, show
from service.models import Cell, Key, QuotaNode, Site

CELL_SCOPES = ("environments:read", "subsets:write", "runs:read", "runs:write")
OPERATOR_SCOPES = ("environments:read", "runs:read", "admin:read", "admin:write", "splits:write")
SITE_SCOPES = ("site:work",)
STEWARD_SCOPES = ("quotas:read", "quotas:write")
USUAL = {"cell": CELL_SCOPES, "site": SITE_SCOPES, "steward_of": STEWARD_SCOPES, "operator": OPERATOR_SCOPES}
"""Scopes that a key has unless they are named, by its owner."""
ON_REQUEST = {"cell": ("evaluate", "trajectories"), "operator": ("trajectories",)}
"""Scopes that a key has only if they are named: to run held-out environments for their scores, and to see more of
that than scores."""

_BY_SECRET = """
SELECT
    id, cell_id, site_id, steward_of, scopes, (SELECT split_id FROM split_in_force),
    revoked_at IS NOT NULL, coalesce(expires_at <= clock_timestamp(), false)
FROM key WHERE secret_sha256 = %(sha256)s
"""
"""Asked at every request; with the split in force, so that looking up an environment asks nothing else."""


@dataclass(frozen=True)
class Caller:
    """Who sends a request, and the split in force as it came."""

    key_id: UUID
    cell_id: UUID | None
    site_id: UUID | None
    steward_of: UUID | None
    scopes: frozenset[str]
    split_id: UUID | None
    reason: str | None = None  # why, in the caller's words, where it changes something as an operator

    @property
    def name(self) -> str:
        return show("key", self.key_id)

    def require(self, scope: str) -> None:
        """
        Raises
        ------
        Forbidden
            The key lacks the scope.
        """
        if scope not in self.scopes:
            whose = "this steward's key" if self.steward_of else "this key"
            raise Forbidden(f"{whose} lacks the scope {scope}; it has {', '.join(sorted(self.scopes)) or 'none'}")

    def require_cell(self) -> UUID:
        """
        Raises
        ------
        Forbidden
            The key is an operator's or a site's.
        """
        if self.cell_id is None:
            raise Forbidden("this needs a cell's key; an operator makes one with POST /v1/admin/keys")
        return self.cell_id


async def authenticate(reader: db.Reader, secret: str) -> Caller:
    """The caller that a bearer secret names.

    Raises
    ------
    Unauthenticated
        No such key, or it was revoked or has expired.
    """
    found = await db.fetch(reader, _BY_SECRET, {"sha256": _hash(secret)})
    if not found:
        raise Unauthenticated("this key is unknown")
    ((key, cell, site, group, scopes, split, revoked, expired),) = found
    if revoked:
        raise Unauthenticated("this key was revoked")
    if expired:
        raise Unauthenticated("this key has expired")
    return Caller(key, cell, site, group, frozenset(scopes), split)


async def create(
    session: AsyncSession,
    *,
    cell: Cell | None = None,
    site: Site | None = None,
    steward_of: QuotaNode | None = None,
    scopes: Sequence[str] | None = None,
    label: str | None = None,
    labels: Mapping[str, str] | None = None,
    expires_at: datetime | None = None,
    secret: str | None = None,
) -> tuple[Key, str]:
    """A new key and its secret; a given secret is taken over.

    Raises
    ------
    Invalid
        Several owners, a scope that its owner cannot have, labels of a key that runs nothing, an expiry without a time
        zone, or a steward without a term.
    """
    owners = {"cell": cell, "site": site, "steward_of": steward_of}
    given = [name for name, owner in owners.items() if owner is not None]
    if len(given) > 1:
        raise Invalid("a key has one owner", errors=[(f"body.{given[1]}", f"give one of {', '.join(owners)}, or none")])
    owner = given[0] if given else "operator"
    usual = USUAL[owner]
    allowed = usual + ON_REQUEST.get(owner, ())
    wrong = sorted(set(scopes or ()) - set(allowed))
    if wrong:
        raise Invalid(
            "a scope does not fit",
            errors=[("body.scopes", f"{wrong[0]} is not for this owner; it may have {', '.join(allowed)}")],
        )
    if labels and cell is None:
        raise Invalid("only a cell's key has labels", errors=[("body.labels", "are of runs; this key submits none")])
    if expires_at is not None and expires_at.tzinfo is None:
        raise Invalid(
            "the expiry is ambiguous", errors=[("body.expires_at", "give a time zone, such as 2027-01-01T00:00:00Z")]
        )
    if steward_of is not None and (expires_at is None or expires_at <= await clock.now(session)):
        raise Invalid("a steward's term ends", errors=[("body.expires_at", "say when, at a time to come")])
    secret = secret or f"wp_{secrets.token_urlsafe(32)}"
    key = Key(
        secret_sha256=_hash(secret),
        cell_id=cell.id if cell else None,
        site_id=site.id if site else None,
        steward_of=steward_of.id if steward_of else None,
        scopes=list(usual if scopes is None else dict.fromkeys(scopes)),
        label=label,
        labels=dict(labels or {}),
        expires_at=expires_at,
    )
    session.add(key)
    await session.flush()
    return key, secret


async def get(session: AsyncSession, key_id: str) -> Key:
    found = await session.get(Key, read("key", key_id))
    if found is None:
        raise NotFound(f"there is no key {key_id}")
    return found


async def labelled(session: AsyncSession, caller: Caller, labels: Mapping[str, str]) -> dict[str, str]:
    """The labels of what the caller submits: those of its key, and others that it gives.

    Raises
    ------
    Invalid
        It gives another value for one of its key's: an operator said whose usage this is.
    """
    own = (await session.get_one(Key, caller.key_id)).labels
    wrong = [name for name in own.keys() & labels.keys() if own[name] != labels[name]]
    if wrong:
        errors = [(f"body.labels.{name}", f"is {own[name]} for all that this key submits") for name in sorted(wrong)]
        raise Invalid("a label is not the key's", errors=errors)
    return own | dict(labels)


async def revoke(session: AsyncSession, key: Key) -> None:
    """From the next request on the key is refused. Revoking twice changes nothing."""
    key.revoked_at = key.revoked_at or await clock.now(session)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
