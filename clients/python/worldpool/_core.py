"""Requests built and answers read, without I/O: the clients only carry bytes. What cannot be sent is a `ValueError` or
`TypeError` of the call that was given it.

Owns calls, the mapping of refusals to errors, and when a call is tried again. Knows nothing of single nouns.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from numbers import Real
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

import httpx
from pydantic import TypeAdapter, ValidationError

from worldpool._version import __version__
from worldpool.errors import ConnectionFailed, FieldProblem, FormatError, ProblemError, problem_class
from worldpool.models import Page

T = TypeVar("T")

RETRIES = 4
MAX_BACKOFF_S = 8.0
MAX_RETRY_AFTER_S = 60.0
"""A pool that asks for more patience than this gets none: the error goes to the caller, who knows better."""

MAX_ADDRESS = 32_000
"""Characters of a path with its query. httpx sends no more than 65,536, of which the pool's own address is a part."""

UNSENT = (httpx.ConnectError, httpx.ConnectTimeout)
LOST = (*UNSENT, httpx.NetworkError, httpx.ReadTimeout, httpx.WriteTimeout, httpx.RemoteProtocolError)
"""How a connection ends that a retry may mend."""


@dataclass(frozen=True, kw_only=True)
class Call(Generic[T]):
    """One request and how its answer is read. `creates` calls carry an idempotency key; `body` is JSON."""

    method: str
    path: str
    read: Callable[[bytes], T]
    params: Sequence[tuple[str, str]] = ()
    body: bytes | None = None
    headers: Mapping[str, str | bytes] = field(default_factory=dict)
    creates: bool = False

    def __post_init__(self) -> None:
        length = len(self.path) + len(urlencode(self.params))
        if length > MAX_ADDRESS:
            raise ValueError(f"an argument is too long: the address would have {length:,} characters")

    @property
    def repeatable(self) -> bool:
        """Doing it twice is the same as doing it once."""
        return self.method != "PATCH"

    def result(self, response: httpx.Response) -> T:
        """The typed answer, or the problem raised."""
        if not response.is_success:
            raise problem(response)
        try:
            return self.read(response.content)
        except ValidationError as error:
            raise unreadable(f"the answer to {self.method} {self.path}", error) from error


@dataclass(frozen=True, kw_only=True)
class PageCall(Generic[T]):
    """A list, page by page; `limit` is the most items wanted in all."""

    first: Call[Page[T]]
    limit: int | None = None


def reader(type_: type[T]) -> Callable[[bytes], T]:
    """Reads JSON into the type; built once per noun, at import."""
    return TypeAdapter(type_).validate_json


def unreadable(what: str, error: ValidationError) -> FormatError:
    """The error that an answer of another shape is, in a line: this client and the pool may differ in age."""
    [first, *others] = error.errors(include_url=False)
    field = ".".join(map(str, first["loc"])) or "it"
    more = f" ({len(others)} more)" if others else ""
    return FormatError(f"{what} is not what this version of the client reads: {field}: {first['msg']}{more}")


def given(**values: Any) -> dict[str, Any]:
    """The arguments that were given: without those that are None."""
    return {name: value for name, value in values.items() if value is not None}


def body(**values: Any) -> bytes:
    """The arguments that were given, as JSON."""
    return encoded(given(**values))


def encoded(values: Mapping[str, Any]) -> bytes:
    """JSON."""
    text = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_time)
    return encodable("an argument", text).encode()


def _time(value: Any) -> str:
    if not isinstance(value, datetime):
        raise TypeError(f"an argument holds a {type(value).__name__}, which is not JSON")
    return value.isoformat()


def query(**values: Any) -> list[tuple[str, str]]:
    """The arguments that were given, as query parameters."""
    return [(name, _query_value(name, value)) for name, value in given(**values).items()]


def _query_value(name: str, value: Any) -> str:
    return str(value) if isinstance(value, Real) else a_str(name, value)


def a_str(name: str, value: Any) -> str:
    """The value, if it is text that can be sent."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    return encodable(name, value)


def encodable(name: str, text: str) -> str:
    """The text, if it can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} holds {text[error.start]!r}, which is no character of Unicode") from None
    return text


def client_headers(api_key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {api_key}", "User-Agent": f"worldpool-python/{__version__}"}


def backoff(attempt: int, *, longest: float = MAX_BACKOFF_S) -> float:
    """Seconds to wait after failed attempt number `attempt`, from 0: doubling, with jitter so that clients spread."""
    return min(longest, 0.25 * 2.0 ** min(attempt, 16)) * random.uniform(0.5, 1.0)


class Attempts(Generic[T]):
    """The attempts of one call: equal requests (with one idempotency key) and the waits between them."""

    def __init__(self, call: Call[T], *, retries: int = RETRIES) -> None:
        self._call = call
        self._left = retries
        self._tried = 0
        key = {"Idempotency-Key": str(uuid.uuid4())} if call.creates else {}
        self.headers = {**call.headers, **key}

    def delay_after_error(self, error: httpx.TransportError) -> float:
        """Seconds until the next attempt.

        Raises
        ------
        ConnectionFailed
            There is none: too many failed, or the request may have been carried out and must not be repeated.
        """
        again = isinstance(error, LOST if self._call.repeatable else UNSENT)
        if not again or not self._left:
            raise connection_failed(error) from error
        return self._next()

    def delay_after(self, response: httpx.Response) -> float | None:
        """Seconds until the next attempt; None: this answer stands."""
        again = (429, 502, 503, 504) if self._call.repeatable else (429, 503)
        if response.status_code not in again or not self._left:
            return None
        asked = retry_after(response) or 0.0
        if asked > MAX_RETRY_AFTER_S:
            return None
        return max(asked, self._next())

    def result(self, response: httpx.Response) -> T:
        """The typed answer, or the problem raised."""
        if self._tried and self._call.method == "DELETE" and response.status_code == 404:
            return self._call.read(b"")  # the attempt before, whose answer was lost, did the work
        return self._call.result(response)

    def _next(self) -> float:
        self._left -= 1
        self._tried += 1
        return backoff(self._tried - 1)


def retry_after(response: httpx.Response) -> float | None:
    """Seconds that the answer asks to wait, whether it says a number or a date."""
    text = response.headers.get("Retry-After")
    if text is None:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def problem(response: httpx.Response) -> ProblemError:
    """The error that an answer stands for; also proxies' answers that are no problem documents."""
    try:
        document = response.json()
    except ValueError:
        document = {}
    if not isinstance(document, dict):
        document = {}
    text = response.text[:300] if not document else ""
    return problem_class(response.status_code)(
        status=response.status_code,
        type=document.get("type", "about:blank"),
        title=document.get("title", response.reason_phrase),
        detail=document.get("detail", text),
        errors=_field_problems(document.get("errors")),
        request_id=document.get("request_id") or response.headers.get("X-Request-Id"),
        retry_after=retry_after(response),
    )


def _field_problems(entries: Any) -> list[FieldProblem]:
    try:
        return TypeAdapter(list[FieldProblem]).validate_python(entries or [])
    except ValidationError:
        return []


def connection_failed(error: httpx.TransportError) -> ConnectionFailed:
    url = error.request.url
    address = f"{url.scheme}://{url.netloc.decode()}"
    what = str(error) or type(error).__name__
    return ConnectionFailed(f"the pool at {address} does not answer ({what}); is it running? `make up` starts one here")
