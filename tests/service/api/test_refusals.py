"""Bad input gets a 4xx problem that names the field and the reason, and nothing is half-done."""

from __future__ import annotations

import gzip
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from service.api.routing import MAX_BODY_MIB
from service.models import IdempotencyKey, Run, Subset, WorkItem
from tests.service.conftest import Pool

REF = "classic/cartpole@1"


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["detail"]
    assert body["request_id"] == answer.headers["x-request-id"]
    return body


def rows(pool: Pool) -> list[int]:
    async def count() -> list[int]:
        async with pool.parts.sessions() as session:
            tables = (Run, WorkItem, Subset, IdempotencyKey)
            return [await session.scalar(select(func.count()).select_from(table)) or 0 for table in tables]

    return pool.runner.run(count())


@pytest.mark.parametrize(
    "path", ["/v1/me", "/v1/environments", "/v1/runs", "/v1/subsets", "/v1/admin/cells", "/v1/admin/quotas"]
)
def test_without_a_key_nothing_is_shown(pool: Pool, path: str) -> None:
    answer = pool.get(path, pool.anonymous)
    problem(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")
    problem(pool.get(path, pool.client("wp_wrong")), 401)


@pytest.mark.parametrize(
    "path", ["/v1/admin/cells", "/v1/admin/keys", "/v1/admin/quotas", "/v1/admin/commitment", "/v1/admin/audit"]
)
def test_a_cells_key_opens_no_admin_page(pool: Pool, path: str) -> None:
    assert "admin:read" in problem(pool.get(path), 403)["detail"]


def test_an_operators_key_runs_nothing(pool: Pool) -> None:
    answer = pool.post("/v1/runs", pool.operator, json={"refs": [REF], "episodes": 1})
    assert "runs:write" in problem(answer, 403)["detail"]


def test_only_a_sites_key_speaks_for_workers(pool: Pool) -> None:
    problem(pool.post("/internal/workers", json={}), 403)


@pytest.mark.parametrize(
    ("ref", "field", "reason"),
    [
        ("mujoco/half_cheeta", "family", "did you mean mujoco/half_cheetah"),
        ("mujoco/half_cheetah@7", "version", "no version 7"),
        ("mujoco/half_cheetah;gravity=1e9", "parameters.gravity", "outside"),
        ("mujoco/half_cheetah;gravity=heavy", "parameters.gravity", "not a number"),
        ("mujoco/half_cheetah;gravty=1", "parameters.gravty", "gravity"),
        ("mujoco/half_cheetah:dely(steps=2)", "modifiers[0]", "delay"),
        ("openspiel/kuhn_poker:sticky(p=0.25)", "modifiers[0]", "sticky"),
        ("mujoco/half_cheetah:delay(steps=-1)", "modifiers[0].steps", "outside"),
        ("mujoco/half_cheetah:delay(", "ref", ""),
    ],
)
def test_a_ref_that_names_nothing_says_where_and_why(pool: Pool, ref: str, field: str, reason: str) -> None:
    (shown,) = problem(pool.get(f"/v1/environments/{ref}"), 404)["errors"]
    (submitted,) = problem(pool.post("/v1/runs", json={"refs": [REF, ref], "episodes": 1}), 422)["errors"]
    assert shown["field"] == field
    assert reason in shown["reason"]
    assert submitted["field"] == "body.refs[1]"
    assert field in submitted["reason"]
    assert reason in submitted["reason"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"refs": [REF], "episodes": 0}, "body.episodes"),
        ({"refs": [REF], "steps_per_env": 0}, "body.steps_per_env"),
        ({"refs": [REF], "steps_per_env": 10**12}, "body.steps_per_env"),
        ({"refs": [REF, "mujoco/ant"], "steps_per_env": 10**10}, "body.steps_per_env"),
        ({"refs": [REF], "episodes": 10**9}, "body.episodes"),
        ({"refs": [REF], "episodes": 1.5}, "body.episodes"),
        ({"refs": [REF], "episodes": 1, "seed": -1}, "body.seed"),
        ({"refs": [REF], "episodes": 1, "seed": 2**63}, "body.seed"),
        ({"refs": [REF], "episodes": 1, "polcy": "random"}, "body.polcy"),
        ({"refs": [], "episodes": 1}, "body.refs"),
        ({"refs": [REF], "episodes": 1, "steps_per_env": 1}, "body"),
        ({"refs": [REF]}, "body"),
        ({"episodes": 1}, "body"),
        ({"subset": "sub_nothing", "episodes": 1}, "body.subset"),
        ({"refs": [REF], "episodes": 1, "labels": {"a\0": "b"}}, "body.labels.a\0.[key]"),
    ],
)
def test_a_run_that_cannot_be_names_its_field_and_leaves_nothing(pool: Pool, body: dict[str, Any], field: str) -> None:
    before = rows(pool)
    answer = pool.post("/v1/runs", json=body, headers={"Idempotency-Key": "refused"})
    assert field in {error["field"] for error in problem(answer, 422)["errors"]}
    assert rows(pool) == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"where": {}, "size": 10**9}, "body.size"),
        ({"where": {"domain": "physics"}, "size": 150_000}, "body.size"),
        ({"where": {"domain": "chemistry"}}, "body.where.domain"),
        ({"where": {"text": "nothing-has-such-a-word"}}, "body.where"),
        ({"where": {"modifier": ["stiky"]}}, "body.where.modifier"),
        ({"where": {"parameters": {"gravity": {"equals": 5, "max": 6}}}}, "body.where.parameters.gravity"),
        ({"where": {"parameters": {"map_name": {"equals": "9x9"}}}}, "body.where.parameters.map_name"),
        ({"where": {"parameters": {"gravity": {"equals": True}}}}, "body.where.parameters.gravity"),
        ({"where": {"parameters": {"gravity": {"equals": 10**30}}}}, "body.where.parameters.gravity"),
        ({"where": {"parameters": {"gravity": {"equals": []}}}}, "body.where.parameters.gravity.equals"),
        ({"where": {"parameters": {"x') --": {"min": 1}}}}, "body.where.parameters.x') --"),
        ({"where": {"parameters": {"gravity": {"min": 9, "max": 5}}}}, "body.where.parameters.gravity"),
        ({"grid": {"family": "mujoco/ant", "parameters": {"gravity": []}}}, "body.grid.parameters.gravity"),
        ({"grid": {"family": "mujoco/ant", "parameters": {"gravity": [1e9]}}}, "body.grid.parameters.gravity"),
        ({"grid": {"family": "mujoco/ant", "modifiers": [["nonsense()"]]}}, "body.grid.modifiers[0]"),
        ({"refs": [REF], "size": 1}, "body"),
        ({"refs": [REF], "catalogue": "0" * 64}, "body"),
        ({"where": {}, "catalogue": "newest"}, "body.catalogue"),
        ({"where": {}, "strategy": "diverse"}, "body.size"),
        ({"where": {}, "name": "sub_mine"}, "body.name"),
        ({"where": {}, "union": ["mine"]}, "body"),
        ({"union": []}, "body.union"),
        ({"union": ["nobodys"]}, "body.union[0]"),
        ({"union": ["a\0"]}, "body.union.0"),
        ({"union": ["Not a Name"]}, "body.union[0]"),
        ({"union": ["0" * 64]}, "body.union[0]"),
        ({"difference": ["mine"]}, "body.difference"),
        ({"intersection": ["sub_" + "0" * 32] * 2}, "body.intersection[0]"),
        ({}, "body"),
    ],
)
def test_a_subset_that_cannot_be_names_its_field(pool: Pool, body: dict[str, Any], field: str) -> None:
    assert field in {error["field"] for error in problem(pool.post("/v1/subsets", json=body), 422)["errors"]}


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/v1/runs", {"episodes": 1}, ("body", "give exactly one of subset and refs")),
        ("/v1/runs", {"refs": ["a\0"], "episodes": 1}, ("body.refs.0", "must not hold the character NUL")),
        ("/v1/subsets", {"where": {}, "name": "Mine"}, ("body.name", "is not 1 to 63 of a-z, 0-9")),
        (
            "/v1/subsets",
            {"where": {"parameters": {"gravity": {"min": 9.5, "max": 5}}}},
            ("body.where.parameters.gravity", "min 9.5 is above max 5"),
        ),
        (
            "/v1/subsets",
            {"where": {"parameters": {"gravty": {}}}},
            ("body.where.parameters.gravty", "no parameter 'gravty'; did you mean gravity"),
        ),
    ],
)
def test_reasons_are_sentences_without_patterns_and_names_of_libraries(
    pool: Pool, path: str, body: dict[str, Any], said: tuple[str, str]
) -> None:
    (error,) = problem(pool.post(path, json=body), 422)["errors"]
    assert error["field"] == said[0]
    assert error["reason"].startswith(said[1])


def test_an_id_of_another_form_is_refused_by_the_name_of_its_kind(pool: Pool) -> None:
    assert "no subset with the id 'sub_x'; ids look like sub_" in problem(pool.get("/v1/subsets/sub_x"), 404)["detail"]


@pytest.mark.parametrize(
    ("param", "reason"),
    [
        (["gravity:9..5"], "'gravity:9..5' is no range: min 9 is above max 5"),
        (["gravity:nan.."], "is no range"),
        (["gravity:"], "is not name:min..max or name:value"),
        (["gravity:heavy"], "is not a number"),
        (["size:2.5"], "is not an integer"),
        (["gravity:1..", "gravity:..5"], "'gravity:..5' names its parameter again"),
        (["gravty:1.."], "no parameter 'gravty'; did you mean gravity"),
        ([f"gravity:{i}.." for i in range(17)], "is given 17 times; at most 16"),
    ],
)
def test_a_range_that_nothing_can_lie_in_is_refused(pool: Pool, param: list[str], reason: str) -> None:
    (error,) = problem(pool.get("/v1/environments", params={"param": param}), 422)["errors"]
    assert error["field"].startswith("query.param")
    assert reason in error["reason"]


@pytest.mark.parametrize(
    ("params", "field", "reason"),
    [
        ({"modifier": "stiky"}, "query.modifier", "did you mean sticky"),
        ({"modifier": ["none", "sticky"]}, "query.modifier", "none goes alone"),
        ({"observations": "pixels"}, "query.observations", "'vector', 'image', 'discrete', 'text' or 'mixed'"),
        ({"min_agents": 0}, "query.min_agents", "greater than or equal to 1"),
        ({"min_agents": "two"}, "query.min_agents", "valid integer"),
        ({"max_step_us": "inf"}, "query.max_step_us", "finite"),
        ({"max_memory_mb": 2**63}, "query.max_memory_mb", "less than"),
        ({"domain": ""}, "query.domain", "'physics', 'social' or 'symbolic'"),
        ({"tag": "x" * 201}, "query.tag", "at most 200"),
        ({"text": "a\0"}, "query.text", "must not hold the character NUL"),
        ({"modifier": ["sticky"] * 17}, "query.modifier", "at most 16"),
        ({"seed_sensitive": "perhaps"}, "query.seed_sensitive", "boolean"),
        ({"snapshot": ["exact", "replay"]}, "query.snapshot", "given twice"),
        ({"param": "map_name:a\0"}, "query.param", "is no name of a value"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/environments", "/v1/catalogue/facets"])
def test_a_condition_that_nothing_can_meet_names_its_field(
    pool: Pool, path: str, params: dict[str, Any], field: str, reason: str
) -> None:
    (error,) = problem(pool.get(path, params=params), 422)["errors"]
    assert error["field"] == field
    assert reason in error["reason"]


@pytest.mark.parametrize("cursor", ["x", "MTIz", "AAAA"])
def test_a_cursor_that_is_not_one_is_refused(pool: Pool, cursor: str) -> None:
    (error,) = problem(pool.get("/v1/environments", params={"cursor": cursor}), 422)["errors"]
    assert error["field"] == "query.cursor"


class Upload:
    """A body of `mib` parts of 1 MiB; knows how many were read."""

    def __init__(self, mib: int) -> None:
        self.mib, self.read = mib, 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self.read < self.mib:
            self.read += 1
            yield b" " * 2**20


@pytest.mark.parametrize("key", [None, "wp_wrong"])
@pytest.mark.parametrize("path", ["/v1/runs", "/v1/subsets?nonsense=1", "/v1/admin/cells", "/internal/workers"])
def test_nothing_of_a_strangers_body_is_read(pool: Pool, path: str, key: str | None) -> None:
    upload = Upload(2 * MAX_BODY_MIB)
    problem(pool.post(path, pool.client(key), content=upload), 401)
    assert upload.read == 0


@pytest.mark.parametrize(
    ("headers", "read"),
    [({}, MAX_BODY_MIB + 1), ({"Content-Length": str(MAX_BODY_MIB * 2**20 + 1)}, 0)],
    ids=["chunked", "declared"],
)
def test_a_body_that_is_too_large_is_not_read_to_its_end(pool: Pool, headers: dict[str, str], read: int) -> None:
    upload = Upload(2 * MAX_BODY_MIB)
    json = {"Content-Type": "application/json"}
    refused = problem(pool.post("/v1/runs", content=upload, headers=json | headers), 413)
    assert refused["type"] == "urn:worldpool:problem:content-too-large"
    assert refused["errors"] == [{"field": "body", "reason": f"has more than {MAX_BODY_MIB} MiB"}]
    assert upload.read == read


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"refs": [', "line 1 column 11"),
        (b" ", "Expecting value"),
        (b'{"refs": ["%s"], "episodes": 1} {}' % REF.encode(), "Extra data"),
        (b'{"refs": ["%s"], "episodes": 1, "episodes": 2}' % REF.encode(), "the key 'episodes' more than once"),
        (b'{"refs": ["%s"], "episodes": 1, "labels": {"a": "b", "a": "b"}}' % REF.encode(), "the key 'a' more than"),
        (b'{"refs": ["%s"], "episodes": NaN}' % REF.encode(), "NaN"),
        (b'{"refs": ["%s"], "episodes": -Infinity}' % REF.encode(), "-Infinity"),
        (b'{"refs": ["%s"], "episodes": 1%s}' % (REF.encode(), b"0" * 5000), "5001 digits"),
        (b'{"refs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        ('{"refs": ["ü"]}'.encode("latin-1"), "not UTF-8 at byte 11"),
        (f'{{"refs": ["{REF}"], "episodes": 1}}'.encode("utf-16"), "not UTF-8 at byte 0"),
        (gzip.compress(b"{}", mtime=0), "not UTF-8 at byte 1"),
    ],
)
def test_a_body_that_is_not_plain_json_says_why_and_leaves_nothing(pool: Pool, body: bytes, reason: str) -> None:
    before = rows(pool)
    answer = pool.post("/v1/runs", content=body, headers={"Content-Type": "application/json"})
    refused = problem(answer, 400)
    assert refused["type"] == "urn:worldpool:problem:malformed-json"
    (error,) = refused["errors"]
    assert error["field"] == "body"
    assert reason in error["reason"]
    assert rows(pool) == before


@pytest.mark.parametrize("depth", range(900, 1010, 10))
def test_a_body_near_the_deepest_that_is_read_is_refused_all_the_same(pool: Pool, depth: int) -> None:
    body = b'{"refs": ' + b"[" * depth + b"]" * depth + b', "episodes": 1}'
    answer = pool.post("/v1/runs", content=body, headers={"Content-Type": "application/json"})
    assert problem(answer, 400 if "nested" in answer.text else 422)["errors"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"null", "body"),
        (b"[]", "body"),
        (b'"refs"', "body"),
        (b'{"refs": ["%s"], "episodes": 1e400}' % REF.encode(), "body.episodes"),
        (b'{"refs": ["\\ud800"], "episodes": 1}', "body.refs.0"),
        (b'{"refs": ["a"], "episodes": 1, "\\ud800": 1}', "body"),
        (b'{"refs": ["a"], "episodes": 1, "%s": 1}' % (b"x" * 10_000), "body." + "x" * 195),
    ],
)
def test_plain_json_that_fits_nothing_names_its_field(pool: Pool, body: bytes, field: str) -> None:
    answer = pool.post("/v1/runs", content=body, headers={"Content-Type": "application/json"})
    (error,) = problem(answer, 422)["errors"]
    assert error["field"] == field
    assert error["reason"]


def test_a_byte_order_mark_is_passed_over(pool: Pool) -> None:
    body = f'{{"refs": ["{REF}"], "episodes": 1}}'.encode("utf-8-sig")
    answer = pool.post("/v1/runs", content=body, headers={"Content-Type": "application/json; charset=utf-8"})
    assert answer.status_code == 202


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "nonsense", None])
@pytest.mark.parametrize("path", ["/v1/runs", "/v1/subsets", "/internal/workers"])
def test_a_body_that_is_not_declared_as_json_is_refused(pool: Pool, path: str, media_type: str | None) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    refused = problem(pool.post(path, content=b'{"refs": ["%s"]}' % REF.encode(), headers=headers), 415)
    (error,) = refused["errors"]
    assert refused["type"] == "urn:worldpool:problem:unsupported-media-type"
    assert error["field"] == "header.content-type"
    assert "application/json" in error["reason"]


def test_of_very_many_wrong_fields_a_few_are_named(pool: Pool) -> None:
    answer = pool.post("/v1/runs", json={"refs": [1] * 10_000, "episodes": 1})
    assert [error["field"] for error in problem(answer, 422)["errors"]] == [f"body.refs.{i}" for i in range(20)]


def test_every_documented_call_refuses_a_query_parameter_that_it_does_not_have(pool: Pool) -> None:
    operations = [
        (method.upper(), path, operation)
        for path, item in pool.get("/v1/openapi.json").json()["paths"].items()
        for method, operation in item.items()
    ]
    assert len(operations) > 30
    for method, path, operation in operations:
        known = [part["name"] for part in operation.get("parameters", []) if part["in"] == "query"]
        address = re.sub(r"\{.*?\}", "x", path)
        answer = pool.request(pool.operator, method, address, params={"lable": "a:b", **dict.fromkeys(known, "1")})
        (error,) = problem(answer, 422)["errors"]
        assert error["field"] == "query.lable", (method, path)
        assert error["reason"].endswith(f"known are {', '.join(sorted(known))}" if known else "there are none here")
        assert "application/problem+json" in operation["responses"]["422"]["content"]


@pytest.mark.parametrize("query", ["limit=1&limit=2", "limit=1&domain=physics&limit=1"])
def test_a_query_parameter_that_has_one_value_is_not_given_two(pool: Pool, query: str) -> None:
    (error,) = problem(pool.get(f"/v1/environments?{query}"), 422)["errors"]
    assert error == {"field": "query.limit", "reason": "is given twice"}
    assert pool.get("/v1/environments?limit=1&param=gravity:1..&param=friction_scale:..9").status_code == 200


@pytest.mark.parametrize("key", ["", " ", "a b"])
def test_an_idempotency_key_is_visible_ascii(pool: Pool, key: str) -> None:
    before = rows(pool)
    answer = pool.post("/v1/subsets", json={"refs": [REF]}, headers={"Idempotency-Key": key})
    (error,) = problem(answer, 422)["errors"]
    assert error["field"] == "header.idempotency-key"
    assert rows(pool) == before


def test_what_workers_call_refuses_what_it_does_not_know(pool: Pool) -> None:
    (error,) = problem(pool.post("/internal/workers?slots=2", pool.site, json={}), 422)["errors"]
    assert error["field"] == "query.slots"
    fields = {
        error["field"] for error in problem(pool.post("/internal/workers", pool.site, json={"x": 1}), 422)["errors"]
    }
    assert "body.x" in fields


def test_what_is_another_cells_looks_as_if_it_were_not_there(pool: Pool) -> None:
    made = pool.post("/v1/admin/cells", pool.operator, json={"name": "strangers"})
    assert made.status_code == 201
    key = pool.post("/v1/admin/keys", pool.operator, json={"cell": "strangers"}).json()["secret"]
    stranger = pool.client(key)
    subset = pool.post("/v1/subsets", json={"refs": [REF]}).json()["id"]
    run = pool.post("/v1/runs", json={"subset": subset, "episodes": 1}).json()["id"]
    for method, path in (
        ("GET", f"/v1/runs/{run}"),
        ("GET", f"/v1/runs/{run}/chunks"),
        ("GET", f"/v1/runs/{run}/stream"),
        ("GET", f"/v1/runs/{run}/summary"),
        ("POST", f"/v1/runs/{run}:cancel"),
        ("DELETE", f"/v1/runs/{run}"),
        ("GET", f"/v1/subsets/{subset}"),
    ):
        problem(pool.request(stranger, method, path), 404)
    assert problem(pool.post("/v1/runs", stranger, json={"subset": subset, "episodes": 1}), 422)
    assert pool.get("/v1/runs", stranger).json()["items"] == []
    assert pool.get(f"/v1/runs/{run}").json()["state"] == "queued"


def test_a_revoked_and_an_expired_key_are_refused(pool: Pool) -> None:
    made = pool.post("/v1/admin/keys", pool.operator, json={"cell": "demo", "label": "short"}).json()
    client = pool.client(made["secret"])
    assert pool.get("/v1/me", client).status_code == 200
    assert pool.request(pool.operator, "DELETE", f"/v1/admin/keys/{made['id']}").status_code == 204
    assert "revoked" in problem(pool.get("/v1/me", client), 401)["detail"]
    old = pool.post("/v1/admin/keys", pool.operator, json={"cell": "demo", "expires_at": "2020-01-01T00:00:00Z"}).json()
    assert "expired" in problem(pool.get("/v1/me", pool.client(old["secret"])), 401)["detail"]


def test_an_edit_needs_the_version_that_it_is_based_on(pool: Pool) -> None:
    path = "/v1/admin/commitment"
    tag = pool.get(path, pool.operator).headers["etag"]
    change = {"half_life_s": 600}
    problem(pool.request(pool.operator, "PATCH", path, json=change), 428)
    assert pool.request(pool.operator, "PATCH", path, json=change, headers={"If-Match": tag}).status_code == 200
    problem(pool.request(pool.operator, "PATCH", path, json=change, headers={"If-Match": tag}), 412)


def test_unknown_paths_and_methods_are_problems_too(pool: Pool) -> None:
    problem(pool.get("/v1/nothing"), 404)
    problem(pool.request(pool.cell, "PUT", "/v1/runs"), 405)


def test_a_commit_that_fails_is_a_500_and_not_a_silent_success(pool: Pool) -> None:
    """A deferred constraint fails at COMMIT, after the route has returned."""

    async def break_commits(statement: str) -> None:
        from sqlalchemy import text

        async with pool.parts.sessions.begin() as session:
            await session.execute(text(statement))

    pool.runner.run(break_commits("CREATE TABLE gate (id int PRIMARY KEY)"))
    pool.runner.run(break_commits("ALTER TABLE cell ADD gate int REFERENCES gate DEFERRABLE INITIALLY DEFERRED"))
    pool.runner.run(break_commits("ALTER TABLE cell ALTER gate SET DEFAULT 1"))
    try:
        problem(pool.post("/v1/admin/cells", pool.operator, json={"name": "never"}), 500)
    finally:
        pool.runner.run(break_commits("ALTER TABLE cell DROP COLUMN gate"))
    problem(pool.get("/v1/admin/cells/never", pool.operator), 404)
