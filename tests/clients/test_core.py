"""When calls are tried again, and what refusals become. No I/O."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
import worldpool
from hypothesis import given
from hypothesis import strategies as st
from worldpool._core import RETRIES, Attempts, Call, backoff, problem, retry_after
from worldpool._cursors import PATIENCE_S, Patience

REQUEST = httpx.Request("GET", "http://pool/v1/me")
REFUSED = httpx.ConnectError("refused", request=REQUEST)
READ_LOST = httpx.ReadError("reset", request=REQUEST)


def attempts(method: str = "GET", *, creates: bool = False) -> Attempts[bytes]:
    return Attempts(Call(method=method, path="/v1/me", read=bytes, creates=creates))


def answer(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers={name.replace("_", "-"): value for name, value in headers.items()})


@given(attempt=st.integers(0, 10_000))
def test_waits_grow_to_a_bound_and_never_vanish(attempt: int) -> None:
    assert 0.125 <= backoff(attempt) <= 8.0
    assert backoff(attempt + 3) > backoff(attempt) or backoff(attempt) >= 4.0


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_passing_refusals_are_tried_again_a_bounded_number_of_times(status: int) -> None:
    tries = attempts()
    delays = [tries.delay_after(answer(status)) for _ in range(RETRIES + 1)]
    assert all(delay is not None for delay in delays[:-1])
    assert delays[-1] is None


@pytest.mark.parametrize("status", [200, 400, 401, 404, 409, 422, 500])
def test_other_answers_stand(status: int) -> None:
    assert attempts().delay_after(answer(status)) is None


def test_retry_after_is_obeyed_in_seconds_and_as_a_date() -> None:
    assert (attempts().delay_after(answer(503, Retry_After="7")) or 0) >= 7
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 28 <= (retry_after(answer(429, Retry_After=date)) or 0) <= 30
    assert retry_after(answer(429, Retry_After="soon")) is None


def test_a_pool_that_asks_for_more_than_a_minute_is_left_to_the_caller() -> None:
    assert attempts().delay_after(answer(429, Retry_After="61")) is None


def test_a_change_whose_answer_was_lost_is_not_sent_twice() -> None:
    with pytest.raises(worldpool.ConnectionFailed):
        attempts("PATCH").delay_after_error(READ_LOST)
    assert attempts("PATCH").delay_after_error(REFUSED) > 0
    assert attempts("PATCH").delay_after(answer(504)) is None
    assert attempts("POST", creates=True).delay_after_error(READ_LOST) > 0


def test_every_attempt_of_a_creation_has_one_key_and_every_creation_its_own() -> None:
    first, second = attempts("POST", creates=True), attempts("POST", creates=True)
    assert first.headers["Idempotency-Key"] != second.headers["Idempotency-Key"]
    assert "Idempotency-Key" not in attempts().headers


def test_a_repeated_delete_that_finds_nothing_has_succeeded() -> None:
    tries = attempts("DELETE")
    with pytest.raises(worldpool.NotFound):
        tries.result(answer(404))
    tries.delay_after_error(READ_LOST)
    assert tries.result(answer(404)) == b""


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, worldpool.Invalid),
        (401, worldpool.Unauthorized),
        (403, worldpool.Forbidden),
        (404, worldpool.NotFound),
        (409, worldpool.Conflict),
        (412, worldpool.Conflict),
        (413, worldpool.Invalid),
        (418, worldpool.ProblemError),
        (422, worldpool.Invalid),
        (429, worldpool.RateLimited),
        (500, worldpool.ServerError),
        (503, worldpool.ServerError),
    ],
)
def test_each_status_has_its_error(status: int, error: type[worldpool.ProblemError]) -> None:
    assert type(problem(answer(status))) is error


def test_a_problem_document_becomes_an_error_with_fields_and_request_id() -> None:
    document = {
        "type": "urn:worldpool:problem:invalid",
        "title": "Invalid",
        "status": 422,
        "detail": "the request is not valid",
        "errors": [{"field": "body.size", "reason": "must be at least 1"}],
        "request_id": "req_7",
    }
    error = problem(httpx.Response(422, content=json.dumps(document)))
    assert (error.type, error.request_id, error.errors[0].field) == (
        "urn:worldpool:problem:invalid",
        "req_7",
        "body.size",
    )
    assert "must be at least 1" in str(error)
    assert "req_7" in str(error)


@pytest.mark.parametrize(
    "body", ["<html>Bad gateway</html>", "[1]", "null", '{"errors": "many"}', '{"errors": [{"x": 1}]}']
)
def test_a_proxys_answer_is_an_error_too(body: str) -> None:
    error = problem(httpx.Response(502, text=body))
    assert error.status == 502
    assert error.errors == ()


def test_an_answer_of_another_shape_is_a_format_error() -> None:
    call = worldpool._client._calls.me()
    for text in ("<html>login</html>", "{}"):
        with pytest.raises(worldpool.FormatError, match="GET /v1/me is not what this version") as refusal:
            call.result(httpx.Response(200, text=text))
        assert "\n" not in str(refusal.value)


def delay_or_none(patience: Patience, error: Exception, now: float) -> float | None:
    try:
        return patience.delay(error, now)
    except worldpool.ConnectionFailed:
        return None


def test_patience_waits_about_a_minute_for_a_pool_that_is_away() -> None:
    patience, now = Patience(), 100.0
    attempts_made = 0
    while (delay := delay_or_none(patience, REFUSED, now)) is not None:
        now += delay
        attempts_made += 1
    assert PATIENCE_S - 5 <= now - 100.0 <= PATIENCE_S
    assert 15 <= attempts_made <= 60


def test_patience_begins_anew_after_a_delivery_and_after_a_lively_connection() -> None:
    patience = Patience()
    patience.delay(REFUSED, 0.0)
    patience.delivered()
    assert patience.delay(REFUSED, 59.0) < 0.3
    patience.connected(100.0)
    assert patience.delay(READ_LOST, 115.0) < 0.3


def test_a_connection_that_dies_at_once_again_and_again_ends_patience() -> None:
    patience, now = Patience(), 0.0
    patience.connected(now)
    while (delay := delay_or_none(patience, READ_LOST, now + 0.1)) is not None:
        now += 0.1 + delay
        patience.connected(now)
    assert PATIENCE_S - 5 <= now <= PATIENCE_S


def test_patience_waits_as_long_as_the_pool_asks() -> None:
    refusal = problem(answer(503, Retry_After="9"))
    assert Patience().delay(refusal, 0.0) >= 9
    with pytest.raises(worldpool.ServerError):
        Patience().delay(problem(answer(503, Retry_After="90")), 0.0)
