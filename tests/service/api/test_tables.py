"""Tables: uploaded once, named by their content, held against specs where a run is submitted, carried by claims."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from env_registry import Table
from tests.service.api.test_refusals import problem
from tests.service.api.test_runs import HandWorker, worker
from tests.service.conftest import Pool

__all__ = ["worker"]

CONTENT = {"columns": {"friction": [0.5, 1, 1.5], "gravity": [5, 6, 7]}, "weights": [1, 2, 1]}
TABLE = Table.of(**CONTENT)  # type: ignore[arg-type]
REF = f"mujoco/ant@1;friction_scale=table({TABLE.digest},friction);gravity=table({TABLE.digest},gravity)"


def upload(pool: Pool, content: Any = CONTENT, **more: Any) -> dict[str, Any]:
    answer = pool.post("/v1/tables", json=content, **more)
    assert answer.status_code == 201, answer.text
    table: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/v1/tables/{table['digest']}"
    return table


@pytest.fixture
def stranger(pool: Pool) -> Any:
    """A client of another cell."""
    name = f"strangers-{len(pool.get('/v1/admin/cells', pool.operator).json()['items'])}"
    assert pool.post("/v1/admin/cells", pool.operator, json={"name": name}).status_code == 201
    return pool.client(pool.post("/v1/admin/keys", pool.operator, json={"cell": name}).json()["secret"])


def test_a_run_of_a_table_that_is_not_there_is_refused(pool: Pool) -> None:
    other = REF.replace(TABLE.digest, "0" * 64)
    for body in ({"refs": [other]}, {"subset": pool.post("/v1/subsets", json={"refs": [other]}).json()["id"]}):
        answer = problem(pool.post("/v1/runs", json={**body, "episodes": 1}), 422)
        (error,) = answer["errors"]
        assert error["field"] == f"body.{next(iter(body))}"
        assert "0" * 64 in error["reason"]
        assert "POST /v1/tables" in error["reason"]


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({}, "body.columns"),
        ({"columns": {}}, "body.columns"),
        ({"columns": {"a": []}}, "body.columns"),
        ({"columns": {"a": [1], "b": [1, 2]}}, "body.columns.b"),
        ({"columns": {"a": [1, None]}}, "body.columns.a.1"),
        ({"columns": {"a": [True]}}, "body.columns.a.0"),
        ({"columns": {"a": ["1"]}}, "body.columns.a.0"),
        ({"columns": {"a": 1}}, "body.columns.a"),
        ({"columns": {"a b": [1]}}, "body.columns.a b"),
        ({"columns": {"a": [1] * 10_001}}, "body.columns.a"),
        ({"columns": {f"c{i}": [1] for i in range(33)}}, "body.columns"),
        ({"columns": {f"c{i}": [i + 0.123456789] * 10_000 for i in range(12)}}, "body.columns"),
        ({"columns": {"a": [1, 2]}, "weights": [1]}, "body.weights"),
        ({"columns": {"a": [1, 2]}, "weights": [1, 0]}, "body.weights[1]"),
        ({"columns": {"a": [1, 2]}, "weights": [1e308, 1e308]}, "body.weights"),
        ({"columns": {"a": [1]}, "weight": [1]}, "body.weight"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_table_names_its_field(pool: Pool, content: Any, field: str) -> None:
    answer = problem(pool.post("/v1/tables", json=content), 422)
    assert answer["errors"][0]["field"] == field
    assert answer["errors"][0]["reason"]


@pytest.mark.parametrize("number", [b"1e400", b"1" + b"0" * 400, b"-1" + b"0" * 900])
def test_a_number_beyond_float64_is_refused(pool: Pool, number: bytes) -> None:
    body = b'{"columns": {"a": [%s]}}' % number
    answer = pool.post("/v1/tables", content=body, headers={"Content-Type": "application/json"})
    assert problem(answer, 422)["errors"][0]["field"].startswith("body.columns.a")


def test_strangers_to_the_scope_are_refused(pool: Pool) -> None:
    problem(pool.post("/v1/tables", pool.anonymous, json=CONTENT), 401)
    problem(pool.post("/v1/tables", pool.operator, json=CONTENT), 403)
    made = pool.post("/v1/admin/keys", pool.operator, json={"cell": "demo", "scopes": ["runs:read"]}).json()
    problem(pool.post("/v1/tables", pool.client(made["secret"]), json=CONTENT), 403)
    problem(pool.get("/v1/tables", pool.client(made["secret"])), 403)


@pytest.mark.parametrize("digest", ["0" * 64, "x", TABLE.digest.upper(), "%00", "0" * 3000])
def test_no_other_name_finds_a_table(pool: Pool, digest: str) -> None:
    problem(pool.get(f"/v1/tables/{digest}"), 404)


def test_a_table_is_named_by_the_hash_of_its_canonical_form(pool: Pool) -> None:
    table = upload(pool)
    form = b'{"columns":{"friction":[0.5,1,1.5],"gravity":[5,6,7]},"weights":[1,2,1]}'
    assert table["digest"] == TABLE.digest == hashlib.sha256(form).hexdigest()
    assert (table["rows"], table["columns"], table["weighted"], table["bytes"]) == (
        3,
        ["friction", "gravity"],
        True,
        len(form),
    )
    again = upload(pool, {"weights": [1.0, 2, 1], "columns": {"gravity": [5, 6.0, 7], "friction": [0.5, 1, 1.5]}})
    assert again == table
    detail = pool.get(f"/v1/tables/{table['digest']}").json()
    assert detail == table | {"content": CONTENT}
    listed = pool.get("/v1/tables").json()["items"]
    assert [found["digest"] for found in listed].count(table["digest"]) == 1
    assert "content" not in listed[0]


def test_pages_of_tables_are_newest_first(pool: Pool) -> None:
    made = [upload(pool, {"columns": {"page": [i]}})["digest"] for i in range(3)]
    first = pool.get("/v1/tables", params={"limit": 2}).json()
    assert [table["digest"] for table in first["items"]] == made[:0:-1]
    rest = pool.get("/v1/tables", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert rest["items"][0]["digest"] == made[0]


def test_a_request_that_is_sent_again_makes_no_second_table(pool: Pool) -> None:
    key = {"Idempotency-Key": "table-1"}
    assert upload(pool, headers=key) == upload(pool, headers=key)
    other = pool.post("/v1/tables", json={"columns": {"a": [1]}}, headers=key)
    assert problem(other, 422)["errors"][0]["field"] == "header.idempotency-key"


def test_another_cells_table_is_as_if_it_were_not_there(pool: Pool, stranger: Any) -> None:
    table = upload(pool, {"columns": {"mine": [9.0]}})
    ref = f"mujoco/ant;gravity=table({table['digest']},mine)"
    problem(pool.get(f"/v1/tables/{table['digest']}", stranger), 404)
    assert pool.get("/v1/tables", stranger).json()["items"] == []
    refused = problem(pool.post("/v1/runs", stranger, json={"refs": [ref], "episodes": 1}), 422)
    assert "not here" in refused["errors"][0]["reason"]
    assert pool.post("/v1/tables", stranger, json={"columns": {"mine": [9.0]}}).json()["digest"] == table["digest"]
    run = pool.post("/v1/runs", stranger, json={"refs": [ref], "episodes": 1})
    assert run.status_code == 202
    pool.post(f"/v1/runs/{run.json()['id']}:cancel", stranger)
    assert pool.get(f"/v1/tables/{table['digest']}", pool.operator).status_code == 200


@pytest.mark.parametrize(
    ("family", "parameter", "column", "reason"),
    [
        (
            "mujoco/ant",
            "friction_scale",
            "gravity",
            "row 0 of column 'gravity' of table {digest}: 5.0 is outside 0.4 to",
        ),
        ("mujoco/ant", "gravity", "gravty", "no column 'gravty'; did you mean gravity?"),
        ("mujoco/ant", "frame_skip", "friction", "row 0 of column 'friction' of table {digest}: must be an integer"),
    ],
)
def test_a_table_that_does_not_fit_names_row_column_and_value(
    pool: Pool, family: str, parameter: str, column: str, reason: str
) -> None:
    upload(pool)
    ref = f"{family}@1;{parameter}=table({TABLE.digest},{column})"
    refused = problem(pool.post("/v1/runs", json={"refs": ["classic/cartpole", ref], "episodes": 1}), 422)
    (error,) = refused["errors"]
    assert error["field"] == "body.refs"
    assert f"{ref}: parameters.{parameter}: {reason.format(digest=TABLE.digest)}" in error["reason"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("table(abc,friction)", "64 hexadecimal digits"),
        (f"table({TABLE.digest})", "and a column"),
        (f"table({TABLE.digest},a,b)", "and a column"),
        (f"table({TABLE.digest.upper()},friction)", "64 hexadecimal digits"),
    ],
)
def test_a_ref_that_names_no_table_does_not_resolve(pool: Pool, value: str, reason: str) -> None:
    answer = problem(pool.get(f"/v1/environments/mujoco/ant;gravity={value}"), 404)
    assert answer["errors"][0]["field"] == "parameters.gravity"
    assert reason in answer["errors"][0]["reason"]


def test_a_run_names_few_tables(pool: Pool) -> None:
    refs = [f"mujoco/ant;gravity=table({i:064x},g)" for i in range(9)]
    (error,) = problem(pool.post("/v1/runs", json={"refs": refs, "episodes": 1}), 422)["errors"]
    assert error == {"field": "body.refs", "reason": "names 9 tables; one run draws from at most 8"}


def test_a_spec_with_a_table_has_a_page_a_place_in_subsets_and_a_cost(pool: Pool) -> None:
    shown = pool.get(f"/v1/environments/{REF}").json()
    assert shown["ref"] == REF
    assert shown["parameters"]["gravity"] == {"distribution": "table", "arguments": [TABLE.digest, "gravity"]}
    assert shown["card"]["horizon"] == shown["horizon"] == 1000
    grid = {"family": "mujoco/ant", "parameters": {"gravity": [f"table({TABLE.digest},gravity)", 5]}}
    subset = pool.post("/v1/subsets", json={"grid": grid}).json()
    assert subset["size"] == 2


def test_a_claim_carries_the_tables_of_its_specs_and_no_others(pool: Pool, worker: HandWorker) -> None:
    upload(pool)
    upload(pool, {"columns": {"other": [1]}})
    plain = {"refs": ["classic/cartpole"], "steps_per_env": 10}
    drawing = {"refs": [REF, REF.replace("gravity=", "healthy_z_max=0.9;gravity=")], "steps_per_env": 10}
    for body, tables in ((plain, []), (drawing, [TABLE.content.decode()])):
        assert pool.post("/v1/runs", json=body).status_code == 202
        while grants := worker.grants():
            for grant in grants:
                item = worker.claim(grant)
                assert item["tables"] == tables
                worker.finish(grant, item)
