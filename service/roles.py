"""Roles: who may do what to which quota node. The one place that says so; what keys may do besides, their scopes say.

| | operator | steward of a group, for a term | member of a cell |
| --- | --- | --- | --- |
| see share, use and queue | of all | of the group and all below it | of the own cell |
| read and edit quotas, ask what if | of all | of all below the group | |
| be told by webhook | of all | of the group and all below it | of the own cell |
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.api import schemas
from service.errors import Forbidden
from service.ids import read, show
from service.keys import Caller
from service.models import QuotaNode


class Role(StrEnum):
    OPERATOR = "operator"
    STEWARD = "steward"
    MEMBER = "member"
    SITE = "site"


class Act(StrEnum):
    SEE = "see the shares and the queue"
    READ = "read the quota"
    EDIT = "edit the quota"
    HEAR = "register webhooks"


_SCOPE: Mapping[Role, Mapping[Act, str]] = MappingProxyType(
    {
        Role.OPERATOR: {
            Act.SEE: "admin:read",
            Act.READ: "admin:read",
            Act.EDIT: "admin:write",
            Act.HEAR: "admin:write",
        },
        Role.STEWARD: {
            Act.SEE: "quotas:read",
            Act.READ: "quotas:read",
            Act.EDIT: "quotas:write",
            Act.HEAR: "quotas:write",
        },
        Role.MEMBER: {Act.SEE: "runs:read", Act.HEAR: "runs:write"},
        Role.SITE: {},
    }
)
"""What a key needs for an act; what is not there, its role may not do."""
_BELOW = (Act.READ, Act.EDIT)
"""What a steward may do below its group, and not to the group."""


def role(caller: Caller) -> Role:
    if caller.cell_id is not None:
        return Role.MEMBER
    if caller.site_id is not None:
        return Role.SITE
    return Role.STEWARD if caller.steward_of is not None else Role.OPERATOR


def require_scope(caller: Caller, act: Act) -> None:
    """
    Raises
    ------
    Forbidden
        The caller may do this to no node.
    """
    is_a = role(caller)
    scope = _SCOPE[is_a].get(act)
    if scope is None:
        needed = _SCOPE[Role.OPERATOR][act]
        raise Forbidden(f"the key of a {is_a} may {act} of nothing; that needs the scope {needed}, or a steward's key")
    caller.require(scope)


async def require(session: AsyncSession, caller: Caller, act: Act, quota_id: str) -> None:
    """Whether the caller may do this to that node, whether or not there is such a node.

    Raises
    ------
    Forbidden
        It may not: says what it is, and where it may.
    """
    require_scope(caller, act)
    if role(caller) is not Role.OPERATOR and read("quota", quota_id) not in await nodes(session, caller, act):
        top = await summit(session, caller)
        raise Forbidden(f"the key of a {role(caller)} may {act} below {top.name} alone, and not of {quota_id}")


async def require_change(session: AsyncSession, caller: Caller, act: Act, change: schemas.QuotaChange) -> None:
    """Whether the caller may do this to all that a change is of. A steward moves nodes only within its group.

    Raises
    ------
    Forbidden
        It may not: says where it may.
    """
    if role(caller) is Role.OPERATOR:
        return
    if change.commitment is not None or change.document is not None:
        raise Forbidden("the commitment and the whole document are for operators")
    top = await summit(session, caller)
    inside = await session.execute(
        select(QuotaNode.id, QuotaNode.name).where(
            QuotaNode.id.in_(await nodes(session, caller, Act.SEE)), QuotaNode.kind == "group"
        )
    )
    parents = {text for id, name in inside for text in (show("quota", id), name)}
    for edit in change.quotas:
        await require(session, caller, act, edit.quota)
        if "parent" in edit.model_fields_set and edit.parent not in parents:
            raise Forbidden(f"the key of a {role(caller)} may move nodes within {top.name} alone, not to {edit.parent}")


async def nodes(session: AsyncSession, caller: Caller, act: Act) -> set[UUID]:
    """The nodes to which the caller, which has the scope, may do this."""
    top = await summit(session, caller)
    found = set((await session.scalars(_SUBTREE, {"top": top.id})).all())
    return found - {top.id} if role(caller) is Role.STEWARD and act in _BELOW else found


async def summit(session: AsyncSession, caller: Caller) -> QuotaNode:
    """The node at which the caller's part of the tree begins: the root, a steward's group, a member's leaf."""
    query = select(QuotaNode).execution_options(populate_existing=True)
    match role(caller):
        case Role.MEMBER:
            query = query.where(QuotaNode.cell_id == caller.cell_id)
        case Role.STEWARD:
            query = query.where(QuotaNode.id == caller.steward_of)
        case _:
            query = query.where(QuotaNode.kind == "root")
    return (await session.execute(query)).scalar_one()


_SUBTREE = text(
    """
    WITH RECURSIVE below AS (
        SELECT id FROM quota_node WHERE id = :top
        UNION ALL SELECT n.id FROM quota_node n JOIN below ON n.parent_id = below.id
    )
    SELECT id FROM below
    """
)
