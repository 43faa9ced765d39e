"""Runs: queued whole, granted within the commitment, delivered in order, deleted. A worker is played by hand."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, update

from service.models import Outbox, Site
from service.scheduler import loop
from tests.service.conftest import Pool

REF = "classic/cartpole@1"


class HandWorker:
    """Speaks for one worker with `slots` slots; takes grants from the outbox, as a broker would."""

    def __init__(self, pool: Pool, store: Path, *, slots: int = 2) -> None:
        self.pool, self.store = pool, store
        incarnation = str(uuid4())
        request = {"name": "hand", "incarnation": incarnation, "slots": slots, "memory_mb": 9999, "runtime": "r"}
        self.id = self.call("workers", request)["worker_id"]
        for _ in range(2):
            self.call(f"workers/{self.id}/heartbeat", {"incarnation": incarnation})

    def call(self, path: str, body: dict[str, Any], status: int | None = None) -> dict[str, Any]:
        answer = self.pool.post(f"/internal/{path}", self.pool.site, json=body)
        assert answer.is_success if status is None else answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json() if answer.content else {}
        return found

    def grants(self) -> list[dict[str, Any]]:
        """Let the scheduler act, and take what it sends."""

        async def take() -> list[dict[str, Any]]:
            await loop.step(self.pool.parts.sessions)
            async with self.pool.parts.sessions.begin() as session:
                rows = await session.execute(delete(Outbox).returning(Outbox.id, Outbox.body))
                return [row.body for row in sorted(rows, key=lambda row: row.id)]

        return self.pool.runner.run(take())

    def claim(self, grant: dict[str, Any], *, attempt: UUID | None = None, status: int | None = None) -> dict[str, Any]:
        claim = {"worker_id": self.id, "fence": grant["fence"], "attempt": str(attempt or uuid4())}
        return self.call(f"leases/{grant['lease_id']}/claim", claim, status)

    def write(self, item: dict[str, Any]) -> Path:
        """The item's object, of its own bytes."""
        path = self.store / item["object_key"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.content(item))
        return path

    def content(self, item: dict[str, Any]) -> bytes:
        return f"chunk of {item['item_id']}".encode()

    def finish(self, grant: dict[str, Any], item: dict[str, Any]) -> Path:
        """Write the item's object and release it as done."""
        path = self.write(item)
        content = path.read_bytes()
        steps = sum(segment["steps"] or 0 for segment in item["segments"])
        part = {
            "episodes": 1,
            "steps": steps,
            "returns": 1,
            "return_sum": 2.5,
            "return_min": 2.5,
            "return_max": 2.5,
            "first_returns": 1,
            "first_return_sum": 2.5,
            "wall_ms": 1.0,
        }
        chunk = {
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "rows": steps + 1,
            "episodes": 1,
            "steps": steps,
            "summary": [{**part, "spec": spec} for spec in range(len(item["specs"]))],
        }
        release = {"worker_id": self.id, "fence": grant["fence"], "outcome": "done", "chunk": chunk}
        assert self.call(f"leases/{grant['lease_id']}/release", release)["accepted"]
        return path

    def lose(self, grant: dict[str, Any]) -> None:
        """Release an attempt as lost."""
        release = {"worker_id": self.id, "fence": grant["fence"], "outcome": "lost", "failure": "runner_died"}
        assert self.call(f"leases/{grant['lease_id']}/release", release)["accepted"]

    def serve(self) -> int:
        """Work until nothing is granted any more; the number of items."""
        count = 0
        while grants := self.grants():
            for grant in grants:
                self.finish(grant, self.claim(grant))
                count += 1
        return count


@pytest.fixture
def worker(pool: Pool, tmp_path: Path) -> Iterator[HandWorker]:
    async def use(url: str) -> None:
        async with pool.parts.sessions.begin() as session:
            await session.execute(update(Site).values(store_url=url))

    pool.runner.run(use(tmp_path.as_uri()))
    found = HandWorker(pool, tmp_path)
    yield found
    found.call(f"workers/{found.id}/leave", {})


def submit(pool: Pool, **body: Any) -> dict[str, Any]:
    answer = pool.post("/v1/runs", json={"refs": [REF], "steps_per_env": 300_000, "seed": 5} | body)
    assert answer.status_code == 202, answer.text
    run: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/v1/runs/{run['id']}"
    return run


def frames(content: bytes) -> list[tuple[dict[str, Any], bytes]]:
    found, at = [], 0
    while at < len(content):
        (length,) = struct.unpack_from("<I", content, at)
        header = json.loads(content[at + 4 : at + 4 + length])
        (size,) = struct.unpack_from("<Q", content, at + 4 + length)
        start = at + 4 + length + 8
        found.append((header, content[start : start + size]))
        at = start + size
    return found


def test_a_run_is_queued_whole_and_served_to_its_end(pool: Pool, worker: HandWorker) -> None:
    run = submit(pool, labels={"paper": "a"})
    assert (run["state"], run["steps_expected"], run["items_done"]) == ("queued", 300_000, 0)
    assert worker.serve() == run["items_total"] > 1
    run = pool.get(f"/v1/runs/{run['id']}").json()
    assert (run["state"], run["steps_done"], run["items_done"]) == ("succeeded", 300_000, run["items_total"])
    assert pool.get("/v1/me").json()["commitment_used_mc"] == 0
    assert run["id"] in [found["id"] for found in pool.get("/v1/runs", params={"label": "paper:a"}).json()["items"]]
    assert pool.get("/v1/runs", params={"label": "paper:b"}).json()["items"] == []
    (spec,) = pool.get(f"/v1/runs/{run['id']}/summary").json()["specs"]
    assert (spec["ref"], spec["steps"], spec["return_mean"]) == (REF, 300_000, 2.5)


def test_the_stream_gives_each_chunk_once_in_order_and_an_end(pool: Pool, worker: HandWorker) -> None:
    run = submit(pool)
    worker.serve()
    path = f"/v1/runs/{run['id']}"
    found = frames(pool.get(f"{path}/stream").content)
    chunks = [(header, payload) for header, payload in found if header["kind"] == "chunk"]
    assert [header["seq"] for header, _ in chunks] == list(range(1, run["items_total"] + 1))
    assert all(hashlib.sha256(payload).hexdigest() == header["sha256"] for header, payload in chunks)
    assert found[-1][0]["kind"] == "end"
    assert found[-1][0]["run"]["state"] == "succeeded"
    rest = [
        header["seq"]
        for header, _ in frames(pool.get(f"{path}/stream", params={"after": 2}).content)
        if "seq" in header
    ]
    assert rest == list(range(3, run["items_total"] + 1))
    listed = pool.get(f"{path}/chunks").json()["items"]
    assert [chunk["seq"] for chunk in listed] == [header["seq"] for header, _ in chunks]
    assert pool.get(listed[0]["href"]).content == chunks[0][1]
    assert pool.get(f"{path}/chunks/999").status_code == 404


def test_progress_comes_as_server_sent_events_too(pool: Pool, worker: HandWorker) -> None:
    run = submit(pool)
    worker.serve()
    answer = pool.get(f"/v1/runs/{run['id']}/stream", headers={"Accept": "text/event-stream", "Last-Event-ID": "1"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [block.split("\n") for block in answer.text.strip().split("\n\n")]
    assert [lines[0] for lines in events] == ["event: chunk"] * (run["items_total"] - 1) + ["event: end"]
    assert events[0][1] == "id: 2"


@pytest.mark.parametrize(
    ("query", "headers", "field"),
    [
        ({"after": 10**6}, {}, "query.after"),
        ({}, {"Accept": "text/event-stream", "Last-Event-ID": "abc"}, "header.last-event-id"),
        ({}, {"Accept": "text/event-stream", "Last-Event-ID": "9" * 20}, "header.last-event-id"),
    ],
)
def test_a_stream_goes_on_from_a_chunk_that_is_there(
    pool: Pool, query: dict[str, int], headers: dict[str, str], field: str
) -> None:
    path = f"/v1/runs/{submit(pool)['id']}"
    answer = pool.get(f"{path}/stream", params=query, headers=headers)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    pool.post(f"{path}:cancel")


def test_never_more_is_granted_than_there_are_slots(pool: Pool, worker: HandWorker) -> None:
    run = submit(pool)
    grants = worker.grants()
    assert len(grants) == 2
    assert worker.grants() == []
    me = pool.get("/v1/me").json()
    assert (me["used_mc"], me["commitment_mc"], me["running_items"]) == (2000, 2000, 2)
    assert pool.post(f"/v1/runs/{run['id']}:cancel").json()["state"] == "cancelled"
    assert pool.get("/v1/me").json()["used_mc"] == 0
    worker.claim(grants[0], status=410)


def test_a_claim_whose_answer_was_lost_is_answered_again_and_a_second_message_is_refused(
    pool: Pool, worker: HandWorker
) -> None:
    submit(pool)
    for grant in worker.grants():
        attempt = uuid4()
        item = worker.claim(grant, attempt=attempt)
        assert worker.claim(grant, attempt=attempt) == item
        worker.claim(grant, status=409)
        worker.finish(grant, item)
        worker.claim(grant, attempt=attempt, status=410)
    worker.serve()


def test_a_failure_of_the_environment_fails_its_item_and_the_run_goes_on(pool: Pool, worker: HandWorker) -> None:
    run = submit(pool)
    first, *others = worker.grants()
    worker.claim(first)
    failed = {
        "worker_id": worker.id,
        "fence": 1,
        "outcome": "failed",
        "failure": "environment_error",
        "detail": "a\0 b",
    }
    worker.call(f"leases/{first['lease_id']}/release", failed)
    for grant in others:
        worker.finish(grant, worker.claim(grant))
    worker.serve()
    run = pool.get(f"/v1/runs/{run['id']}").json()
    assert (run["state"], run["items_failed"], run["items_done"]) == ("failed", 1, run["items_total"] - 1)
    assert run["failure"] == "environment_error: a b"


def test_a_run_waits_with_a_reason_and_a_held_cell_gets_nothing(pool: Pool, worker: HandWorker) -> None:
    quota = next(q for q in pool.get("/v1/admin/quotas", pool.operator).json()["items"] if q["name"] == "demo")
    path = f"/v1/admin/quotas/{quota['id']}"

    def hold(state: str) -> None:
        tag = pool.get(path, pool.operator).headers["etag"]
        change = {"quotas": [{"quota": quota["id"], "state": state}]}
        token = pool.post("/v1/admin/what-if", pool.operator, json=change).json()["token"]
        headers = {"If-Match": tag, "Worldpool-What-If": token}
        answer = pool.request(pool.operator, "PATCH", path, json={"state": state}, headers=headers)
        assert answer.status_code == 200

    hold("hold")
    run = submit(pool)
    assert worker.grants() == []
    assert pool.get(f"/v1/runs/{run['id']}").json()["waiting"] == "HELD"
    hold("active")
    assert worker.serve() == run["items_total"]


def test_a_finished_run_can_be_deleted_with_its_objects_and_a_running_one_cannot(
    pool: Pool, worker: HandWorker
) -> None:
    run = submit(pool)
    path = f"/v1/runs/{run['id']}"
    assert pool.request(pool.cell, "DELETE", path).status_code == 409
    worker.serve()
    folder = worker.store / "runs" / run["id"].removeprefix("run_")
    assert len(list(folder.iterdir())) == run["items_total"]
    assert pool.request(pool.cell, "DELETE", path).status_code == 204
    assert list(folder.iterdir()) == []
    assert pool.get(path).status_code == 404


def test_the_commitment_is_an_exact_share_and_each_change_is_an_epoch(pool: Pool, worker: HandWorker) -> None:
    path = "/v1/admin/commitment"
    before = pool.get(path, pool.operator)
    assert before.json()["capacity_mc"] == 6061
    assert before.json()["limit_mc"] == 33 * 6061 // 100 == 2000
    change = {"numerator": 16}
    shown = pool.post("/v1/admin/what-if", pool.operator, json={"commitment": change}).json()
    assert (shown["limit_before_mc"], shown["limit_after_mc"], shown["needed"]) == (2000, 969, True)
    headers = {"If-Match": before.headers["etag"], "Worldpool-What-If": shown["token"]}
    answer = pool.request(pool.operator, "PATCH", path, json=change, headers=headers)
    assert answer.json()["limit_mc"] == 16 * 6061 // 100 == 969
    run = submit(pool)
    assert worker.grants() == []
    assert pool.get(f"/v1/runs/{run['id']}").json()["waiting"] == "COMMITMENT_BELOW_ONE_SLOT"
    back = {"If-Match": answer.headers["etag"]}
    assert pool.request(pool.operator, "PATCH", path, json={"numerator": 33}, headers=back).json()["limit_mc"] == 2000
    epochs = pool.get(f"{path}/epochs", pool.operator).json()["items"]
    assert [epoch["limit_mc"] for epoch in epochs[:2]] == [2000, 969]
    assert pool.get("/v1/admin/audit", pool.operator).json()["items"][0]["change"] == {"numerator": [16, 33]}
    assert worker.serve() == run["items_total"]
