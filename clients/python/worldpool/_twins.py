"""Makes the methods of both clients out of one description: a function that builds a call.

`sync(build)` is a method that makes the call and returns its answer, `awaited(build)` the same as a coroutine; `paged`
and `apaged` turn the pages of a list; `run`, `arun`, `run_pages` and `arun_pages` bind the runs that come back to the
client. Signatures, types and docstrings are the function's.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar

from worldpool._core import Call, PageCall
from worldpool._runs import AsyncRun, Run
from worldpool.models import Page, RunInfo

if TYPE_CHECKING:
    from worldpool._client import AsyncClient, Client

P = ParamSpec("P")
T = TypeVar("T")


class Resource:
    """The calls of one noun, on a client."""

    def __init__(self, client: Client) -> None:
        self._client = client


class AsyncResource:
    """The calls of one noun, on an asynchronous client."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client


def _same(item: Any) -> Any:
    return item


class Pager(Generic[T]):
    """All entries of a list. Pages are fetched as they are needed; each loop starts anew."""

    def __init__(self, client: Client, pages: PageCall[Any], bind: Callable[[Any], T] = _same) -> None:
        self._client = client
        self._pages = pages
        self._bind = bind

    def __iter__(self) -> Iterator[T]:
        call: Call[Page[Any]] | None = self._pages.first
        left = self._pages.limit
        while call is not None:
            page = self._client._send(call)
            items = page.items[:left]
            yield from map(self._bind, items)
            left = None if left is None else left - len(items)
            call = _following(self._pages.first, page) if left != 0 else None


class AsyncPager(Generic[T]):
    """`Pager` for `async for`."""

    def __init__(self, client: AsyncClient, pages: PageCall[Any], bind: Callable[[Any], T] = _same) -> None:
        self._client = client
        self._pages = pages
        self._bind = bind

    async def __aiter__(self) -> AsyncIterator[T]:
        call: Call[Page[Any]] | None = self._pages.first
        left = self._pages.limit
        while call is not None:
            page = await self._client._send(call)
            items = page.items[:left]
            for item in items:
                yield self._bind(item)
            left = None if left is None else left - len(items)
            call = _following(self._pages.first, page) if left != 0 else None


def _following(first: Call[Page[T]], page: Page[T]) -> Call[Page[T]] | None:
    if page.next_cursor is None:
        return None
    return replace(first, params=[*first.params, ("cursor", page.next_cursor)])


def sync(build: Callable[P, Call[T]]) -> Callable[Concatenate[Resource, P], T]:
    def method(self: Resource, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._client._send(build(*args, **kwargs))

    return _like(method, build)


def awaited(build: Callable[P, Call[T]]) -> Callable[Concatenate[AsyncResource, P], Coroutine[Any, Any, T]]:
    async def method(self: AsyncResource, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._client._send(build(*args, **kwargs))

    return _like(method, build)


def paged(build: Callable[P, PageCall[T]]) -> Callable[Concatenate[Resource, P], Pager[T]]:
    def method(self: Resource, /, *args: P.args, **kwargs: P.kwargs) -> Pager[T]:
        return Pager(self._client, build(*args, **kwargs))

    return _like(method, build)


def apaged(build: Callable[P, PageCall[T]]) -> Callable[Concatenate[AsyncResource, P], AsyncPager[T]]:
    def method(self: AsyncResource, /, *args: P.args, **kwargs: P.kwargs) -> AsyncPager[T]:
        return AsyncPager(self._client, build(*args, **kwargs))

    return _like(method, build)


def run(build: Callable[P, Call[RunInfo]]) -> Callable[Concatenate[Resource, P], Run]:
    def method(self: Resource, /, *args: P.args, **kwargs: P.kwargs) -> Run:
        return Run._bound(self._client, self._client._send(build(*args, **kwargs)))

    return _like(method, build)


def arun(build: Callable[P, Call[RunInfo]]) -> Callable[Concatenate[AsyncResource, P], Coroutine[Any, Any, AsyncRun]]:
    async def method(self: AsyncResource, /, *args: P.args, **kwargs: P.kwargs) -> AsyncRun:
        return AsyncRun._bound(self._client, await self._client._send(build(*args, **kwargs)))

    return _like(method, build)


def run_pages(build: Callable[P, PageCall[RunInfo]]) -> Callable[Concatenate[Resource, P], Pager[Run]]:
    def method(self: Resource, /, *args: P.args, **kwargs: P.kwargs) -> Pager[Run]:
        return Pager(self._client, build(*args, **kwargs), partial(Run._bound, self._client))

    return _like(method, build)


def arun_pages(build: Callable[P, PageCall[RunInfo]]) -> Callable[Concatenate[AsyncResource, P], AsyncPager[AsyncRun]]:
    def method(self: AsyncResource, /, *args: P.args, **kwargs: P.kwargs) -> AsyncPager[AsyncRun]:
        return AsyncPager(self._client, build(*args, **kwargs), partial(AsyncRun._bound, self._client))

    return _like(method, build)


F = TypeVar("F", bound=Callable[..., Any])


def _like(method: F, build: Callable[..., Any]) -> F:
    """For `help()` and editors: the words and parameters of the function that describes the call."""
    own, described = inspect.signature(method), inspect.signature(build)
    answer = described.return_annotation.partition("[")[2].removesuffix("]")
    method.__signature__ = own.replace(  # type: ignore[attr-defined]
        parameters=[own.parameters["self"], *described.parameters.values()],
        return_annotation=re.sub(r"\bT\b", answer, own.return_annotation),
    )
    method.__name__ = build.__name__
    method.__doc__ = build.__doc__
    return method
