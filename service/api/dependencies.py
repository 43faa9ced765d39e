"""What routes ask for: a transaction, the caller, the pool's parts, pages and idempotency."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from fastapi import Depends, Header, Query, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from service import keys, roles
from service.api.schemas import VISIBLE, Name
from service.db import Sessions, Wakeups
from service.errors import Forbidden, Invalid, PreconditionFailed, PreconditionRequired, Unauthenticated
from service.keys import Caller
from service.models import IdempotencyKey, Site
from service.pages import MAX_LIMIT
from service.presence import Presence
from service.releases import Releases
from service.roles import Act
from service.settings import Settings

bearer = HTTPBearer(auto_error=False, description="A key such as wp_…; see POST /v1/admin/keys")


@dataclass(frozen=True)
class Parts:
    """What the running API holds; made at start, in app.state.parts."""

    settings: Settings
    sessions: Sessions
    reads: AsyncEngine
    run_wakeups: Wakeups
    releases: Releases
    presence: Presence


def parts(request: Request) -> Parts:
    found: Parts = request.app.state.parts
    return found


async def get_parts(request: Request) -> Parts:
    """`parts` as a dependency: what is not `async` is called in a thread, which takes longer than the whole search."""
    return parts(request)


async def get_session(request: Request) -> AsyncIterator[AsyncSession]:
    """One transaction a request, committed before the response leaves (scope="function")."""
    async with parts(request).sessions.begin() as session:
        yield session


async def get_reader(request: Request) -> AsyncIterator[AsyncConnection]:
    """A connection for single statements that only read: no transaction, and a third of a transaction's time."""
    async with parts(request).reads.connect() as connection:
        yield connection


Session = Annotated[AsyncSession, Depends(get_session, scope="function")]
Reader = Annotated[AsyncConnection, Depends(get_reader, scope="function")]
PartsDep = Annotated[Parts, Depends(get_parts)]


async def get_caller(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> Caller:
    """Who sends the request; asked once, before its body is read."""
    if credentials is None:
        raise Unauthenticated("send Authorization: Bearer and a key")
    if not hasattr(request.state, "caller"):
        async with parts(request).reads.connect() as connection:
            request.state.caller = await keys.authenticate(connection, credentials.credentials)
    caller: Caller = request.state.caller
    return caller


def scoped(scope: str) -> Callable[[Caller], Awaitable[Caller]]:
    """A dependency: the caller, who must have the scope."""

    async def require(caller: Annotated[Caller, Depends(get_caller)]) -> Caller:
        caller.require(scope)
        return caller

    return require


async def get_reason(
    worldpool_reason: Annotated[
        str | None,
        Header(min_length=1, max_length=1000, description="why, for the audit: UTF-8", examples=["more for the paper"]),
    ] = None,
) -> str | None:
    """Why somebody changes something, in their words. Headers come as Latin-1; what they hold is UTF-8."""
    if worldpool_reason is None:
        return None
    try:
        reason = worldpool_reason.encode("latin-1").decode()
    except UnicodeError:
        raise Invalid("the reason cannot be read", errors=[("header.worldpool-reason", "send UTF-8")]) from None
    if not reason.isprintable() or not reason.strip():
        raise Invalid("the reason cannot be read", errors=[("header.worldpool-reason", "send printable text")])
    return reason


async def get_author(
    caller: Annotated[Caller, Depends(get_caller)], reason: Annotated[str | None, Depends(get_reason)]
) -> Caller:
    """Who changes something that the audit tells of, and why."""
    return replace(caller, reason=reason)


def writing(scope: str) -> Callable[[Caller], Awaitable[Caller]]:
    """A dependency: the author of a change, who must have the scope."""

    async def require(author: Annotated[Caller, Depends(get_author)]) -> Caller:
        author.require(scope)
        return author

    return require


def may(act: Act) -> Callable[[Caller], Awaitable[Caller]]:
    """A dependency: the caller, who may do this to some quota nodes; see `roles`."""

    async def require(caller: Annotated[Caller, Depends(get_caller)]) -> Caller:
        roles.require_scope(caller, act)
        return caller

    return require


def may_there(act: Act) -> Callable[[Caller, AsyncSession, str], Awaitable[Caller]]:
    """A dependency: the caller, who may do this to the quota node in the path."""

    async def require(caller: Annotated[Caller, Depends(get_caller)], session: Session, quota_id: str) -> Caller:
        await roles.require(session, caller, act, quota_id)
        return caller

    return require


async def get_quota_editor(
    _: Annotated[Caller, Depends(may_there(Act.EDIT))], author: Annotated[Caller, Depends(get_author)]
) -> Caller:
    """The author of an edit of the quota node in the path, who may edit it."""
    return author


EnvironmentReader = Annotated[Caller, Depends(scoped("environments:read"))]
SubsetWriter = Annotated[Caller, Depends(scoped("subsets:write"))]
RunReader = Annotated[Caller, Depends(scoped("runs:read"))]
RunWriter = Annotated[Caller, Depends(scoped("runs:write"))]
AdminReader = Annotated[Caller, Depends(scoped("admin:read"))]
AdminWriter = Annotated[Caller, Depends(writing("admin:write"))]
Steward = Annotated[Caller, Depends(writing("splits:write"))]
ShareReader = Annotated[Caller, Depends(may(Act.SEE))]
QuotaLister = Annotated[Caller, Depends(may(Act.READ))]
QuotaReader = Annotated[Caller, Depends(may_there(Act.READ))]
QuotaEditor = Annotated[Caller, Depends(get_quota_editor)]
WebhookOwner = Annotated[Caller, Depends(may(Act.HEAR))]
Authenticated = Annotated[Caller, Depends(get_caller)]


async def get_site(caller: Annotated[Caller, Depends(get_caller)], session: Session) -> Site:
    caller.require("site:work")
    site = await session.get(Site, caller.site_id)
    if site is None:
        raise Forbidden("this key's site is gone")
    return site


WorkingSite = Annotated[Site, Depends(get_site)]


@dataclass(frozen=True)
class Paging:
    cursor: str | None
    limit: int


async def get_paging(
    cursor: Annotated[str | None, Query(max_length=200, description="next_cursor of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 100,
) -> Paging:
    return Paging(cursor, limit)


Page = Annotated[Paging, Depends(get_paging)]


@dataclass(frozen=True)
class Sharing:
    """How a stream shares a run with others."""

    group: str
    consumer: str
    window: int | None
    until: Literal["acknowledged", "given"]


async def get_sharing(
    group: Annotated[
        Name | None, Query(description="share the chunks with the other consumers of this group, and acknowledge them")
    ] = None,
    consumer: Annotated[
        Name | None, Query(description="with group: which consumer this is; who comes again with it gets its own again")
    ] = None,
    window: Annotated[
        int | None, Query(ge=1, le=1000, description="with group: most chunks given ahead of their acknowledgement")
    ] = None,
    until: Annotated[
        Literal["acknowledged", "given"] | None,
        Query(
            description="with group: the end comes when the run is finished and the group has acknowledged every chunk "
            "(the default), or when all are given out"
        ),
    ] = None,
) -> Sharing | None:
    if group is None:
        given = {"consumer": consumer, "window": window, "until": until}
        errors = [(f"query.{name}", "goes with group") for name, value in given.items() if value is not None]
        if errors:
            raise Invalid("a group is missing", errors=errors)
        return None
    if consumer is None:
        raise Invalid("who reads?", errors=[("query.consumer", "goes with group: name this consumer")])
    return Sharing(group, consumer, window, until or "acknowledged")


Shared = Annotated[Sharing | None, Depends(get_sharing)]


async def get_version(
    if_match: Annotated[str | None, Header(description='the ETag read before, such as "3"')] = None,
) -> int:
    """The version that an edit is based on."""
    if if_match is None:
        raise PreconditionRequired(
            "send If-Match with the ETag that you read", errors=[("header.if-match", "is missing")]
        )
    text = if_match.strip().removeprefix("W/").strip('"')
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise PreconditionFailed("If-Match names no version", errors=[("header.if-match", "send the ETag as it came")])
    return int(text)


Version = Annotated[int, Depends(get_version)]


async def get_tag(
    if_match: Annotated[str | None, Header(description="the ETag read before", max_length=200)] = None,
) -> str:
    """The document that an edit is based on."""
    if if_match is None:
        raise PreconditionRequired(
            "send If-Match with the ETag that you read", errors=[("header.if-match", "is missing")]
        )
    return if_match.strip().removeprefix("W/").strip('"')


Tag = Annotated[str, Depends(get_tag)]
Shown = Annotated[
    str | None,
    Header(
        alias="Worldpool-What-If",
        min_length=1,
        max_length=200,
        pattern=VISIBLE,
        description="the token of POST /v1/admin/what-if for just this change, where it takes something away",
    ),
]


class Idempotency:
    """Answers a creating request that is sent again with what it answered the first time."""

    def __init__(
        self,
        request: Request,
        session: Session,
        caller: Authenticated,
        idempotency_key: Annotated[
            str | None,
            Header(
                min_length=1,
                max_length=200,
                pattern=VISIBLE,
                description="sent again, the request does nothing new",
            ),
        ] = None,
    ) -> None:
        self._request, self._session, self._caller, self._key = request, session, caller, idempotency_key

    async def once(
        self, status: int, create: Callable[[], Awaitable[tuple[BaseModel, str]]], *, shown_once: str | None = None
    ) -> Response:
        """`create` makes the thing and answers (body, location). With a known key nothing is made, and the field
        `shown_once` of the answer is empty: what is in it is not kept.

        Raises
        ------
        Invalid
            The key came before with another request.
        """
        if self._key is None:
            body, location = await create()
            return _answer(status, body.model_dump_json(), location)
        fingerprint = await self._fingerprint()
        first = await self._session.execute(
            insert(IdempotencyKey)
            .values(owner=self._caller.cell_id or self._caller.key_id, key=self._key, request_sha256=fingerprint)
            .on_conflict_do_nothing()  # waits while the first request is still at it
            .returning(IdempotencyKey.key)
        )
        new = first.one_or_none() is not None
        row = await self._session.get_one(IdempotencyKey, (self._caller.cell_id or self._caller.key_id, self._key))
        if new:
            body, location = await create()
            kept = body.model_copy(update={shown_once: ""}) if shown_once else body
            row.status, row.body, row.location = status, kept.model_dump_json(), location
            return _answer(status, body.model_dump_json(), location)
        if row.request_sha256 != fingerprint:
            raise Invalid(
                "this Idempotency-Key came before with another request",
                errors=[("header.idempotency-key", "use a new one")],
            )
        return _answer(row.status or status, row.body or "", row.location or "")

    async def _fingerprint(self) -> bytes:
        digest = hashlib.sha256(f"{self._request.method} {self._request.url.path}\n".encode())
        digest.update(await self._request.body())
        return digest.digest()


def _answer(status: int, body: str, location: str) -> Response:
    return Response(body, status, headers={"Location": location}, media_type="application/json")


Idempotent = Annotated[Idempotency, Depends()]
