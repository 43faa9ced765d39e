"""Calls of both clients over real HTTP: lists, refusals, retries."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import worldpool
from worldpool import models

from tests.clients.conftest import Twin
from tests.clients.pool_double import NOW, PoolDouble


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


def test_values_and_several_modifiers_arrive_as_the_contract_writes_them(double: PoolDouble, twin: Twin) -> None:
    values = {"size": 5, "map_name": "4x4", "is_slippery": True}
    facets = twin(
        lambda pool: pool.environments.facets(
            modifier=["delay", "sticky"], seed_sensitive=False, single_turn=True, max_agents=2, parameters=values
        )
    )
    assert facets.specs == facets.domain["toy"] == 25
    assert double.seen[0].path == "/v1/catalogue/facets"
    assert double.seen[0].query == {
        "max_agents": ["2"],
        "single_turn": ["true"],
        "seed_sensitive": ["false"],
        "modifier": ["delay", "sticky"],
        "param": ["size:5", "map_name:4x4", "is_slippery:true"],
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


@pytest.mark.parametrize("limit", [0, -1])
@pytest.mark.parametrize(
    "listed",
    [
        lambda pool, limit: pool.environments.search(limit=limit),
        lambda pool, limit: pool.subsets.list(limit=limit),
        lambda pool, limit: pool.subsets.environments("sub_1", limit=limit),
        lambda pool, limit: pool.runs.list(limit=limit),
        lambda pool, limit: pool.admin.audit.list(limit=limit),
    ],
)
def test_a_limit_below_one_is_refused_at_once(
    double: PoolDouble, listed: Callable[[Any, int], object], limit: int
) -> None:
    with (
        worldpool.Client(url=double.url, api_key="k") as pool,
        pytest.raises(ValueError, match=f"limit must be at least 1, not {limit}"),
    ):
        listed(pool, limit)
    assert double.seen == []


LONG = "a" * 100_000
CANNOT_BE_SENT: list[tuple[Callable[[Any], object], type[Exception], str]] = [
    (lambda pool: pool.environments.get(LONG), ValueError, "too long"),
    (lambda pool: pool.environments.search(text=LONG), ValueError, "too long"),
    (lambda pool: pool.environments.search(text="\u00e4" * 10_000), ValueError, "too long"),
    (lambda pool: pool.environments.get("\ud800"), ValueError, r"ref holds '\\ud800', which is no character"),
    (lambda pool: pool.environments.search(text="\ud800"), ValueError, "text holds"),
    (lambda pool: pool.subsets.create(where={}, name="\ud800"), ValueError, "no character of Unicode"),
    (lambda pool: pool.subsets.create(where={"max_step_us": float("nan")}), ValueError, "not JSON compliant"),
    (lambda pool: pool.environments.get(None), TypeError, "ref must be a str, not NoneType"),
    (lambda pool: pool.environments.get("../me"), ValueError, "'../me' is no ref"),
    (lambda pool: pool.environments.get("../" + LONG), ValueError, "is no ref"),
    (lambda pool: pool.environments.get("a/./b"), ValueError, "is no ref"),
    (lambda pool: pool.environments.get(""), ValueError, "'' is no ref"),
    (lambda pool: pool.families.get("../me"), ValueError, "is no family"),
    (lambda pool: pool.runs.get(""), ValueError, "'' is no id of a run"),
    (lambda pool: pool.runs.delete(".."), ValueError, "is no id of a run"),
    (lambda pool: pool.runs.get(None), TypeError, "run must be a str, not NoneType"),
    (lambda pool: pool.subsets.get("."), ValueError, "is no id of a subset"),
    (lambda pool: pool.admin.keys.revoke(""), ValueError, "is no id of a key"),
    (lambda pool: pool.environments.search(text=["a"]), TypeError, "text must be a str, not list"),
    (lambda pool: pool.environments.search(limit="5"), TypeError, "'str' object"),
    (lambda pool: pool.environments.search(parameters={"gravity": None}), TypeError, r"a range is \(low, high\)"),
    (lambda pool: pool.environments.search(parameters={"gravity": [5]}), TypeError, r"a range is \(low, high\)"),
    (lambda pool: pool.environments.search(modifier=5), TypeError, "modifier must be a list, not int"),
    (lambda pool: pool.environments.facets(limit=5), TypeError, "facets take no limit"),
    (lambda pool: pool.environments.facets(gravity=5), TypeError, "unexpected keyword argument 'gravity'"),
    (lambda pool: pool.environments.search(parameters={"gravity": ("5", 6)}), TypeError, "not \\('5', 6\\)"),
    (lambda pool: pool.environments.search(parameters={"gravity": (5,)}), TypeError, r"a range is \(low, high\)"),
    (lambda pool: pool.environments.search(parameters=["gravity"]), TypeError, "ranges or values by name"),
    (lambda pool: pool.subsets.create(refs="a/b@1"), TypeError, "refs must be a list, not str"),
    (lambda pool: pool.subsets.create(union="sub_1"), TypeError, "union must be a list, not str"),
    (lambda pool: pool.runs.create(refs=5, episodes=1), TypeError, "refs must be a list, not int"),
    (lambda pool: pool.runs.create(refs=["a"], labels={"a": {1}}, episodes=1), TypeError, "a set, which is not JSON"),
    (lambda pool: pool.runs.create(subset={"id": "sub_1"}, episodes=1), TypeError, "subset must be a str, not dict"),
    (lambda pool: pool.runs.list(label="ab"), TypeError, r"a label is \(name, value\), not 'ab'"),
    (lambda pool: pool.admin.keys.create(scopes="runs:read"), TypeError, "scopes must be a list"),
]


@pytest.mark.parametrize(("use", "error", "reason"), CANNOT_BE_SENT)
def test_what_cannot_be_sent_is_a_plain_error_in_a_line_before_anything_is_sent(
    double: PoolDouble, twin: Twin, use: Callable[[Any], object], error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason) as refusal:
        twin(use)
    assert type(refusal.value) is error
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 200
    assert double.seen == []


def test_what_can_just_be_sent_arrives_whole(double: PoolDouble, twin: Twin) -> None:
    ref = "a/" + "b" * 30_000
    assert twin(lambda pool: pool.environments.get(ref)).ref == ref
    twin(lambda pool: pool.subsets.create(refs=["\u00e4\U0001f600"]))
    assert double.seen[-1].body["refs"] == ["\u00e4\U0001f600"]


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


def test_workers_and_sites_are_cordoned_drained_and_brought_back(double: PoolDouble, twin: Twin) -> None:
    at = datetime(2027, 1, 1, tzinfo=UTC)
    worker = twin(lambda pool: pool.admin.workers.cordon("w"))
    assert (worker.cordoned, worker.name) == (True, "w")
    assert twin(lambda pool: pool.admin.workers.uncordon(worker)).cordoned is False
    assert twin(lambda pool: pool.admin.workers.drain(worker, departs_at=at)).departs_at == at
    site = twin(lambda pool: pool.admin.sites.drain("local"))
    assert (site.state, site.name) == ("drained", "local")
    assert twin(lambda pool: pool.admin.sites.cordon(site)).state == "cordoned"
    assert twin(lambda pool: pool.admin.sites.uncordon("local")).state == "active"
    assert [(seen.path.removeprefix("/v1/admin/"), seen.body) for seen in double.seen] == [
        ("workers/w:cordon", None),
        ("workers/worker_1:uncordon", None),
        ("workers/worker_1:drain", {"departs_at": "2027-01-01T00:00:00+00:00"}),
        ("sites/local:drain", {}),
        ("sites/local:cordon", None),
        ("sites/local:uncordon", None),
    ]


def test_an_explanation_tells_the_pool_that_is_needed_and_when_a_debt_ends() -> None:
    known = {
        "run": "run_1",
        "node": None,
        "deficit": 0,
        "unit": None,
        "ahead": 0,
        "changes": [],
        "start_p50": None,
        "start_p90": None,
        "until": None,
    }
    at = datetime(2027, 1, 1, tzinfo=UTC)
    small = models.Explanation(**known, reason="COMMITMENT_BELOW_ONE_SLOT", pool_needed_mc=3031, expected_end=None)
    assert str(small).splitlines()[1] == "it needs a pool of 3,031 mc"
    debt = models.Explanation(**known, reason="CAPACITY_DEBT", pool_needed_mc=None, expected_end=at)
    assert str(debt).splitlines()[1] == "that is expected to end at 2027-01-01 00:00:00 UTC"


def test_an_explanation_reads_well(twin: Twin) -> None:
    found = twin.with_run(lambda run: run.explain())
    assert str(found).splitlines() == [
        "run_1 waits: BORROWING_LIMIT at demo, short of 700 mc; 3 items of this cell come before",
        "it may start at 2027-01-01 12:00:00 UTC, and very likely by 2027-01-01 12:30:00 UTC",
        "it would start now if somebody were to raise borrowing limit of demo by 700 mc, and add slot",
    ]


def test_what_operators_do_can_say_why_in_any_language(double: PoolDouble, twin: Twin) -> None:
    twin(lambda pool: pool.admin.quotas.create(name="labs", weight=2, lending_limit_mc="unlimited", reason="für alle"))
    assert double.seen[0].body == {"name": "labs", "weight": 2, "lending_limit_mc": None}
    assert double.seen[0].headers["worldpool-reason"].encode("latin-1").decode() == "für alle"
    with pytest.raises(ValueError, match="line of text"):
        twin(lambda pool: pool.admin.quotas.delete("quota_1", reason="two\nlines"))
    assert len(double.seen) == 1


def test_a_document_is_applied_to_the_tree_that_was_looked_at(double: PoolDouble, twin: Twin) -> None:
    document = {"commitment": {"numerator": 30, "denominator": 100, "half_life_s": 900}}
    shown = twin(lambda pool: pool.admin.quotas.what_if(document=document))
    twin(lambda pool: pool.admin.quotas.apply(document, what_if=shown))
    headers = double.seen[-1].headers
    assert (headers["if-match"], headers["worldpool-what-if"]) == ('"tree"', "1-abc")
    assert double.seen[-1].body == document


def test_a_change_is_bound_to_what_was_shown(double: PoolDouble, twin: Twin) -> None:
    shown = twin(lambda pool: pool.admin.quotas.what_if(commitment={"numerator": 30}))
    twin(lambda pool: pool.admin.commitment.update(version=4, numerator=30, what_if=shown, reason="less"))
    assert double.seen[-1].headers["worldpool-what-if"] == shown.token
    twin(lambda pool: pool.admin.changes.create(change={"commitment": {"numerator": 30}}, at=NOW, what_if=shown))
    assert double.seen[-1].body == {"change": {"commitment": {"numerator": 30}}, "at": NOW.isoformat()}
    assert double.seen[-1].headers["worldpool-what-if"] == shown.token


def test_a_limit_is_set_lifted_or_left_alone(double: PoolDouble, twin: Twin) -> None:
    twin(
        lambda pool: pool.admin.quotas.update(
            "quota_1", version=7, borrowing_limit_mc=2000, lending_limit_mc="unlimited"
        )
    )
    assert double.seen[0].headers["if-match"] == '"7"'
    assert double.seen[0].body == {"borrowing_limit_mc": 2000, "lending_limit_mc": None}


@pytest.mark.parametrize("expires_at", ["2027-01-01T00:00:00+00:00", datetime(2027, 1, 1, tzinfo=UTC)])
def test_a_key_expires_at_a_time_however_it_is_written(double: PoolDouble, twin: Twin, expires_at: Any) -> None:
    twin(lambda pool: pool.admin.keys.create(cell="red", expires_at=expires_at))
    assert double.seen[0].body == {"cell": "red", "expires_at": "2027-01-01T00:00:00+00:00"}


def test_subsets_are_made_of_subsets(double: PoolDouble, twin: Twin) -> None:
    subset = twin(lambda pool: pool.subsets.create(refs=["toy/line_1@1"]))
    twin(lambda pool: pool.subsets.create(difference=[subset, "mine"], name="rest"))
    assert double.seen[-1].body == {"difference": ["sub_1", "mine"], "seed": 0, "name": "rest"}


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
        "purpose": "train",
        "holdout": "refuse",
    }


def test_several_policies_and_seeds_are_one_run(double: PoolDouble, twin: Twin) -> None:
    run = twin(
        lambda pool: pool.runs.get_or_create(
            name="sweep", refs=["toy/line_1@1"], episodes=1, policy=["random", "still"], seed=range(2)
        )
    )
    assert run.id == "run_1"
    assert double.seen[-1].body == {
        "refs": ["toy/line_1@1"],
        "policies": ["random", "still"],
        "episodes": 1,
        "seeds": [0, 1],
        "name": "sweep",
        "purpose": "train",
        "holdout": "refuse",
    }


def test_a_run_can_be_listed_cancelled_summarised_and_deleted(double: PoolDouble, twin: Twin) -> None:
    (listed,) = twin(lambda pool: pool.runs.list(label=("a", "b")))
    assert isinstance(listed, worldpool.RunInfo)
    assert double.seen[-1].query["label"] == ["a:b"]
    assert twin.with_run(lambda run: run.cancel()).state == "cancelled"
    assert len(twin.with_run(lambda run: run.summary()).specs) == 3
    assert twin.with_run(lambda run: run.delete()) is None
    assert double.paths("DELETE") == ["/v1/runs/run_1"]
