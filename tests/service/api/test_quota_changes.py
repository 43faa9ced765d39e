"""Quotas over HTTP: the document, groups, what-if and the token that binds, changes for later, loans, the audit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from service import changes
from service.scheduler import loop
from tests.service.api.test_me import join
from tests.service.api.test_quotas import edit, quota, submit
from tests.service.api.test_refusals import problem
from tests.service.api.test_runs import HandWorker, worker  # noqa: F401  (a fixture)
from tests.service.conftest import Pool

DOCUMENT = "/v1/admin/quotas/document"
SOON = (datetime.now(UTC) + timedelta(days=1)).isoformat()
EXCEPTION = {"commitment": {"min_slots": 1, "min_slots_until": SOON}}


@pytest.fixture(scope="module", autouse=True)
def rival(pool: Pool) -> httpx.AsyncClient:
    return pool.client(join(pool, "rival", 1))


def what_if(pool: Pool, **change: Any) -> dict[str, Any]:
    answer = pool.post("/v1/admin/what-if", pool.operator, json=change)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def patch(pool: Pool, name: str, change: dict[str, Any], **headers: str | bytes) -> httpx.Response:
    node = quota(pool, name)
    match: dict[str, str | bytes] = {"If-Match": f'"{node["version"]}"'}
    path = f"/v1/admin/quotas/{node['id']}"
    return pool.request(pool.operator, "PATCH", path, json=change, headers=match | headers)


def put(pool: Pool, document: dict[str, Any], **headers: str) -> httpx.Response:
    return pool.request(pool.operator, "PUT", DOCUMENT, json=document, headers=headers)


def audited(pool: Pool, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pool.get("/v1/admin/audit", pool.operator, params=params).json()["items"]
    return found


# --- refusals


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", DOCUMENT),
        ("PUT", DOCUMENT),
        ("POST", "/v1/admin/quotas"),
        ("DELETE", "/v1/admin/quotas/quota_1"),
        ("POST", "/v1/admin/what-if"),
        ("GET", "/v1/admin/changes"),
        ("POST", "/v1/admin/changes"),
        ("POST", "/v1/admin/changes/change_1:cancel"),
        ("GET", "/v1/admin/loans"),
    ],
)
def test_a_cells_key_neither_sees_nor_changes_any_of_it(pool: Pool, method: str, path: str) -> None:
    body = {"json": {}} if method in ("PUT", "POST") else {}
    problem(pool.request(pool.anonymous, method, path, **body), 401)
    assert "admin:" in problem(pool.request(pool.cell, method, path, **body), 403)["detail"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("what-if", {}, "body"),
        ("what-if", {"quotas": [{"weight": 1}]}, "body.quotas.0.quota"),
        ("what-if", {"document": {}}, "body.document.commitment"),
        ("what-if", {"drain": {"workers": ["nobody"]}}, "body.drain.workers[0]"),
        ("what-if", {"drain": {"sites": ["nowhere"]}}, "body.drain.sites[0]"),
        ("what-if", {"commitment": {"numerator": 9, "denominator": 8}}, "body.commitment.numerator"),
        ("changes", {"change": {}, "at": SOON}, "body.change"),
        ("changes", {"change": {}, "at": "2100-01-01T00:00:00Z"}, "body.at"),
        ("changes", {"change": {}, "at": "2100-01-01T00:00:00"}, "body.at"),
        ("changes", {"change": {}, "at": "2000-01-01T00:00:00Z"}, "body.at"),
        ("changes", {"change": EXCEPTION, "until": SOON}, "body.until"),
        ("changes", {"change": EXCEPTION, "at": SOON}, "body.change.commitment.min_slots_until"),
        ("what-if", {"commitment": {"min_slots": 1}}, "body.commitment.min_slots_until"),
        ("quotas", {"name": "commitment"}, "body.name"),
        ("quotas", {"name": "x", "parent": "nowhere"}, "body.parent"),
        ("quotas", {"name": "x", "parent": "demo"}, "body.parent"),
        ("quotas", {"name": "Upper"}, "body.name"),
        ("quotas", {"name": "x", "weight": 0}, "body.weight"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_field_and_leaves_nothing(
    pool: Pool, path: str, body: dict[str, Any], field: str
) -> None:
    before = pool.get(DOCUMENT, pool.operator).json()
    answer = pool.post(f"/v1/admin/{path}", pool.operator, json=body)
    assert field in {error["field"] for error in problem(answer, 422)["errors"]}
    assert pool.get(DOCUMENT, pool.operator).json() == before


def test_an_edit_of_what_is_not_there_is_refused(pool: Pool) -> None:
    gone = f"quota_{'0' * 32}"
    problem(pool.post("/v1/admin/what-if", pool.operator, json={"quotas": [{"quota": gone, "weight": 2}]}), 404)
    problem(pool.request(pool.operator, "DELETE", f"/v1/admin/quotas/{gone}"), 404)
    problem(pool.get(f"/v1/admin/changes/change_{'0' * 32}", pool.operator), 404)


# --- the token


def test_what_takes_something_away_needs_the_token_of_just_this_change(pool: Pool) -> None:
    assert patch(pool, "demo", {"weight": 4}).status_code == 200
    less = {"weight": 2}
    refused = problem(patch(pool, "demo", less), 428)
    assert "lowers weight of demo from 4 to 2" in refused["detail"]
    assert refused["errors"] == [{"field": "header.worldpool-what-if", "reason": "is missing"}]
    own, other = (what_if(pool, quotas=[{"quota": quota(pool, "demo")["id"], "weight": w}]) for w in (2, 3))
    assert own["needed"]
    assert own["takes"] == ["lowers weight of demo from 4 to 2"]
    wrong = problem(patch(pool, "demo", less, **{"Worldpool-What-If": other["token"]}), 412)
    assert wrong["errors"][0]["field"] == "header.worldpool-what-if"
    assert quota(pool, "demo")["weight"] == 4
    assert patch(pool, "demo", less, **{"Worldpool-What-If": own["token"]}).json()["weight"] == 2
    assert patch(pool, "demo", {"weight": 1}, **{"Worldpool-What-If": own["token"]}).status_code == 412
    edit(pool, "demo", {"weight": 1})


def test_a_token_ends_with_the_tree_that_it_was_shown_of_and_with_its_time(pool: Pool) -> None:
    demo = quota(pool, "demo")["id"]
    hold = {"state": "hold"}
    token = what_if(pool, quotas=[{"quota": demo, **hold}])["token"]
    patch(pool, "rival", {"weight": 2})
    assert "tree" in problem(patch(pool, "demo", hold, **{"Worldpool-What-If": token}), 412)["detail"]
    edit(pool, "rival", {"weight": 1})
    assert patch(pool, "demo", hold, **{"Worldpool-What-If": token}).status_code == 200  # it is the same tree again
    edit(pool, "demo", {"state": "active"})
    seconds, _, digest = token.partition("-")
    for wrong in (f"{int(seconds) + 1}-{digest}", f"{int(seconds) - 601}-{digest}", f"{int(seconds) + 900}-{digest}"):
        assert problem(patch(pool, "demo", hold, **{"Worldpool-What-If": wrong}), 412)
    for nonsense in ("x", "1-", "9" * 30, b"\xb2-x"):
        answer = patch(pool, "demo", hold, **{"Worldpool-What-If": nonsense})
        assert answer.status_code in (412, 422), answer.text
    assert quota(pool, "demo")["state"] == "active"


@pytest.mark.parametrize(
    ("change", "needed"),
    [
        ({"weight": 2}, False),
        ({"borrowing_limit_mc": 5000}, True),
        ({"lending_limit_mc": 0}, True),
        ({"max_loan_ms": 1}, True),
        ({"window_budget_core_ms": 10**9}, True),
        ({"state": "hold_and_drain"}, True),
        ({"state": "active"}, False),
        ({"borrowing_limit_mc": None}, False),
    ],
)
def test_only_less_needs_to_be_looked_at(pool: Pool, change: dict[str, Any], needed: bool) -> None:
    assert what_if(pool, quotas=[{"quota": quota(pool, "demo")["id"], **change}])["needed"] == needed


# --- what would follow


def test_what_if_tells_what_follows_for_nominals_loans_waits_and_drains(
    pool: Pool,
    worker: HandWorker,  # noqa: F811
    rival: httpx.AsyncClient,
) -> None:
    run = submit(pool, pool.cell)
    assert len(worker.grants()) == 2
    demo = quota(pool, "demo")["id"]
    held = what_if(pool, quotas=[{"quota": demo, "state": "hold"}])
    assert held["waits"] == [
        {
            "cell": "demo",
            "starts_before": 0,
            "starts_after": 0,
            "reason_before": "COMMITMENT_FULL",
            "reason_after": "HELD",
            "node_before": "commitment",
            "node_after": "demo",
        }
    ]
    less = what_if(pool, commitment={"numerator": 17})
    assert (less["limit_before_mc"], less["limit_after_mc"]) == (2000, 1030)
    nodes = {node["name"]: node for node in less["effective"]}
    assert nodes["commitment"]["borrowed_after_mc"] == 1000
    assert (nodes["commitment"]["nominal_before_mc"], nodes["commitment"]["leases"]) == (2000, 2)
    at = (datetime.now(UTC) + timedelta(seconds=40)).isoformat()
    gone = what_if(pool, drain={"workers": ["hand"], "departs_at": at})
    assert gone["limit_after_mc"] == 0
    assert (gone["drained"]["workers"], gone["drained"]["slots"], gone["drained"]["leases"]) == (1, 2, 2)
    assert gone["drained"]["outlasting"] == 2
    assert what_if(pool, drain={"sites": ["local"]})["drained"] == gone["drained"] | {"outlasting": 0}
    path, own = "/v1/admin/workers/hand:drain", {"Worldpool-What-If": gone["token"]}
    problem(pool.post(path, pool.operator, headers=own), 412)  # it was shown with departs_at
    assert pool.post(path, pool.operator, json={"departs_at": at}, headers=own).json()["state"] == "draining"
    assert pool.post("/v1/admin/workers/hand:uncordon", pool.operator).json()["state"] == "active"
    workers = pool.get("/v1/admin/workers", pool.operator).json()["items"]
    assert "active" in {each["state"] for each in workers}

    found = pool.get("/v1/admin/loans", pool.operator).json()
    assert [(one["name"], one["borrowed_mc"]) for one in found["borrowers"]] == [("demo", 1000)]
    assert found["borrowers"][0]["since"] is not None
    assert [(one["name"], one["lent_mc"]) for one in found["lenders"]] == [("rival", 1000)]
    assert found["unlent_mc"] == 0
    pool.post(f"{run}:cancel")
    assert pool.get("/v1/admin/loans", pool.operator).json()["borrowers"] == []


# --- the document and groups


def test_the_document_is_exported_changed_and_applied_in_one_go(pool: Pool) -> None:
    answer = pool.get(DOCUMENT, pool.operator)
    before, tag = answer.json(), answer.headers["etag"]
    assert before["cells"] == {"demo": {}, "rival": {}}
    assert before["commitment"] == {"numerator": 33, "denominator": 100, "half_life_s": 900}
    groups = {**before["groups"], "axis": {"weight": 3, "cells": {"demo": {}}}}
    document = {**before, "groups": groups, "cells": {"rival": {}, "new": {}}}
    problem(put(pool, document), 428)
    problem(put(pool, document, **{"If-Match": '"another"'}), 412)
    assert "moves demo from commitment to axis" in problem(put(pool, document, **{"If-Match": tag}), 428)["detail"]
    shown = what_if(pool, document=document)
    assert shown["tag"] == tag
    assert {(line["action"], line["name"]) for line in shown["edits"]} == {
        ("quota.create", "axis"),
        ("quota.edit", "demo"),
        ("cell.create", "new"),
    }
    headers = {"If-Match": shown["tag"], "Worldpool-What-If": shown["token"], "Worldpool-Reason": "the new axis"}
    applied = put(pool, document, **headers)
    assert applied.status_code == 200
    assert applied.json()["edits"] == shown["edits"]
    again = pool.get(DOCUMENT, pool.operator)
    assert (again.json(), again.headers["etag"]) == (document, applied.headers["etag"])
    last = audited(pool, target="demo")[0]
    assert (last["action"], last["change"], last["reason"]) == (
        "quota.edit",
        {"parent": ["commitment", "axis"]},
        "the new axis",
    )
    back = what_if(pool, document=before)
    headers = {"If-Match": back["tag"], "Worldpool-What-If": back["token"]}
    assert put(pool, before, **headers).status_code == 200
    assert pool.get(DOCUMENT, pool.operator).json() == before


def test_a_cell_with_keys_or_work_does_not_vanish_with_its_line(pool: Pool) -> None:
    answer = pool.get(DOCUMENT, pool.operator)
    document = {**answer.json(), "cells": {"demo": {}}}
    refused = problem(put(pool, document, **{"If-Match": answer.headers["etag"]}), 409)
    assert "rival stays" in refused["detail"]
    assert pool.get(DOCUMENT, pool.operator).json() == answer.json()


def test_a_group_is_made_filled_emptied_and_deleted_by_single_edits(pool: Pool) -> None:
    body = {"name": "labs", "weight": 2, "lending_limit_mc": 1000}
    why = {"Worldpool-Reason": "für die Labore".encode()}
    made = pool.post("/v1/admin/quotas", pool.operator, json=body, headers=why)
    assert made.status_code == 201
    path = made.headers["location"]
    assert made.json().items() >= {**body, "kind": "group"}.items()
    assert {entry["reason"] for entry in made.json()["provenance"].values()} == {"für die Labore"}
    problem(pool.post("/v1/admin/quotas", pool.operator, json=body), 409)
    nested = pool.post("/v1/admin/quotas", pool.operator, json={"name": "inner", "parent": "labs"})
    assert nested.json()["parent"] == made.json()["id"]
    assert edit(pool, "demo", {"parent": "inner"}).json()["parent"] == nested.json()["id"]
    assert "not empty" in problem(pool.request(pool.operator, "DELETE", path), 409)["detail"]
    assert problem(edit(pool, "labs", {"parent": "inner"}), 422)["errors"][0]["field"] == "body.parent"
    assert edit(pool, "demo", {"parent": "commitment"}).status_code == 200
    for each in (nested.headers["location"], path):
        assert pool.request(pool.operator, "DELETE", each).status_code == 204
        problem(pool.get(each, pool.operator), 404)
    root = f"/v1/admin/quotas/{quota(pool, 'commitment')['id']}"
    problem(pool.request(pool.operator, "DELETE", root), 409)


# --- who and why


def test_a_quota_tells_what_is_set_by_whom_and_why_and_how_its_nominal_follows(
    pool: Pool,
    worker: HandWorker,  # noqa: F811
) -> None:
    change = {"weight": 3}
    assert patch(pool, "rival", change, **{"Worldpool-Reason": "a deadline"}).status_code == 200
    key = audited(pool)[0]["actor"]
    found = quota(pool, "rival")
    assert found["provenance"]["weight"].items() >= {"by": key, "reason": "a deadline"}.items()
    assert found["provenance"]["name"]["by"] == key
    effective = found["effective"]
    assert (effective["siblings_weight"], effective["parent_slots"], effective["ideal_slots"]) == (4, 2, 1.5)
    assert effective["share_mc"] == 1500
    assert (effective["slots"] * 1000, effective["borrowed_mc"]) == (found["nominal_mc"], 0)
    assert effective["held_by"] is None
    edit(pool, "commitment", {"state": "hold"})
    assert quota(pool, "rival")["effective"]["held_by"] == "commitment"
    edit(pool, "commitment", {"state": "active"})
    edit(pool, "rival", {"weight": 1})


@pytest.mark.parametrize("reason", [b"\xff", b"a\tb", b" ", b"x" * 1001])
def test_a_reason_is_a_line_of_text(pool: Pool, reason: bytes) -> None:
    answer = pool.request(
        pool.operator, "POST", "/v1/admin/quotas", json={"name": "never"}, headers={"Worldpool-Reason": reason}
    )
    assert problem(answer, 422)["errors"][0]["field"] == "header.worldpool-reason"


def test_every_change_by_an_operator_can_say_why(pool: Pool) -> None:
    why = {"Worldpool-Reason": "because"}
    made = pool.post("/v1/admin/keys", pool.operator, json={"cell": "demo"}, headers=why).json()["id"]
    pool.request(pool.operator, "DELETE", f"/v1/admin/keys/{made}", headers=why)
    pool.post("/v1/admin/cells", pool.operator, json={"name": "reasoned"}, headers=why)
    assert [(entry["action"], entry["reason"]) for entry in audited(pool, limit=3)] == [
        ("cell.create", "because"),
        ("key.revoke", "because"),
        ("key.create", "because"),
    ]
    path = f"/v1/admin/quotas/{quota(pool, 'reasoned')['id']}"
    assert pool.request(pool.operator, "DELETE", path, headers=why).status_code == 204
    assert [entry["action"] for entry in audited(pool, action="cell", limit=2)] == ["cell.delete", "cell.create"]


def test_the_audit_is_filtered_by_who_what_whom_and_since_when(pool: Pool) -> None:
    edit(pool, "demo", {"weight": 2})
    edit(pool, "demo", {"weight": 1})
    everything = audited(pool)
    (first, second, *_) = audited(pool, target="demo")
    assert [first["change"], second["change"]] == [{"weight": [2, 1]}, {"weight": [1, 2]}]
    assert audited(pool, target=quota(pool, "demo")["id"])[0] == first
    assert {entry["action"] for entry in audited(pool, action="quota.edit")} == {"quota.edit"}
    assert {entry["action"].split(".")[0] for entry in audited(pool, action="quota")} == {"quota"}
    assert audited(pool, action="quot") == []
    assert audited(pool, actor=first["actor"]) == everything
    assert audited(pool, actor="key_x") == audited(pool, target="nobody") == audited(pool, action="a%") == []
    assert audited(pool, since=first["at"])[0] == first
    assert audited(pool, since="2100-01-01T00:00:00Z") == []
    problem(pool.get("/v1/admin/audit", pool.operator, params={"since": "2026-01-01T00:00:00"}), 422)
    problem(pool.get("/v1/admin/audit", pool.operator, params={"since": "yesterday"}), 422)


# --- changes for later


def test_a_change_for_later_is_made_listed_kept_and_cancelled(pool: Pool) -> None:
    change = {"quotas": [{"quota": quota(pool, "demo")["id"], "weight": 6}]}
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    body = {"change": change, "until": until}
    made = pool.post("/v1/admin/changes", pool.operator, json=body, headers={"Worldpool-Reason": "a sprint"})
    assert made.status_code == 201, made.text
    assert made.json().items() >= {"state": "active", "change": change, "reason": "a sprint"}.items()
    assert pool.get(made.headers["location"], pool.operator).json() == made.json()
    assert quota(pool, "demo")["weight"] == 6
    assert 3500 < pool.runner.run(next_change_s(pool)) <= 3600

    less = {"quotas": [{"quota": quota(pool, "demo")["id"], "weight": 2}]}
    later = {"change": less, "at": (datetime.now(UTC) + timedelta(minutes=1)).isoformat()}
    problem(pool.post("/v1/admin/changes", pool.operator, json=later), 428)
    token = what_if(pool, **less)["token"]
    second = pool.post("/v1/admin/changes", pool.operator, json=later, headers={"Worldpool-What-If": token})
    assert second.json()["state"] == "scheduled"
    listed = pool.get("/v1/admin/changes", pool.operator).json()["items"]
    assert [one["id"] for one in listed] == [second.json()["id"], made.json()["id"]]
    assert quota(pool, "demo")["weight"] == 6
    for one in listed:
        cancelled = pool.post(f"/v1/admin/changes/{one['id']}:cancel", pool.operator)
        assert cancelled.json()["state"] == "cancelled"
        problem(pool.post(f"/v1/admin/changes/{one['id']}:cancel", pool.operator), 409)
    assert quota(pool, "demo")["weight"] == 1


async def next_change_s(pool: Pool) -> float:
    """In how many seconds the next change begins or ends."""
    from service import clock, schedules

    async with pool.parts.sessions() as session:
        at = await schedules.next_at(session)
        assert at is not None
        assert await loop.next_deadline_s(pool.parts.sessions) <= loop.IDLE_S
        return (at - await clock.now(session)).total_seconds()


def test_a_token_lasts_as_long_as_it_says(pool: Pool) -> None:
    shown = what_if(pool, commitment={"numerator": 10})
    left = datetime.fromisoformat(shown["expires_at"]) - datetime.now(UTC)
    assert changes.LIFE - timedelta(seconds=60) < left <= changes.LIFE
