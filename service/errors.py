"""Every refusal of the service: one class a cause, with its status and type. Written out as RFC 9457 problems by
the API."""

from __future__ import annotations

from http import HTTPStatus
from typing import ClassVar


class Problem(Exception):
    """A refusal that the caller can understand. `errors` names fields and reasons."""

    status: ClassVar[HTTPStatus] = HTTPStatus.BAD_REQUEST
    type: ClassVar[str] = "bad-request"

    def __init__(
        self, detail: str, *, errors: list[tuple[str, str]] | None = None, retry_after_s: int | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors or []
        self.retry_after_s = retry_after_s


class MalformedJson(Problem):
    type = "malformed-json"


class Unauthenticated(Problem):
    status = HTTPStatus.UNAUTHORIZED
    type = "unauthenticated"


class Forbidden(Problem):
    status = HTTPStatus.FORBIDDEN
    type = "forbidden"


class Holdout(Problem):
    """Training on what a split holds out."""

    status = HTTPStatus.FORBIDDEN
    type = "holdout"


class BudgetExceeded(Problem):
    """More evaluations of held-out environments than the cell may have."""

    status = HTTPStatus.FORBIDDEN
    type = "exposure-budget"


class NotFound(Problem):
    status = HTTPStatus.NOT_FOUND
    type = "not-found"


class UnknownEnvironment(Problem):
    """A ref that does not resolve, in a URL."""

    status = HTTPStatus.NOT_FOUND
    type = "unknown-environment"


class Invalid(Problem):
    """Well-formed input that cannot be carried out; names the field."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    type = "invalid"


class Conflict(Problem):
    status = HTTPStatus.CONFLICT
    type = "conflict"


class Gone(Problem):
    status = HTTPStatus.GONE
    type = "gone"


class ContentTooLarge(Problem):
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    type = "content-too-large"


class PreconditionFailed(Problem):
    status = HTTPStatus.PRECONDITION_FAILED
    type = "precondition-failed"


class UnsupportedMediaType(Problem):
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    type = "unsupported-media-type"


class PreconditionRequired(Problem):
    status = HTTPStatus.PRECONDITION_REQUIRED
    type = "precondition-required"


class Unavailable(Problem):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    type = "unavailable"
