"""A cell learns nothing of another's work. Every route that the application has is called as one cell with every
identifier, name and cursor of another: the answer is the one that it would be if they did not exist.

Routes are found in the application, so that a new one fails here until it is tried.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.routing import Mount, Route

from service.ids import read, show
from service.models import Lease, QuotaNode, WorkItem
from service.pages import decode, encode
from tests.service.api.test_groups import transact
from tests.service.api.test_me import join
from tests.service.api.test_quotas import edit, quota
from tests.service.api.test_runs import REF, HandWorker, worker  # noqa: F401  (a fixture)
from tests.service.conftest import Pool

SECRET = "hush"
"""In each name that the first cell gives."""
BODIES: dict[str, list[dict[str, Any]]] = {
    "/v1/subsets": [
        {"union": ["{}"]},
        {"difference": ["{}", "{}"]},
        {"intersection": ["{}", "{}"]},
        {"refs": ["mujoco/ant@1;mass_scale=table({},friction)"]},
    ],
    "/v1/runs": [
        {"subset": "{}", "episodes": 1},
        {"refs": [REF], "episodes": 1, "policy": "{}"},
        {"refs": [REF], "episodes": 1, "policies": ["random", "{}"]},
        {"refs": ["mujoco/ant@1;mass_scale=table({},friction)"], "episodes": 1},
    ],
    "/v1/policies": [{"kind": "agents", "policies": {"*": "{}"}}],
    "/v1/webhooks": [{"url": "{}"}],
    "/v1/tables": [],
    "/v1/admin/cells": [{"name": "{}"}],
    "/v1/admin/keys": [{"cell": "{}"}, {"steward_of": "{}", "expires_at": "2030-01-01T00:00:00Z"}],
    "/v1/admin/sites": [{"name": "{}", "redis_url": "redis://x", "store_url": "file:///x"}],
    "/v1/admin/splits": [{"name": "{}", "rules": []}],
    "/v1/admin/quotas": [{"name": "x", "parent": "{}"}],
    "/v1/admin/what-if": [{"quotas": [{"quota": "{}", "weight": 1}]}, {"drain": {"workers": ["{}"]}}],
    "/v1/admin/changes": [{"change": {"quotas": [{"quota": "{}", "weight": 1}]}, "at": "2030-01-01T00:00:00Z"}],
    "/internal/workers": [{"name": "{}"}],
}
"""Bodies by path; {} is an identifier. Of other paths `OTHER`."""
OTHER: dict[str, Any] = {"seqs": [1], "allowed": 1, "weight": 1}
QUERIES = ("cursor", "label", "group", "consumer", "split", "text", "family", "after", "state", "param")


@pytest.fixture(scope="module")
def rival(pool: Pool) -> httpx.AsyncClient:
    return pool.client(join(pool, "rival", 1))


@pytest.fixture(scope="module")
def work(pool: Pool, rival: httpx.AsyncClient, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the first cell has, of each kind one: identifiers and names by what they are."""
    hand = HandWorker(pool, tmp_path_factory.mktemp("store"))
    found: dict[str, str] = {}

    def create(path: str, **body: Any) -> dict[str, Any]:
        answer = pool.post(path, json=body, headers={"Idempotency-Key": f"{SECRET}-{len(found)}"})
        assert answer.is_success, answer.text
        made: dict[str, Any] = answer.json()
        return made

    subset = create("/v1/subsets", refs=[REF, "mujoco/ant@1"], name=f"{SECRET}-subset")
    found |= {"subset": subset["id"], "subset digest": subset["digest"], "subset name": subset["name"]}
    found["policy"] = create("/v1/policies", kind="constant", action=7919)["digest"]
    found["table"] = create("/v1/tables", columns={"friction": [0.7919, 1.1]})["digest"]
    run = create(
        "/v1/runs",
        refs=[REF],
        steps_per_env=3_000_000,
        name=f"{SECRET}-run",
        labels={f"{SECRET}-label": f"{SECRET}-value"},
        groups=[f"{SECRET}-group"],
    )
    found |= {"run": run["id"], "run name": run["name"], "group": f"{SECRET}-group", "label": f"{SECRET}-label"}
    found["labelled"] = f"{SECRET}-label:{SECRET}-value"
    webhook = create("/v1/webhooks", url=f"https://{SECRET}.example.org/")
    node = quota(pool, "demo")
    for state in ("hold", "active"):
        edit(pool, "demo", {"state": state})
    event = pool.get(f"/v1/webhooks/{webhook['id']}/deliveries").json()["items"][0]["id"]
    found |= {"webhook": webhook["id"], "webhook url": webhook["url"], "event": event, "quota": node["id"]}
    found |= {"cell": node["cell"], "key": pool.get("/v1/webhooks").json()["items"][0]["created_by"]}
    hand.grants()

    async def inside(session: AsyncSession) -> dict[str, str]:
        item = (await session.scalars(select(WorkItem.id).where(WorkItem.state == "leased").limit(1))).one()
        lease = (await session.scalars(select(Lease.id).where(Lease.item_id == item))).one()
        leaf = await session.scalar(select(QuotaNode.id).where(QuotaNode.cell_id == read("cell", node["cell"])))
        assert leaf == read("quota", node["id"])
        return {"item": show("item", item), "lease": str(lease), "bare item": str(item)}

    found |= transact(pool, inside)
    for name in ("run", "subset", "webhook"):
        found[f"cursor of {name}"] = encode(read(found[name].partition("_")[0], found[name]))
    return found


def made_up(identifier: str) -> str:
    """Another of the same form and age that names nothing."""
    if SECRET in identifier:
        return identifier.replace(SECRET, "hash")
    if not re.search("[0-9a-f]{12}", identifier):
        return encode(UUID(made_up(decode(identifier, UUID).hex)))
    head, digits = re.match("(.*_)?(.*)", identifier).groups()  # type: ignore[union-attr]
    other = re.sub("[0-9a-f]", lambda digit: f"{15 - int(digit[0], 16):x}", digits[14:])
    return (head or "") + digits[:14] + other


# --- routes


def routes(pool: Pool) -> Iterator[tuple[str, str]]:
    """(method, path) of each, also of those that the description leaves out."""
    for route in pool.app.routes:
        if isinstance(route, Mount):
            assert route.path == "/docs/static"
            continue
        inner = [route] if isinstance(route, Route) else route.effective_route_contexts()  # type: ignore[attr-defined]
        for one in inner:
            for method in sorted(one.methods - {"HEAD", "OPTIONS"}):
                yield method, one.path


def test_the_routes_that_are_tried_are_all_there_are(pool: Pool) -> None:
    found = set(routes(pool))
    described = {(method.upper(), path) for path, methods in pool.app.openapi()["paths"].items() for method in methods}
    assert described <= {(method, re.sub(":path}", "}", path)) for method, path in found}
    assert ("POST", "/internal/workers") in found
    creating = {path for method, path in found if method == "POST" and "{" not in path}
    assert creating == set(BODIES), "say with which bodies a new route is tried"


def calls(path: str, names: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Addresses and arguments with which the first name is put to a route, wherever it takes something; in an address
    of several parts also behind each of the others."""
    holes = re.findall(r"{.+?}", path)
    for first in names if len(holes) > 1 else names[:1]:
        for last in dict.fromkeys((names[0], "1")):
            address = path
            for hole, filling in zip(holes, [first, *[last] * (len(holes) - 1)], strict=False):
                address = address.replace(hole, filling.replace("/", "%2F").replace("?", "%3F"), 1)
            yield address, {}
    if not holes:
        yield from ((path, {"params": {name: names[0]}}) for name in QUERIES)


def bodies(path: str, identifier: str) -> list[dict[str, Any]]:
    given = BODIES.get(path, [OTHER])
    escaped = json.dumps(identifier)[1:-1]
    return [json.loads(json.dumps(body).replace("{}", escaped)) for body in given]


def ask(
    pool: Pool, client: httpx.AsyncClient, method: str, path: str, names: Sequence[str]
) -> Iterator[tuple[str, httpx.Response]]:
    for address, arguments in calls(path, names):
        for body in bodies(path, names[0]) if method in ("POST", "PUT", "PATCH") else [None]:
            with_body = arguments if body is None else {"json": body, **arguments}
            headers = {"If-Match": '"1"', "Last-Event-ID": "1"}
            yield f"{method} {address} {with_body}", pool.request(client, method, address, headers=headers, **with_body)


def plain(answer: httpx.Response, names: Sequence[str]) -> tuple[int, str, dict[str, str]]:
    """What an answer tells, but for what the caller put into it and what is new each time."""
    text = answer.text
    for name in names:
        text = text.replace(name, "…").replace(name[:100], "…")
    text = re.sub(r'"decayed_core_ms":[0-9.e-]+', "", text)  # fades from one request to the next
    text = re.sub(r'"(request_id|created_at|id|secret|digest)":"[^"]*"', "", text.replace("hash", SECRET))
    told = {"x-request-id", "date", "content-length", "location"}
    return answer.status_code, text, {name: value for name, value in answer.headers.items() if name not in told}


def test_another_cells_things_are_as_if_they_were_not(
    pool: Pool, rival: httpx.AsyncClient, work: dict[str, str]
) -> None:
    tried = 0
    differing = []
    # looked at before anything is made: what one names in what one makes, one is shown again
    for method, path in sorted(routes(pool), key=lambda route: route[0] != "GET"):
        if path in ("/v1/me", "/readyz", "/docs", "/v1/openapi.json"):
            continue  # takes nothing
        for identifier in work.values():
            names = [identifier, work["run"], work["webhook"]]
            invented = [made_up(name) for name in names]
            assert not set(names) & set(invented)
            asked = zip(ask(pool, rival, method, path, names), ask(pool, rival, method, path, invented), strict=True)
            for (call, real), (_, other) in asked:
                tried += 1
                told = plain(real, names)
                if told != plain(other, invented):
                    differing.append((call, real.text, other.text))
                for name, secret in work.items():
                    if not any(secret in given for given in names) and secret in told[1] + json.dumps(told[2]):
                        differing.append((call, f"tells the {name}", real.text))
                assert real.status_code != 500, (call, real.text)
    assert differing == []
    assert tried > 2_000


def test_a_request_sent_again_is_answered_to_its_own_cell_alone(
    pool: Pool, rival: httpx.AsyncClient, work: dict[str, str]
) -> None:
    body = {"refs": [REF, "mujoco/ant@1"], "name": f"{SECRET}-subset"}
    headers = {"Idempotency-Key": f"{SECRET}-0"}
    assert pool.post("/v1/subsets", json=body, headers=headers).json()["id"] == work["subset"]
    made = pool.post("/v1/subsets", rival, json=body, headers=headers)
    assert made.status_code == 201
    assert made.json()["id"] != work["subset"]


ALLOWED = {"commitment_used_mc", "used_mc", "borrowed_mc", "used_core_ms", "decayed_core_ms", "order"}
"""Of the commitment and of all others as one: what the default of `shares_visible` lets a cell see."""


def look(pool: Pool, client: httpx.AsyncClient) -> dict[str, Any]:
    """All that a cell sees without naming anything, but for what is allowed."""
    found = {}
    for method, path in sorted(routes(pool)):
        if method == "GET" and "{" not in path and not path.startswith(("/docs", "/v1/openapi")):
            answer = pool.get(path, client)
            text = re.sub(r'"request_id":"[^"]*"', "", answer.text)
            found[path] = (answer.status_code, allowed_taken_out(text) if answer.is_success else text)
    return found


def _of_others(part: Any) -> bool:
    return isinstance(part, dict) and part.get("kind") in ("root", "others")


def allowed_taken_out(text: str) -> Any:
    def without(part: Any, own: bool = True) -> Any:
        if isinstance(part, list):
            return sorted((without(one, own=not _of_others(one)) for one in part), key=str)
        if not isinstance(part, dict):
            return part
        hidden = ALLOWED if not own else {"commitment_used_mc", "order"}
        return {name: without(value) for name, value in part.items() if name not in hidden}

    return without(json.loads(text)) if text.startswith("{") else text


def test_what_a_cell_sees_does_not_change_with_what_another_does(
    pool: Pool,
    rival: httpx.AsyncClient,
    work: dict[str, str],
    worker: HandWorker,  # noqa: F811
) -> None:
    before = look(pool, rival)
    assert before["/metrics"][0] == 403
    for number in range(3):
        body = {"refs": [REF], "steps_per_env": 3_000_000, "seed": number}
        assert pool.post("/v1/runs", json=body).status_code == 202
    grants = worker.grants()
    for grant in grants:
        worker.finish(grant, worker.claim(grant))
    assert grants
    assert pool.post("/v1/webhooks", json={"url": "https://example.org/"}).status_code == 201
    assert look(pool, rival) == before


def test_explanations_and_queues_of_one_cell_name_nothing_of_another(
    pool: Pool, rival: httpx.AsyncClient, work: dict[str, str]
) -> None:
    run = pool.post("/v1/runs", rival, json={"refs": [REF], "steps_per_env": 3_000_000}).json()["id"]
    paths = (f"/v1/runs/{run}", f"/v1/runs/{run}/explanation", "/v1/queue", "/v1/shares", "/v1/me", "/v1/runs")
    for path, (name, secret) in itertools.product(paths, [*work.items(), ("cell", "demo")]):
        answer = pool.get(path, rival)
        assert answer.status_code == 200
        assert secret not in answer.text + json.dumps(dict(answer.headers)), (path, name)
    pool.post(f"/v1/runs/{run}:cancel", rival)
