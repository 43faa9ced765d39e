"""Policies: uploaded once, named by their content, held against environments at submission, carried to workers."""

from __future__ import annotations

import base64
import hashlib
import io
from typing import Any

import numpy as np
import pytest

from tests import graphs
from tests.service.api.test_refusals import problem
from tests.service.api.test_runs import HandWorker, worker
from tests.service.api.test_tables import stranger
from tests.service.conftest import Pool

__all__ = ["stranger", "worker"]

CHEETAH = "mujoco/half_cheetah@1"
POLICIES = "/v1/policies"


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def npy(array: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


def onnx(content: bytes) -> dict[str, Any]:
    return {"kind": "onnx", "model": base64_of(content)}


def plan(array: Any) -> dict[str, Any]:
    return {"kind": "actions", "actions": base64_of(npy(array))}


def upload(pool: Pool, document: dict[str, Any], client: Any = None) -> dict[str, Any]:
    answer = pool.post(POLICIES, client, json=document)
    assert answer.status_code == 201, answer.text
    policy: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"{POLICIES}/{policy['digest']}"
    return policy


def submit(pool: Pool, **body: Any) -> Any:
    return pool.post("/v1/runs", json={"refs": [CHEETAH], "episodes": 1, **body})


def test_the_same_content_is_the_same_policy(pool: Pool) -> None:
    first, again = (upload(pool, onnx(graphs.linear(17, 6))) for _ in range(2))
    assert first == again
    assert first["signature"]["inputs"] == {"observations": {"dtype": "float32", "shape": [17]}}
    assert pool.get(f"{POLICIES}/{first['digest']}").json() == first
    assert first in pool.get(POLICIES).json()["items"]
    assert upload(pool, onnx(graphs.linear(17, 6, seed=1)))["digest"] != first["digest"]


def test_another_cells_policy_is_as_if_it_were_not_there(pool: Pool, stranger: Any) -> None:
    policy = upload(pool, {"kind": "constant", "action": [0.5] * 6}, stranger)
    problem(pool.get(f"{POLICIES}/{policy['digest']}"), 404)
    assert policy not in pool.get(POLICIES).json()["items"]
    assert problem(submit(pool, policy=policy["digest"]), 422)["errors"][0]["field"] == "body.policy"
    refused = pool.post(POLICIES, json={"kind": "agents", "policies": {"*": policy["digest"]}})
    assert problem(refused, 422)["errors"][0]["field"] == "body.policies.*"


@pytest.mark.parametrize(
    ("document", "field", "why"),
    [
        ({"kind": "onnx", "model": "?"}, "body.onnx.model", ""),
        ({"kind": "onnx", "model": 3}, "body.onnx.model", ""),
        (onnx(b"no graph"), "body.model", "ONNX"),
        (onnx(b""), "body.model", "ONNX"),
        ({"kind": "onnx"}, "body.onnx.model", ""),
        ({"kind": "clever"}, "body", "kind"),
        (plan(np.array([[[print]]], dtype=object)), "body.actions", "NPY"),
        ({"kind": "actions", "actions": base64_of(b"x")}, "body.actions", "NPY"),
        (plan(np.zeros(3)), "body.actions", "shape"),
        (plan(np.zeros((0, 3))), "body.actions", "shape"),
        (plan(np.full((1, 2, 6), np.nan)), "body.actions", "finite"),
        (plan(np.zeros((1, 2), "U3")), "body.actions", "numbers"),
        ({"kind": "agents", "policies": {}}, "body.agents.policies", ""),
        ({"kind": "agents", "policies": {"*": "0" * 64}}, "body.policies.*", "POST /v1/policies"),
        ({"kind": "constant", "action": 1, "more": 1}, "body.constant.more", ""),
        ({"kind": "constant", "action": 10**400}, "body.action", "2^53"),
        ({"kind": "constant", "action": [1e300] * 6}, "body.action", "2^53"),
    ],
)
def test_what_is_no_policy_names_its_field(pool: Pool, document: dict[str, Any], field: str, why: str) -> None:
    (error, *_) = problem(pool.post(POLICIES, json=document), 422)["errors"]
    assert error["field"] == field
    assert why in error["reason"]


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (onnx(graphs.linear(11, 6)), "observations has rows of shape [11]; the environment observes [17]"),
        (onnx(graphs.linear(17, 3)), "actions has rows of shape [3]; the environment takes [6]"),
        (onnx(graphs.sampling(17, 6)), "actions has rows of shape []"),
        (plan(np.zeros((1, 5, 3))), "shape [3]"),
        ({"kind": "constant", "action": 1}, "Box(shape=[6])"),
        ({"kind": "agents", "policies": {"wolf_*": "random"}}, "no policy is meant for it"),
    ],
)
def test_a_policy_that_does_not_fit_is_refused_where_a_run_is_submitted(
    pool: Pool, document: dict[str, Any], why: str
) -> None:
    policy = upload(pool, document)["digest"]
    before = len(pool.get("/v1/runs").json()["items"])
    (error,) = problem(submit(pool, policy=policy), 422)["errors"]
    assert error["field"] == "body.policy"
    assert error["reason"].startswith(CHEETAH)
    assert why in error["reason"]
    (error,) = problem(submit(pool, policies=["random", policy]), 422)["errors"]
    assert error["field"] == "body.policies[1]"
    assert len(pool.get("/v1/runs").json()["items"]) == before


def test_a_claim_brings_the_document_and_the_file_is_fetched_by_its_hash(pool: Pool, worker: HandWorker) -> None:
    content = graphs.linear(17, 6)
    graph = upload(pool, onnx(content))["digest"]
    policy = upload(pool, {"kind": "agents", "policies": {"age*": graph, "*": "still"}})["digest"]
    run = submit(pool, policy=policy, episodes=40).json()
    (grant, *_) = worker.grants()
    item = worker.claim(grant)
    sha256 = hashlib.sha256(content).hexdigest()
    assert item["policy"]["name"] == policy
    assert item["policy"]["digest"] == policy
    graph_document = {"kind": "onnx", "sha256": sha256}
    assert item["policy"]["document"] == {
        "kind": "agents",
        "policies": [["age*", graph_document], ["*", {"kind": "still"}]],
    }
    assert item["batch"] == 32
    assert len(item["segments"]) > 1
    answer = pool.get(f"/internal/policy-files/{sha256}", pool.site)
    assert answer.content == content
    problem(pool.get(f"/internal/policy-files/{sha256}"), 403)
    problem(pool.get(f"/internal/policy-files/{'0' * 64}", pool.site), 404)
    pool.post(f"/v1/runs/{run['id']}:cancel")


def test_policies_and_seeds_are_run_each_with_each(pool: Pool, worker: HandWorker) -> None:
    run = submit(pool, policies=["random", "still"], seeds=[3, 4, 5]).json()
    assert (run["policies"], run["seeds"], run["items_total"]) == (["random", "still"], [3, 4, 5], 6)
    assert run["steps_expected"] == 6000
    found = []
    while grants := worker.grants():
        for grant in grants:
            item = worker.claim(grant)
            found.append((item["run_seed"], item["policy"]["name"]))
            worker.finish(grant, item)
    assert found == [(seed, name) for seed in (3, 4, 5) for name in ("random", "still")]
    assert pool.get(f"/v1/runs/{run['id']}").json()["state"] == "succeeded"


def test_of_a_bounded_run_so_many_items_run_at_once_and_others_take_the_rest(pool: Pool, worker: HandWorker) -> None:
    bounded = submit(pool, episodes=400, max_parallel=1).json()
    free = submit(pool, refs=["classic/cartpole"], episodes=100_000).json()
    assert min(bounded["items_total"], free["items_total"]) > 2

    def running(grants: list[dict[str, Any]]) -> list[str]:
        return sorted(f"run_{worker.claim(grant)['run_id'].replace('-', '')}" for grant in grants)

    first = worker.grants()
    assert running(first) == sorted([bounded["id"], free["id"]])
    assert worker.grants() == []
    for run in (free, bounded):
        assert pool.get(f"/v1/runs/{run['id']}").json()["items_running"] == 1
    pool.post(f"/v1/runs/{free['id']}:cancel")
    assert worker.grants() == [], "a slot is free, but the run has its one item"
    pool.post(f"/v1/runs/{bounded['id']}:cancel")


def test_a_named_request_is_one_run(pool: Pool) -> None:
    first, again = (submit(pool, name="sweep", seeds=[1, 2]) for _ in range(2))
    assert first.json()["id"] == again.json()["id"]
    assert (first.status_code, again.status_code) == (202, 202)
    refused = problem(submit(pool, name="sweep", seeds=[1, 3]), 409)
    assert refused["errors"][0]["field"] == "body.name"
    assert first.json()["id"] in refused["errors"][0]["reason"]
    pool.post(f"/v1/runs/{first.json()['id']}:cancel")


def test_a_run_that_was_made_before_is_reused_if_asked(pool: Pool, worker: HandWorker) -> None:
    first = submit(pool, seed=77).json()
    worker.serve()
    assert first["runtime"] == "r"
    again = submit(pool, seed=77, reuse=True, labels={"paper": "b"}).json()
    assert (again["id"], again["state"]) == (first["id"], "succeeded")
    for other in (
        {"seed": 78},
        {"seed": 77, "episodes": 2},
        {"seed": 77, "policy": "still"},
        {"seed": 77, "reuse": False},
    ):
        made = submit(pool, **{"reuse": True, **other}).json()
        assert made["id"] != first["id"]
        pool.post(f"/v1/runs/{made['id']}:cancel")
    assert submit(pool, seed=78, reuse=True).json()["state"] == "queued", "a cancelled run is not reused"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"policy": "clever"}, "body.policy"),
        ({"policy": "random", "policies": ["still"]}, "body"),
        ({"seed": 0, "seeds": [1]}, "body"),
        ({"seeds": [1, 1]}, "body"),
        ({"policies": ["random", "random"]}, "body"),
        ({"seeds": []}, "body.seeds"),
        ({"max_parallel": 0}, "body.max_parallel"),
        ({"record": {"columns": ["everything"]}}, "body.record.columns.0"),
        ({"record": {"pixels": {"width": 64}}}, "body.record.pixels"),
        ({"record": {"pixels": {"width": 4, "height": 4}}}, "body.record.pixels.width"),
        ({"name": "No"}, "body.name"),
    ],
)
def test_what_does_not_go_together_is_refused(pool: Pool, body: dict[str, Any], field: str) -> None:
    assert problem(submit(pool, **body), 422)["errors"][0]["field"] == field
