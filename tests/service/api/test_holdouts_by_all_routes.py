"""No route trains on a holdout: every call that takes a spec, subset, randomisation, policy or snapshot is found in the
API's own description, and tried. A new call, or a new way to name specs, fails here until it is tried, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import select

from env_registry import parse
from env_registry.splits import DEFAULT
from service.models import Run, WorkItem
from tests.service.conftest import Pool

TRAIN = "mujoco/half_cheetah@1"
SPELLINGS = [
    "mujoco/half_cheetah@1;gravity=19.62",
    "mujoco/half_cheetah;gravity=19.62",  # unpinned
    "mujoco/half_cheetah;gravity=1.962e1;mass_scale=1.0",  # another spelling, a default written out
    "mujoco/half_cheetah;gravity=16.000000001",  # unlisted, a hair outside
    "mujoco/half_cheetah;gravity=19.62:delay(steps=1)",  # under a modifier that is trained on
    "mujoco/half_cheetah;mass_scale=1.2000001",
    "mujoco/half_cheetah;mass_scale=uniform(1,2)",
    "mujoco/half_cheetah;mass_scale=uniform(1.4,1.6)",
    "mujoco/half_cheetah;mass_scale=normal(1,0.01)",
    "mujoco/half_cheetah;mass_scale=choice(1,1,1,1.5)",
    "mujoco/half_cheetah;gravity=loguniform(9,17)",
    "mujoco/half_cheetah:obs_delay(steps=2):obs_delay(steps=2)",
    "mujoco/half_cheetah:obs_drop(p=0.14):obs_drop(p=0.14)",
    "mujoco/half_cheetah:reward_noise(sd=0.4):reward_noise(sd=0.4)",
    "mujoco/half_cheetah;armature_scale=1.0001;damping_scale=1.5",
    "mujoco/half_cheetah:obs_delay(steps=1):reward_noise(sd=0.1)",
    "mujoco/half_cheetah:reward_noise(sd=0.1):obs_delay(steps=1)",
    "classic/acrobot",
    "classic/acrobot:time_limit(steps=50)",
    "dm_control/acrobot;task=swingup_sparse",
    "openspiel/first_sealed_auction",
    "openspiel/go:partner(policy=random):obs_delay(steps=1)",
    "minigrid/empty:obs_drop(p=0.2)",
]
CARVABLE = {ref for ref in SPELLINGS if "uniform(1,2)" in ref or "loguniform" in ref or "choice" in ref}

# --- what there is to try

NAMING = {
    *("ref", "refs", "spec", "specs", "digest", "environment", "environments", "family", "parameters", "modifiers"),
    *("subset", "subsets", "where", "grid", "union", "difference", "intersection", "randomisation", "distribution"),
    *("policy", "policies", "snapshot", "snapshots", "session", "run", "runs", "table", "tables", "counterfactual"),
}
"""Properties and path parameters by which a call may be given something to simulate."""
RUN_PROPERTIES = {
    *("subset", "refs"),  # tried below
    *("policy", "policies", "episodes", "steps_per_env", "seed", "seeds", "name", "max_parallel"),  # name no spec
    *("reuse", "record", "labels", "purpose", "holdout"),
    *("groups", "max_unread", "abandon_after_s", "retention"),  # how it is read
}
SUBSET_OPTIONS = {"size", "strategy", "seed", "name", "catalogue"}
HARMLESS = {
    ("POST", "/v1/runs/{run_id}:cancel"): "stops",
    ("DELETE", "/v1/runs/{run_id}"): "deletes",
    ("POST", "/v1/policies"): "names no spec",
    ("POST", "/v1/runs/{run_id}/groups/{group}:ack"): "acknowledges what was read",
    ("DELETE", "/v1/runs/{run_id}/groups/{group}"): "forgets readers",
}
TRIED = {("POST", "/v1/runs"), ("POST", "/v1/subsets")}


def calls(document: dict[str, Any]) -> Iterator[tuple[str, str, set[str]]]:
    """Method, path, and the names of everything in the body and path of each call that changes something."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method in ("post", "put", "patch", "delete"):
                content = operation.get("requestBody", {}).get("content", {})
                named = {parameter["name"].removesuffix("_id") for parameter in operation.get("parameters", [])}
                schemas = [kind["schema"] for kind in content.values()]
                yield method.upper(), path, named | properties(document, schemas)


def properties(document: dict[str, Any], part: Any, seen: frozenset[str] = frozenset()) -> set[str]:
    """Names of properties anywhere in a schema."""
    if isinstance(part, list):
        return {name for one in part for name in properties(document, one, seen)}
    if not isinstance(part, dict):
        return set()
    if (ref := part.get("$ref")) is not None:
        name = ref.rpartition("/")[2]
        return set() if name in seen else properties(document, document["components"]["schemas"][name], seen | {name})
    found = set(part.get("properties", {}))
    return found | {name for value in part.values() for name in properties(document, value, seen)}


def schema(pool: Pool, name: str) -> set[str]:
    return set(pool.app.openapi()["components"]["schemas"][name]["properties"])


def test_every_call_that_is_given_something_to_simulate_is_tried_here(pool: Pool) -> None:
    found = {(method, path) for method, path, names in calls(pool.app.openapi()) if names & NAMING}
    assert found == TRIED | set(HARMLESS)


def test_every_way_of_naming_specs_is_tried_here(pool: Pool) -> None:
    assert schema(pool, "RunCreate") == RUN_PROPERTIES
    assert schema(pool, "SubsetCreate") - SUBSET_OPTIONS <= SOURCES.keys()


# --- trying


@pytest.fixture(autouse=True)
def _nothing_that_is_held_out_was_queued(pool: Pool) -> Iterator[None]:
    """Whatever was answered: no work item of a training run has a holdout."""
    yield

    async def queued() -> set[str]:
        async with pool.parts.sessions() as session:
            items = select(WorkItem.specs).join(Run, Run.id == WorkItem.run_id).where(Run.purpose == "train")
            return {spec["ref"] for specs in (await session.scalars(items)).all() for spec in specs}

    specs = [parse(ref) for ref in pool.runner.run(queued())]
    assert [spec.ref for spec in specs if not spec.tables and DEFAULT.kind(spec) is not None] == []


def train(pool: Pool, client: httpx.AsyncClient | None = None, **body: Any) -> httpx.Response:
    return pool.post("/v1/runs", client, json={"episodes": 1, **body})


def refused(answer: httpx.Response) -> None:
    assert answer.status_code == 403, answer.text
    assert answer.json()["type"] == "urn:worldpool:problem:holdout"


@pytest.fixture(scope="module")
def evaluator(pool: Pool) -> httpx.AsyncClient:
    """A key that may evaluate, and see trajectories of that."""
    scopes = ["environments:read", "subsets:write", "runs:read", "runs:write", "evaluate", "trajectories"]
    answer = pool.post("/v1/admin/keys", pool.operator, json={"cell": "demo", "scopes": scopes})
    return pool.client(answer.json()["secret"])


@pytest.mark.parametrize("ref", SPELLINGS)
def test_a_ref_in_any_spelling_is_refused(pool: Pool, evaluator: httpx.AsyncClient, ref: str) -> None:
    refused(train(pool, refs=[ref]))
    refused(train(pool, refs=[TRAIN, ref]))
    refused(train(pool, evaluator, refs=[ref], purpose="train"))
    answer = train(pool, refs=[ref], holdout="carve")
    if ref in CARVABLE:
        assert answer.status_code == 202
        assert answer.json()["carved"]
    else:
        refused(answer)


def test_a_table_is_held_to_its_rows(pool: Pool) -> None:
    def drawing(values: list[float]) -> str:
        table = pool.post("/v1/tables", json={"columns": {"g": values}}).json()
        return f"mujoco/half_cheetah;gravity=table({table['digest']},g)"

    within, beyond = drawing([5.0, 9.81, 12.0]), drawing([5.0, 9.81, 19.62])
    assert train(pool, refs=[within]).status_code == 202
    refused(train(pool, refs=[beyond]))
    refused(train(pool, refs=[within, beyond]))
    refused(train(pool, refs=[beyond], holdout="carve"))


def test_a_digest_is_no_way_around(pool: Pool) -> None:
    digest = parse(SPELLINGS[0]).digest
    assert train(pool, refs=[digest]).status_code == 422
    assert train(pool, subset=digest).status_code in (403, 422)


def held_subset(pool: Pool) -> str:
    return create(pool, {"refs": [SPELLINGS[0]]})


def create(pool: Pool, body: dict[str, Any]) -> str:
    answer = pool.post("/v1/subsets", json=body)
    assert answer.status_code in (201, 202), answer.text
    found: str = answer.json()["id"]
    return found


SOURCES: dict[str, Callable[[Pool], list[dict[str, Any]]]] = {
    "refs": lambda pool: [{"refs": [TRAIN, ref]} for ref in SPELLINGS],
    "where": lambda pool: (
        [
            {"where": {"domain": "physics", "split": split}, "size": 50}
            for split in ("heldout", "any", "family", "extrapolation", "interpolation")
        ]
        + [{"where": {"family": "classic/*", "split": "heldout", "parameters": {"gravity": {"min": 17}}}}]
    ),
    "grid": lambda pool: [
        {"grid": {"family": "mujoco/half_cheetah", "parameters": {"gravity": [9.81, 19.62]}}},
        {"grid": {"family": "mujoco/half_cheetah", "parameters": {"mass_scale": ["uniform(1,2)", 1]}}},
        {"grid": {"family": "mujoco/half_cheetah", "modifiers": [[], ["obs_drop(p=0.2)"]]}},
    ],
    "union": lambda pool: [{"union": [create(pool, {"refs": [TRAIN]}), held_subset(pool)]}],
    "difference": lambda pool: [
        {"difference": [create(pool, {"refs": [TRAIN, SPELLINGS[0]]}), create(pool, {"refs": [TRAIN]})]}
    ],
    "intersection": lambda pool: [{"intersection": [held_subset(pool), held_subset(pool)]}],
}
"""Subsets with a holdout, by the property that chooses their specs; what this API does not have is not tried."""


@pytest.mark.parametrize("source", SOURCES)
def test_a_subset_is_only_a_list_and_no_way_around(pool: Pool, source: str) -> None:
    if source not in schema(pool, "SubsetCreate"):
        return
    for body in SOURCES[source](pool):
        answer = pool.post("/v1/subsets", json={**body, "name": f"held-{uuid4().hex[:20]}"})
        assert answer.status_code in (201, 202), (body, answer.text)
        subset = answer.json()
        refused(train(pool, subset=subset["id"]))
        for other in (subset["digest"], subset["name"]):
            assert train(pool, subset=other).status_code in (403, 422)


def test_by_default_a_search_chooses_nothing_that_is_held_out(pool: Pool) -> None:
    for where in ({"domain": "social"}, {"family": "mujoco/*"}, {"text": "cheetah"}, {"modifier": "obs_drop"}):
        subset = pool.post("/v1/subsets", json={"where": where, "size": 20}).json()
        assert subset["left_out"] > 0
        assert train(pool, subset=subset["id"]).status_code == 202


def test_no_replay_and_no_retry_is_a_way_around(pool: Pool) -> None:
    headers = {"Idempotency-Key": "once"}
    body = {"refs": [SPELLINGS[0]], "episodes": 1}
    for _ in range(2):  # a refusal is not kept as an answer
        refused(pool.post("/v1/runs", json=body, headers=headers))
    allowed = pool.post("/v1/runs", json={**body, "refs": [TRAIN]}, headers=headers)
    assert allowed.status_code == 202
    assert pool.post("/v1/runs", json=body, headers=headers).status_code == 422
    again = pool.post("/v1/runs", json={**body, "refs": [TRAIN]}, headers=headers)
    assert again.json()["id"] == allowed.json()["id"]


def test_an_evaluation_is_no_training_run_under_another_key(pool: Pool, evaluator: httpx.AsyncClient) -> None:
    run = train(pool, evaluator, refs=SPELLINGS, purpose="evaluate").json()
    assert run["held_out"]
    for path in ("stream", "chunks", "chunks/1"):
        assert pool.get(f"/v1/runs/{run['id']}/{path}").status_code == 403
    assert train(pool, refs=SPELLINGS, purpose="evaluate").status_code == 403
