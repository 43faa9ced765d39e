"""Operators, stewards with a term, members: what each may do, and that everything else is refused in words."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service import bootstrap
from service.ids import read, show
from service.models import Key, QuotaNode
from tests.service.api.test_groups import transact
from tests.service.api.test_me import join
from tests.service.api.test_quotas import edit_as as edit
from tests.service.api.test_quotas import quota, submit
from tests.service.api.test_refusals import problem
from tests.service.api.test_runs import HandWorker, worker  # noqa: F401  (a fixture)
from tests.service.conftest import Pool

TERM = (datetime.now(UTC) + timedelta(days=90)).isoformat()
OPEN = {
    "/v1/me",
    "/v1/queue",
    "/v1/shares",
    "/v1/usage",
    "/v1/webhooks",
    "/v1/admin/quotas",
    "/v1/admin/what-if",
}
"""Paths, and those below them, on which a steward is let in by its scopes."""


@pytest.fixture(scope="module")
def axis(pool: Pool) -> str:
    """A group with the cell `east`; `west` is beside it."""

    async def found(session: AsyncSession) -> str:
        root = (await session.execute(select(QuotaNode).where(QuotaNode.kind == "root"))).scalar_one()
        group = QuotaNode(parent_id=root.id, name="axis", kind="group")
        session.add(group)
        await session.flush()
        return show("quota", group.id)

    made = transact(pool, found)
    assert pool.post("/v1/admin/cells", pool.operator, json={"name": "east", "group": "axis"}).status_code == 201
    assert pool.post("/v1/admin/cells", pool.operator, json={"name": "west"}).status_code == 201
    return made


def appoint(pool: Pool, **more: Any) -> httpx.Response:
    body = {"steward_of": "axis", "expires_at": TERM} | more
    return pool.post(
        "/v1/admin/keys", pool.operator, json={name: value for name, value in body.items() if value is not None}
    )


@pytest.fixture(scope="module")
def steward(pool: Pool, axis: str) -> httpx.AsyncClient:
    answer = appoint(pool)
    assert answer.status_code == 201, answer.text
    assert answer.json().items() >= {"steward_of": "axis", "scopes": ["quotas:read", "quotas:write"]}.items()
    return pool.client(answer.json()["secret"])


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"expires_at": None}, "body.expires_at"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "body.expires_at"),
        ({"cell": "east"}, "body.steward_of"),
        ({"site": "local"}, "body.steward_of"),
        ({"steward_of": "nobodys"}, "body.steward_of"),
        ({"steward_of": "east"}, "body.steward_of"),
        ({"steward_of": "commitment"}, "body.steward_of"),
        ({"scopes": ["admin:write"]}, "body.scopes"),
        ({"scopes": ["runs:read"]}, "body.scopes"),
    ],
)
def test_a_steward_has_one_group_a_term_and_no_scopes_of_others(
    pool: Pool, axis: str, more: dict[str, Any], field: str
) -> None:
    answer = appoint(pool, **more)
    assert answer.status_code == 422, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_the_database_too_has_no_steward_without_a_term(pool: Pool, axis: str) -> None:
    async def forever(session: AsyncSession) -> None:
        session.add(Key(secret_sha256=b"x", steward_of=read("quota", axis), scopes=[]))

    with pytest.raises(Exception, match="stewards_have_a_term"):
        transact(pool, forever)


def test_a_steward_sees_and_edits_what_is_below_its_group(pool: Pool, steward: httpx.AsyncClient) -> None:
    (east,) = pool.get("/v1/admin/quotas", steward).json()["items"]
    assert east["name"] == "east"
    assert pool.get(f"/v1/admin/quotas/{east['id']}", steward).json() == east
    change = {"weight": 3, "borrowing_limit_mc": 1000, "max_loan_ms": 5000, "state": "hold"}
    changed = edit(pool, steward, east["id"], change, east["version"])
    assert changed.status_code == 200, changed.text
    assert changed.json().items() >= change.items()
    last = pool.get("/v1/admin/audit", pool.operator).json()["items"][0]
    assert (last["action"], last["target"]) == ("quota.edit", east["id"])
    undone = {"weight": 1, "borrowing_limit_mc": None, "max_loan_ms": None, "state": "active"}
    assert edit(pool, steward, east["id"], undone, changed.json()["version"]).status_code == 200


def test_a_steward_is_told_the_same_of_its_group_of_others_and_of_what_is_not(
    pool: Pool, steward: httpx.AsyncClient, axis: str
) -> None:
    beyond = [axis, "quota_" + "0" * 32, *(quota(pool, name)["id"] for name in ("west", "guests", "commitment"))]
    told = set()
    for id in beyond:
        before = pool.get(f"/v1/admin/quotas/{id}", pool.operator)
        for answer in (
            pool.get(f"/v1/admin/quotas/{id}", steward),
            edit(pool, steward, id, {"weight": 9}),
            what_if(pool, steward, quotas=[{"quota": id, "weight": 9}]),
        ):
            assert answer.status_code == 403
            assert "steward" in answer.json()["detail"]
            assert "below axis" in answer.json()["detail"]
            told.add(re.sub("quota_[0-9a-f]{32}|read|edit", "", answer.json()["detail"]))
        assert pool.get(f"/v1/admin/quotas/{id}", pool.operator).json().get("version") == before.json().get("version")
    assert len(told) == 1


def what_if(pool: Pool, who: httpx.AsyncClient, **change: Any) -> httpx.Response:
    return pool.post("/v1/admin/what-if", who, json=change)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/admin/quotas/document"),
        ("PUT", "/v1/admin/quotas/document"),
        ("POST", "/v1/admin/quotas"),
        ("DELETE", "/v1/admin/quotas/{east}"),
        ("GET", "/v1/admin/changes"),
        ("POST", "/v1/admin/changes"),
        ("GET", "/v1/admin/loans"),
    ],
)
def test_the_document_groups_and_changes_for_later_are_for_operators(
    pool: Pool, steward: httpx.AsyncClient, method: str, path: str
) -> None:
    before = pool.get("/v1/admin/quotas/document", pool.operator)
    east = quota(pool, "east")["id"]
    edit_of_its_own = {"change": {"quotas": [{"quota": east, "weight": 2}]}, "at": TERM}
    body = {"GET": None, "PUT": before.json() | {"groups": {}}, "POST": edit_of_its_own, "DELETE": None}[method]
    headers = {"If-Match": before.headers["etag"]}
    answer = pool.request(steward, method, path.format(east=east), json=body, headers=headers)
    assert answer.status_code == 403, answer.text
    assert "this steward's key lacks the scope admin:" in answer.json()["detail"]
    assert pool.get("/v1/admin/quotas/document", pool.operator).headers["etag"] == before.headers["etag"]


def test_a_steward_neither_asks_about_nor_moves_what_is_beyond_its_group(
    pool: Pool, steward: httpx.AsyncClient
) -> None:
    document = pool.get("/v1/admin/quotas/document", pool.operator).json()
    east = quota(pool, "east")["id"]
    for change in (
        {"document": document},
        {"commitment": {"numerator": 1}},
        {"drain": {"sites": ["local"]}},
        {"quotas": [{"quota": east, "weight": 2}, {"quota": quota(pool, "west")["id"], "weight": 2}]},
        *({"quotas": [{"quota": east, "parent": there}]} for there in ("commitment", "guests", "nowhere", "west")),
    ):
        assert what_if(pool, steward, **change).status_code == 403, change
    token = what_if(pool, pool.operator, quotas=[{"quota": east, "parent": "guests"}]).json()["token"]
    headers = {"If-Match": f'"{quota(pool, "east")["version"]}"', "Worldpool-What-If": token}
    moved = pool.request(steward, "PATCH", f"/v1/admin/quotas/{east}", json={"parent": "guests"}, headers=headers)
    assert (moved.status_code, "within axis" in moved.json()["detail"]) == (403, True)
    assert pool.get("/v1/admin/quotas/document", pool.operator).json() == document


def test_a_steward_moves_what_is_below_its_group_within_it(pool: Pool, steward: httpx.AsyncClient, axis: str) -> None:
    inner = pool.post("/v1/admin/quotas", pool.operator, json={"name": "inner", "parent": "axis"}).json()["id"]
    for there, id in (("inner", inner), ("axis", axis)):
        east = quota(pool, "east")
        answer = edit(pool, steward, east["id"], {"parent": there}, east["version"])
        assert (answer.status_code, answer.json()["parent"]) == (200, id)
    assert pool.request(pool.operator, "DELETE", f"/v1/admin/quotas/{inner}").status_code == 204


def test_what_a_steward_is_shown_of_a_change_is_what_follows_below_its_group(
    pool: Pool,
    steward: httpx.AsyncClient,
    worker: HandWorker,  # noqa: F811
) -> None:
    mine, other = (
        pool.client(pool.post("/v1/admin/keys", pool.operator, json={"cell": name}).json()["secret"])
        for name in ("east", "west")
    )
    runs = [submit(pool, client) for client in (mine, other)]
    change = [{"quota": quota(pool, "east")["id"], "state": "hold"}]
    everything, own = (what_if(pool, who, quotas=change).json() for who in (pool.operator, steward))
    assert {wait["cell"] for wait in everything["waits"]} == {"east", "west"}
    assert [wait["cell"] for wait in own["waits"]] == ["east"]
    assert own["waits"] == [wait for wait in everything["waits"] if wait["cell"] == "east"]
    assert {node["name"] for node in own["effective"]} <= {"axis", "east"}
    assert (own["needed"], own["takes"]) == (True, ["holds east"])
    for client, run in zip((mine, other), runs, strict=True):
        pool.post(f"{run}:cancel", client)


def test_a_group_whose_steward_or_webhook_is_there_is_not_deleted(pool: Pool) -> None:
    made = pool.post("/v1/admin/quotas", pool.operator, json={"name": "short"}).json()
    key = appoint(pool, steward_of="short").json()
    webhook = pool.post("/v1/webhooks", pool.client(key["secret"]), json={"url": "https://example.org/"}).json()["id"]

    def delete() -> httpx.Response:
        return pool.request(pool.operator, "DELETE", f"/v1/admin/quotas/{made['id']}")

    assert "(webhook, key)" in problem(delete(), 409)["detail"]
    pool.request(pool.operator, "DELETE", f"/v1/webhooks/{webhook}")
    assert "(key)" in problem(delete(), 409)["detail"]
    pool.request(pool.operator, "DELETE", f"/v1/admin/keys/{key['id']}")
    assert delete().status_code == 204


def test_a_steward_who_may_only_read_changes_nothing(pool: Pool, axis: str) -> None:
    reader = pool.client(appoint(pool, scopes=["quotas:read"]).json()["secret"])
    (east,) = pool.get("/v1/admin/quotas", reader).json()["items"]
    answer = edit(pool, reader, east["id"], {"weight": 2}, east["version"])
    assert (answer.status_code, "quotas:write" in answer.json()["detail"]) == (403, True)
    assert pool.post("/v1/webhooks", reader, json={"url": "https://example.org/"}).status_code == 403


def test_after_its_term_a_steward_is_nobody(pool: Pool, axis: str) -> None:
    made = appoint(pool).json()
    client = pool.client(made["secret"])
    assert pool.get("/v1/admin/quotas", client).status_code == 200
    ended = update(Key).where(Key.id == read("key", made["id"])).values(expires_at=datetime.now(UTC))
    transact(pool, lambda session: session.execute(ended))
    answer = pool.get("/v1/admin/quotas", client)
    assert (answer.status_code, answer.json()["detail"]) == (401, "this key has expired")


def test_everything_else_is_closed_to_a_steward(pool: Pool, steward: httpx.AsyncClient) -> None:
    tried = 0
    for path, operations in pool.app.openapi()["paths"].items():
        if not path.startswith("/v1") or any(path == each or path.startswith(f"{each}/") for each in OPEN):
            continue
        for method in operations:
            answer = pool.request(steward, method.upper(), re.sub("{.+?}", "quota_" + "0" * 32, path))
            assert answer.status_code == 403, (method, path, answer.text)
            assert "steward" in answer.json()["detail"], (method, path)
            tried += 1
    assert tried > 40


def test_a_steward_sees_the_queue_and_the_use_of_its_cells_alone(pool: Pool, steward: httpx.AsyncClient) -> None:
    mine, other = (
        pool.client(pool.post("/v1/admin/keys", pool.operator, json={"cell": name}).json()["secret"])
        for name in ("east", "west")
    )
    runs = [submit(pool, client).removeprefix("/v1/runs/") for client in (mine, other)]
    assert [entry["run"] for entry in pool.get("/v1/queue", steward).json()["items"]] == runs[:1]
    assert {entry["run"] for entry in pool.get("/v1/queue", pool.operator).json()["items"]} >= set(runs)
    names = [row["name"] for row in pool.get("/v1/shares", steward).json()["items"]]
    assert names[0] == "commitment"
    assert set(names) == {"commitment", "axis", "east", "(others)"}
    me = pool.get("/v1/me", steward).json()
    assert me["queued_items"] == pool.get("/v1/me", mine).json()["queued_items"] > 0
    for client, run in zip((mine, other), runs, strict=True):
        pool.post(f"/v1/runs/{run}:cancel", client)


def test_a_member_edits_no_quota_and_is_told_what_it_is(pool: Pool, axis: str) -> None:
    for answer in (pool.get("/v1/admin/quotas"), edit(pool, pool.cell, quota(pool, "demo")["id"], {"weight": 9})):
        assert answer.status_code == 403
        assert "key of a member" in answer.json()["detail"]


def test_a_sites_key_sees_no_queue(pool: Pool) -> None:
    for path in ("/v1/queue", "/v1/shares", "/v1/webhooks"):
        assert pool.get(path, pool.site).status_code == 403


def test_a_hold_of_the_group_is_seen_by_its_cells(pool: Pool, axis: str) -> None:
    key = pool.post("/v1/admin/keys", pool.operator, json={"cell": "east"}).json()["secret"]
    version = quota(pool, "axis")["version"]
    assert edit(pool, pool.operator, axis, {"state": "hold"}, version).status_code == 200
    assert pool.get("/v1/me", pool.client(key)).json()["held"]
    assert edit(pool, pool.operator, axis, {"state": "active"}, version + 1).status_code == 200
    assert not pool.get("/v1/me", pool.client(key)).json()["held"]


# --- guests


def test_a_new_installation_has_a_group_for_guests_that_takes_nothing_while_it_is_empty(pool: Pool) -> None:
    guests = quota(pool, "guests")
    expected = {"kind": "group", "weight": 1, "borrowing_limit_mc": None, "lending_limit_mc": None}
    assert guests.items() >= (expected | {"max_loan_ms": bootstrap.GUEST_LOAN_MS, "reclaim_first": True}).items()
    shares = {row["name"]: row for row in pool.get("/v1/shares", pool.operator).json()["items"]}
    assert (shares["guests"]["share_mc"], shares["guests"]["nominal_mc"]) == (0, 0)


def test_a_guest_begins_with_what_guests_have(pool: Pool) -> None:
    cell = {"name": "visitors", "group": "guests"}
    assert pool.post("/v1/admin/cells", pool.operator, json=cell).status_code == 201
    made = quota(pool, "visitors")
    assert (made["parent"], made["max_loan_ms"], made["borrowing_limit_mc"]) == (
        quota(pool, "guests")["id"], bootstrap.GUEST_LOAN_MS, None
    )  # fmt: skip
    assert quota(pool, "demo")["max_loan_ms"] is None
    unknown = pool.post("/v1/admin/cells", pool.operator, json={"name": "lost", "group": "nowhere"})
    assert (unknown.status_code, unknown.json()["errors"][0]["field"]) == (422, "body.group")
    assert "lost" not in pool.get("/v1/admin/cells", pool.operator).text


# --- webhooks


def test_a_webhook_belongs_to_whoever_registers_it(pool: Pool, steward: httpx.AsyncClient) -> None:
    other = pool.client(join(pool, "listeners", 1))
    url = "https://example.org/hook"
    made = {}
    for name, client in (("commitment", pool.operator), ("axis", steward), ("listeners", other)):
        answer = pool.post("/v1/webhooks", client, json={"url": url, "events": ["hold.set"]})
        assert answer.status_code == 201, answer.text
        assert answer.json()["node"] == name
        assert answer.json()["secret"].startswith("whsec_")
        made[name] = answer.json()["id"]
    seen = {
        name: {webhook["id"] for webhook in pool.get("/v1/webhooks", client).json()["items"]}
        for name, client in (("commitment", pool.operator), ("axis", steward), ("listeners", other))
    }
    assert seen == {"commitment": set(made.values()), "axis": {made["axis"]}, "listeners": {made["listeners"]}}
    assert "secret" not in pool.get("/v1/webhooks", other).text
    assert pool.get(f"/v1/webhooks/{made['axis']}/deliveries", other).status_code == 404
    assert pool.request(other, "DELETE", f"/v1/webhooks/{made['axis']}").status_code == 404
    assert pool.request(other, "DELETE", f"/v1/webhooks/{made['listeners']}").status_code == 204
    assert pool.get(f"/v1/webhooks/{made['listeners']}/deliveries", other).status_code == 404


def test_a_secret_is_shown_once_also_to_whoever_asks_again(pool: Pool) -> None:
    for path, body in (("/v1/webhooks", {"url": "https://example.org/"}), ("/v1/admin/keys", {"cell": "demo"})):
        headers = {"Idempotency-Key": f"again {path}".replace(" ", "-")}
        first, second = (pool.post(path, pool.operator, json=body, headers=headers) for _ in range(2))
        assert first.json()["secret"]
        assert second.json() == first.json() | {"secret": ""}


def test_a_webhook_within_is_refused_with_its_field(pool: Pool) -> None:
    answer = pool.post("/v1/webhooks", json={"url": "http://127.0.0.1/"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.url")


def test_what_became_of_an_event_is_shown(pool: Pool, axis: str) -> None:
    client = pool.client(join(pool, "watchers", 1))
    webhook = pool.post("/v1/webhooks", client, json={"url": "https://example.org/"}).json()["id"]
    node = quota(pool, "watchers")
    assert edit(pool, pool.operator, node["id"], {"state": "hold"}, node["version"]).status_code == 200
    (told,) = pool.get(f"/v1/webhooks/{webhook}/deliveries", client).json()["items"]
    assert (told["event"], told["state"], told["content"]["detail"]) == ("hold.set", "waiting", {"state": "hold"})
    assert pool.get(f"/v1/webhooks/{webhook}/deliveries?state=dead", client).json()["items"] == []
    again = pool.post(f"/v1/webhooks/{webhook}/deliveries/{told['id']}:redeliver", client)
    assert again.status_code == 409
