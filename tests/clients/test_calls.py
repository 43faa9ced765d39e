"""Calls of both clients over real HTTP: lists, refusals, retries."""

from __future__ import annotations

import time

import pytest
import worldpool

from tests.clients.conftest import Twin
from tests.clients.pool_double import PoolDouble


def test_an_unknown_key_is_unauthorized(double: PoolDouble) -> None:
    with (
        worldpool.Client(url=double.url, api_key="wp_wrong") as pool,
        pytest.raises(worldpool.Unauthorized, match="unknown"),
    ):
        pool.me()


def test_a_refusal_names_fields_and_request(double: PoolDouble, twin: Twin) -> None:
    fields = {"detail": "not valid", "errors": [{"field": "body.size", "reason": "at least 1"}]}
    double.refusals = [(422, {}, fields)]
    with pytest.raises(worldpool.Invalid) as caught:
        twin(lambda pool: pool.subsets.create(where={}, size=0))
    assert caught.value.errors[0].field == "body.size"
    assert caught.value.request_id == "req_1"


def test_answers_are_typed_and_keep_fields_they_do_not_know(twin: Twin) -> None:
    me = twin(lambda pool: pool.me())
    assert isinstance(me, worldpool.Me)
    assert worldpool.Me.model_validate(me.model_dump() | {"colour": "blue"}).model_dump()["colour"] == "blue"


def test_a_list_turns_its_pages_by_itself(double: PoolDouble, twin: Twin) -> None:
    refs = [environment.ref for environment in twin(lambda pool: pool.environments.search())]
    assert refs == [environment.ref for environment in double.environments]
    assert [seen.query.get("cursor") for seen in double.seen] == [None, ["10"], ["20"]]


def test_a_limit_ends_a_list_without_asking_for_more_pages(double: PoolDouble, twin: Twin) -> None:
    assert len(twin(lambda pool: pool.environments.search(limit=12))) == 12
    assert len(double.seen) == 2


def test_filters_arrive_as_the_contract_writes_them(double: PoolDouble, twin: Twin) -> None:
    ranges = {"gravity": (5, None), "friction": (0.5, 1.5)}
    twin(lambda pool: pool.environments.search(domain="physics", max_step_us=50, parameters=ranges, limit=5))
    assert double.seen[0].query == {
        "domain": ["physics"],
        "max_step_us": ["50"],
        "limit": ["5"],
        "param": ["gravity:5..", "friction:0.5..1.5"],
    }


@pytest.mark.parametrize(
    "ref", ["mujoco/half_cheetah@1;gravity=4.905:delay(steps=2):sticky(p=0.25)", "a/b@1;friction=uniform(0.5,1.5)"]
)
def test_a_ref_stands_unescaped_in_the_path(double: PoolDouble, twin: Twin, ref: str) -> None:
    assert twin(lambda pool: pool.environments.get(ref)).ref == ref
    assert double.seen[0].path == f"/v1/environments/{ref}"


def test_text_that_is_no_ref_cannot_leave_the_path(double: PoolDouble, twin: Twin) -> None:
    assert twin(lambda pool: pool.environments.get("a?limit=1#x y")).ref == "a?limit=1#x y"
    with pytest.raises(worldpool.NotFound):
        twin(lambda pool: pool.runs.get("../me"))
    assert double.seen[-1].path == "/v1/runs/..%2Fme"


def test_a_creation_is_repeated_with_the_same_key_and_body(double: PoolDouble, twin: Twin) -> None:
    double.refusals = [(503, {}, {}), (502, {}, {})]
    twin(lambda pool: pool.subsets.create(refs=["toy/line_1@1"]))
    twin(lambda pool: pool.subsets.create(refs=["toy/line_1@1"]))
    *repeats, other = [seen.headers["idempotency-key"] for seen in double.seen]
    assert len(repeats) == 3
    assert len(set(repeats)) == 1
    assert other != repeats[0]
    assert all(seen.body == double.seen[0].body for seen in double.seen)


def test_a_pool_that_asks_to_wait_is_waited_for(double: PoolDouble, twin: Twin) -> None:
    double.refusals = [(429, {"Retry-After": "1"}, {})]
    start = time.monotonic()
    twin(lambda pool: pool.me())
    assert time.monotonic() - start >= 1


def test_a_pool_that_keeps_refusing_is_given_up(
    double: PoolDouble, twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worldpool._core.MAX_BACKOFF_S", 0.01)
    double.refusals = [(429, {"Retry-After": "120"}, {})]
    with pytest.raises(worldpool.RateLimited) as caught:
        twin(lambda pool: pool.me())
    assert caught.value.retry_after == 120


def test_a_pool_that_is_away_is_a_connection_error_with_advice(double: PoolDouble) -> None:
    double.stop()
    with (
        worldpool.Client(url=double.url, api_key="k") as pool,
        pytest.raises(worldpool.ConnectionFailed, match="make up"),
    ):
        pool.me()
    double.start()


def test_an_edit_carries_the_version_it_was_made_on(double: PoolDouble, twin: Twin) -> None:
    assert twin(lambda pool: pool.admin.commitment.update(version=4, numerator=25)).limit_mc == 2000
    assert double.seen[0].headers["if-match"] == '"4"'
    assert double.seen[0].body == {"numerator": 25}


def test_runs_are_made_of_subsets_and_of_refs(double: PoolDouble, twin: Twin) -> None:
    subset = twin(lambda pool: pool.subsets.create(where={"domain": "physics"}, size=3, strategy="diverse"))
    run = twin(lambda pool: pool.runs.create(subset=subset, steps_per_env=10, labels={"a": "b"}))
    assert run.id == "run_1"
    assert double.seen[-1].body == {
        "subset": "sub_1",
        "policy": "random",
        "steps_per_env": 10,
        "seed": 0,
        "labels": {"a": "b"},
    }


def test_a_run_can_be_listed_cancelled_summarised_and_deleted(double: PoolDouble, twin: Twin) -> None:
    (listed,) = twin(lambda pool: pool.runs.list(label=("a", "b")))
    assert isinstance(listed, worldpool.RunInfo)
    assert double.seen[-1].query["label"] == ["a:b"]
    assert twin.with_run(lambda run: run.cancel()).state == "cancelled"
    assert len(twin.with_run(lambda run: run.summary()).specs) == 3
    assert twin.with_run(lambda run: run.delete()) is None
    assert double.paths("DELETE") == ["/v1/runs/run_1"]
