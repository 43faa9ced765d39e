"""The one tree of errors that this package raises, but for arguments that cannot be sent: those are a plain `TypeError`
or `ValueError`, raised before anything is sent.

WorldpoolError
├── ConfigurationError     the pool's address or key cannot be used, or there is no key
│   └── PoolNotFound       no address of a pool is known
├── ConnectionFailed       the pool does not answer
├── FormatError            an answer that this version cannot read
├── ExportError            a run cannot be written down like that, or not there
├── RunFailed              the run that was followed failed
├── WaitTimeout            the run did not end in the time given
├── ConsumerReplaced       another connection reads as this consumer of the group
└── ProblemError           the pool refused: RFC 9457 problem details
    ├── Unauthorized       401: the key is unknown, expired or revoked
    ├── Forbidden          403: the key may not do this
    ├── NotFound           404
    ├── Conflict           409, 412: it changed meanwhile, or exists already
    ├── Gone               410: chunks that the run's retention had deleted
    ├── Invalid            400, 413, 422: `errors` names each wrong field
    ├── RateLimited        429
    └── ServerError        5xx
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel

if TYPE_CHECKING:
    from worldpool.models import RunInfo


class WorldpoolError(Exception):
    """Base of all errors of this package."""


class ConfigurationError(WorldpoolError):
    """The pool's address or key is not one, or there is no key."""


class PoolNotFound(ConfigurationError):
    """No address of a pool is known."""


class ConnectionFailed(WorldpoolError, ConnectionError):
    """The pool did not answer, also after retries."""


class FormatError(WorldpoolError, ValueError):
    """Bytes that are not what this version of the client reads."""


class ExportError(WorldpoolError):
    """The format cannot hold the run, what writes it is not installed, or the folder holds something else."""


class RunFailed(WorldpoolError):
    """The run that was followed failed or was cancelled; every chunk it has came before. `run` is its state."""

    def __init__(self, run: RunInfo) -> None:
        ended = "was cancelled" if run.state == "cancelled" else "failed"
        reason = f": {run.failure}" if run.failure else ""
        super().__init__(f"run {run.id} {ended} after {run.items_done} of {run.items_total} work items{reason}")
        self.run = run


class WaitTimeout(WorldpoolError, TimeoutError):
    """The run did not end in the time given; it goes on. `run` is its last known state."""

    def __init__(self, run: RunInfo, seconds: float) -> None:
        why = f", because of {run.waiting}" if run.waiting else ""
        super().__init__(f"run {run.id} is still {run.state} after {seconds:g} s{why}")
        self.run = run


class ConsumerReplaced(WorldpoolError):
    """Another stream reads as this consumer of the group, or the group was deleted: this stream gets nothing more."""


class FieldProblem(BaseModel):
    """A field of the request that the pool did not accept."""

    field: str
    reason: str


class ProblemError(WorldpoolError):
    """The pool refused a request.

    `status` is the HTTP status, `type` the problem's stable name, `errors` the fields to blame, `request_id` what the
    operators find in their logs, `retry_after` the seconds that the pool asked to wait.
    """

    def __init__(
        self,
        *,
        status: int,
        type: str,
        title: str,
        detail: str,
        errors: Sequence[FieldProblem],
        request_id: str | None,
        retry_after: float | None = None,
    ) -> None:
        self.status = status
        self.type = type
        self.title = title
        self.detail = detail
        self.errors = tuple(errors)
        self.request_id = request_id
        self.retry_after = retry_after
        super().__init__(self._sentence())

    @property
    def passing(self) -> bool:
        """The same request may succeed later."""
        return self.status in (429, 502, 503, 504)

    def _sentence(self) -> str:
        said = self.detail or self.title
        fields = "".join(f"\n  {error.field}: {error.reason}" for error in self.errors if error.reason not in said)
        request = f" [request {self.request_id}]" if self.request_id else ""
        return f"{said} ({self.status}){request}{fields}"


class Unauthorized(ProblemError):
    """401: the key is unknown, expired or revoked."""


class Forbidden(ProblemError):
    """403: the key may not do this."""


class NotFound(ProblemError):
    """404: no such thing, or not this cell's."""


class Conflict(ProblemError):
    """409 or 412: it changed meanwhile, or exists already."""


class Gone(ProblemError):
    """410: it was there and is no more, as chunks that the run's retention had deleted."""


class Invalid(ProblemError):
    """400, 413 or 422: `errors` names each wrong field and says why."""


class RateLimited(ProblemError):
    """429: too many requests; `retry_after` says when to come back."""


class ServerError(ProblemError):
    """5xx: the pool failed; the request id helps its operators."""


def problem_class(status: int) -> type[ProblemError]:
    """The error that stands for an HTTP status."""
    if status >= 500:
        return ServerError
    by_status: dict[int, type[ProblemError]] = {
        400: Invalid,
        401: Unauthorized,
        403: Forbidden,
        404: NotFound,
        409: Conflict,
        410: Gone,
        412: Conflict,
        413: Invalid,
        422: Invalid,
        429: RateLimited,
    }
    return by_status.get(status, ProblemError)


class NotRecorded(WorldpoolError):
    """The run did not record this column; see `record` of `runs.create`."""
