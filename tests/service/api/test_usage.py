"""Usage and statements: what was used is summed up right, shown to whom it concerns, and follows from the export."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from service import statements
from service.models import CapacityEpoch
from service.scheduler import loop
from tests.service import rederive
from tests.service.api.test_groups import transact
from tests.service.api.test_me import join
from tests.service.api.test_quotas import edit
from tests.service.api.test_runs import REF, HandWorker, worker  # noqa: F401  (a fixture)
from tests.service.conftest import Pool


@pytest.fixture(scope="module")
def rival(pool: Pool) -> httpx.AsyncClient:
    return pool.client(join(pool, "rival", 1))


def labelled(pool: Pool, labels: dict[str, str]) -> httpx.AsyncClient:
    """A key of the cell whose runs have these labels."""
    made = pool.post("/v1/admin/keys", pool.operator, json={"cell": "demo", "labels": labels})
    assert made.json()["labels"] == labels
    return pool.client(made.json()["secret"])


def submit(pool: Pool, client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    return pool.post("/v1/runs", client, json={"refs": [REF], "steps_per_env": 300_000} | body)


def usage(pool: Pool, client: httpx.AsyncClient, *by: str, **filters: Any) -> list[dict[str, Any]]:
    answer = pool.get("/v1/usage", client, params={"by": list(by), **filters})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


# --- labels


def test_a_run_has_the_labels_of_its_key_and_its_own(pool: Pool) -> None:
    client = labelled(pool, {"person": "ada", "project": "gait"})
    run = submit(pool, client, labels={"paper": "a", "person": "ada"}).json()
    assert run["labels"] == {"person": "ada", "project": "gait", "paper": "a"}
    pool.post(f"/v1/runs/{run['id']}:cancel", client)


def test_a_run_that_would_be_another_persons_is_refused(pool: Pool) -> None:
    answer = submit(pool, labelled(pool, {"person": "ada"}), labels={"person": "eve"})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"field": "body.labels.person", "reason": "is ada for all that this key submits"}
    ]


@pytest.mark.parametrize(
    ("owner", "labels", "field"),
    [
        ({}, {"person": "ada"}, "body.labels"),
        ({"cell": "demo"}, {"person": ""}, "body.labels.person"),
        ({"cell": "demo"}, {"person": 1}, "body.labels.person"),
        ({"cell": "demo"}, {str(n): "x" for n in range(33)}, "body.labels"),
    ],
)
def test_labels_that_a_key_cannot_have_are_refused(
    pool: Pool, owner: dict[str, str], labels: dict[str, Any], field: str
) -> None:
    answer = pool.post("/v1/admin/keys", pool.operator, json=owner | {"labels": labels})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


# --- usage


def test_usage_is_summed_up_by_what_is_asked_and_shown_to_its_cell_alone(
    pool: Pool,
    worker: HandWorker,  # noqa: F811
    rival: httpx.AsyncClient,
) -> None:
    people = {name: labelled(pool, {"person": name}) for name in ("ada", "bob")}
    runs = {name: submit(pool, client).json() for name, client in people.items()}
    theirs = submit(pool, rival).json()
    worker.serve()
    by_run = {row["group"]["run"]: row for row in usage(pool, pool.cell, "run")}
    assert {run["id"] for run in runs.values()} <= by_run.keys()
    assert theirs["id"] not in pool.get("/v1/usage", params={"by": ["run", "cell"]}).text
    assert by_run[runs["ada"]["id"]]["leases"] == runs["ada"]["items_total"]
    by_person = {row["group"]["label:person"]: row["core_ms"] for row in usage(pool, pool.cell, "label:person")}
    assert by_person["ada"] == by_run[runs["ada"]["id"]]["core_ms"]
    total = pool.get("/v1/me").json()["used_core_ms"]
    (paid,) = [row["core_ms"] for row in usage(pool, pool.cell, "payer") if row["group"]["payer"] == "cell"]
    assert paid == total == sum(row["core_ms"] for row in usage(pool, pool.cell, "window", "payer"))
    cells = {row["group"]["cell"]: row["core_ms"] for row in usage(pool, pool.operator, "cell")}
    assert cells.keys() == {"demo", "rival"}
    assert cells["demo"] == total


def test_a_steward_sees_the_usage_of_its_group_and_a_site_of_nobody(pool: Pool, worker: HandWorker) -> None:  # noqa: F811
    def client(**owner: str) -> httpx.AsyncClient:
        return pool.client(pool.post("/v1/admin/keys", pool.operator, json=owner).json()["secret"])

    pool.post("/v1/admin/cells", pool.operator, json={"name": "guest", "group": "guests"})
    steward = client(steward_of="guests", expires_at="2100-01-01T00:00:00Z")
    assert usage(pool, steward, "cell") == []
    submit(pool, client(cell="guest"))
    submit(pool, pool.cell)
    worker.serve()
    assert [row["group"]["cell"] for row in usage(pool, steward, "cell")] == ["guest"]
    assert pool.get("/v1/usage", client(site="local")).status_code == 403
    assert pool.get("/v1/usage", pool.anonymous).status_code == 401


def test_usage_of_lost_work_is_the_sites(pool: Pool, worker: HandWorker) -> None:  # noqa: F811
    run = submit(pool, pool.cell).json()
    grant = worker.grants()[0]
    worker.claim(grant)
    before = pool.get("/v1/me").json()["window"]
    worker.lose(grant)
    after = pool.get("/v1/me").json()["window"]
    assert after["settled_core_ms"] == before["settled_core_ms"]
    assert after["reserved_core_ms"] < before["reserved_core_ms"]
    assert {row["group"]["payer"] for row in usage(pool, pool.cell, "run", "payer")} >= {"cell", "site"}
    pool.post(f"/v1/runs/{run['id']}:cancel")


def test_usage_comes_in_pages_and_between_times(pool: Pool) -> None:
    whole = usage(pool, pool.operator, "cell", "run")
    assert len(whole) > 2
    found, cursor = [], None
    while True:
        params = {"by": ["cell", "run"], "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = pool.get("/v1/usage", pool.operator, params=params).json()
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == whole
    assert usage(pool, pool.operator, **{"from": "2100-01-01"}) == []
    assert usage(pool, pool.operator, to="2000-01-01T00:00:00+02:00") == []
    assert usage(pool, pool.operator, **{"from": "2000-01-01", "to": "2100-01-01T00:00Z"}) != []


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"by": "colour"}, "query.by.0"),
        ({"by": "label:"}, "query.by.0"),
        ({"by": "label:a\0"}, "query.by.0"),
        ({"by": ["run", "run"]}, "query.by"),
        ({"from": "yesterday"}, "query.from"),
        ({"cursor": "W10"}, "query.cursor"),
        ({"cursor": "WyJcdWQ4MDAiXQ"}, "query.cursor"),
        ({"since": "2026-01-01"}, "query.since"),
    ],
)
def test_usage_that_makes_no_sense_is_refused(pool: Pool, params: dict[str, Any], field: str) -> None:
    answer = pool.get("/v1/usage", params=params)
    assert answer.status_code == 422, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [field]


# --- budgets


def test_a_cell_sees_what_is_left_of_its_budget_and_why_it_waits(
    pool: Pool,
    worker: HandWorker,  # noqa: F811
) -> None:
    run = submit(pool, pool.cell, steps_per_env=3_000_000).json()
    spent = pool.get("/v1/me").json()["window"]["settled_core_ms"]
    edit(pool, "demo", {"window_budget_core_ms": spent + 1})
    assert worker.grants() == []
    why = pool.get(f"/v1/runs/{run['id']}/explanation").json()
    window = pool.get("/v1/me").json()["window"]
    assert (why["reason"], why["node"], why["unit"]) == ("BUDGET_SPENT", "demo", "core_ms")
    assert why["until"] == window["ends_at"]
    assert (window["budget_core_ms"], window["left_core_ms"]) == (spent + 1, 1)
    (change,) = why["changes"]
    assert (change["lever"], change["amount"]) == ("RAISE_BUDGET", why["deficit"])
    edit(pool, "demo", {"window_budget_core_ms": spent + 1 + why["deficit"]})
    assert len(worker.grants()) == 1
    window = pool.get("/v1/me").json()["window"]
    assert (window["reserved_core_ms"], window["left_core_ms"]) == (why["deficit"] + 1, 0)
    edit(pool, "demo", {"window_budget_core_ms": None})
    assert pool.get("/v1/me").json()["window"]["left_core_ms"] is None
    pool.post(f"/v1/runs/{run['id']}:cancel")


def test_the_whole_commitment_has_a_budget_too(pool: Pool, worker: HandWorker) -> None:  # noqa: F811
    run = submit(pool, pool.cell).json()
    assert edit(pool, "commitment", {"window_budget_core_ms": 0}).status_code == 200
    assert worker.grants() == []
    assert pool.get(f"/v1/runs/{run['id']}").json()["waiting"] == "BUDGET_SPENT"
    edit(pool, "commitment", {"window_budget_core_ms": None})
    worker.serve()


def test_windows_of_another_length_begin_where_the_open_one_ends(pool: Pool) -> None:
    before = pool.get("/v1/admin/commitment", pool.operator).json()
    match = {"If-Match": f'"{before["version"]}"'}
    wrong = pool.request(pool.operator, "PATCH", "/v1/admin/commitment", json={"window": "year"}, headers=match)
    assert [error["field"] for error in wrong.json()["errors"]] == ["body.window"]
    changed = pool.request(pool.operator, "PATCH", "/v1/admin/commitment", json={"window": "hour"}, headers=match)
    assert changed.json()["window"] == "hour"
    assert changed.json()["window_ends_at"] == before["window_ends_at"]


# --- statements


def test_statements_are_for_operators(pool: Pool) -> None:
    for path in ("/v1/admin/statements", "/v1/admin/statements/2026-01-01", "/v1/admin/statements/2026-01-01/export"):
        assert pool.get(path, pool.anonymous).status_code == 401
        assert pool.get(path).status_code == 403


@pytest.mark.parametrize(("at", "status"), [("1999-01-01", 404), ("soon", 422), ("0001-01-01T00:00:00+14:00", 404)])
def test_of_a_time_without_accounts_there_is_no_statement(pool: Pool, at: str, status: int) -> None:
    for path in (f"/v1/admin/statements/{at}", f"/v1/admin/statements/{at}/export"):
        assert pool.get(path, pool.operator).status_code == status


def told(pool: Pool) -> dict[str, Any]:
    newest = pool.get("/v1/admin/statements", pool.operator).json()["items"][0]["starts_at"]
    answer = pool.get(f"/v1/admin/statements/{newest}", pool.operator)
    assert answer.status_code == 200, answer.text
    statement: dict[str, Any] = answer.json()
    return statement


def test_a_statement_adds_up(pool: Pool, worker: HandWorker, rival: httpx.AsyncClient) -> None:  # noqa: F811
    submit(pool, pool.cell)
    submit(pool, rival)
    worker.serve()
    statement = told(pool)
    assert not statement["final"]
    assert statement["used_core_ms"] == sum(statement["by_payer"].values())
    assert statement["used_core_ms"] <= statement["entitled_core_ms"] + statement["overage_core_ms"]
    assert statement["by_payer"]["cell"] == sum(cell["settled_core_ms"] for cell in statement["cells"])
    cells = {cell["cell"]: cell for cell in statement["cells"]}
    assert cells["demo"]["settled_core_ms"] == pool.get("/v1/me").json()["window"]["settled_core_ms"]
    for cell in cells.values():
        assert cell["borrowed_core_ms"] == max(0, cell["settled_core_ms"] - cell["entitled_core_ms"])
        assert cell["lent_core_ms"] <= max(0, cell["entitled_core_ms"] - cell["settled_core_ms"])
    assert sum(cell["lent_core_ms"] for cell in cells.values()) <= sum(
        cell["borrowed_core_ms"] for cell in cells.values()
    )


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_a_statement_follows_from_its_export_alone(
    pool: Pool,
    worker: HandWorker,  # noqa: F811
    tmp_path: Path,
    format: str,
) -> None:
    submit(pool, pool.cell, labels={"note": 'a "quoted", text'})
    worker.grants()
    worker.call(f"workers/{worker.id}/leave", {})  # capacity is lost, and with it all that ran
    exported(pool, tmp_path, format)
    tables = {path.stem for path in tmp_path.iterdir()}
    assert tables == {"summary", "cells", "overages", "epochs", "segments"}
    assert verdict(tmp_path) == 0
    segments = rederive.read(tmp_path, "segments")
    assert any('"quoted' in segment["labels"] for segment in segments)


def test_the_script_notices_a_segment_that_is_missing(pool: Pool, tmp_path: Path) -> None:
    exported(pool, tmp_path, "csv")
    segments = tmp_path / "segments.csv"
    lines = segments.read_text().splitlines(keepends=True)
    longest = max(lines[1:], key=lambda line: int(line.split(",")[7]))
    segments.write_text("".join(line for line in lines if line != longest))
    assert verdict(tmp_path) == 1


def exported(pool: Pool, folder: Path, format: str) -> None:
    at = told(pool)["starts_at"]
    answer = pool.get(f"/v1/admin/statements/{at}/export", pool.operator, params={"format": format})
    assert answer.headers["content-type"] == "application/zip"
    zipfile.ZipFile(io.BytesIO(answer.content)).extractall(folder)


def verdict(folder: Path) -> int:
    return subprocess.run([sys.executable, rederive.__file__, str(folder)], check=False).returncode


def test_the_script_that_derives_statements_anew_has_no_more_than_50_lines() -> None:
    assert len(Path(rederive.__file__).read_text().splitlines()) <= 50


def test_overages_are_found_with_their_cause_and_the_script_finds_as_much(pool: Pool, tmp_path: Path) -> None:
    """A worker falls silent: what ran on others is beyond what is left of the commitment until it ends."""
    start = datetime.fromisoformat(told(pool)["starts_at"])
    seconds = [start + timedelta(seconds=n) for n in range(6)]
    transact(pool, lambda session: _history(session, seconds))
    found = told(pool)
    exported(pool, tmp_path, "parquet")
    assert verdict(tmp_path) == 0
    (overage,) = [each for each in found["overages"] if each["cause"] == "w0 fell silent"]
    assert (overage["highest_mc"], overage["core_ms"]) == (1020, 1020 + 20)
    assert [datetime.fromisoformat(overage[edge]) for edge in ("starts_at", "ends_at")] == [seconds[2], seconds[4]]
    assert found["highest_ratio"] == pytest.approx(3000 / 1980)
    assert found["overage_core_ms"] >= overage["core_ms"]


async def _history(session: Any, seconds: list[datetime]) -> None:
    """Three cores in use from second 1 to 3, two to 4; from 2 on they are more than the commitment."""
    for number, (at, capacity) in enumerate(((seconds[0], 10_000), (seconds[2], 6000))):
        epoch = {"epoch": -2 + number, "at": at, "capacity_mc": capacity, "limit_mc": capacity * 33 // 100}
        session.add(CapacityEpoch(**epoch, numerator=33, denominator=100, cause="w0 fell silent" if number else "w0"))
    await session.flush()
    for ends_at, count in ((seconds[3], 1), (seconds[4], 2)):
        await session.execute(
            text(
                """
                INSERT INTO usage_segment
                    (lease_id, node_id, payer, started_at, ended_at, mc, core_ms, window_starts_at)
                SELECT gen_random_uuid(), id, 'cell', :since, :until, 1000, :ms, :window
                FROM quota_node, generate_series(1, :count) WHERE name = 'demo'
                """
            ),
            {
                "since": seconds[1],
                "until": ends_at,
                "ms": (ends_at - seconds[1]) // timedelta(milliseconds=1),
                "window": seconds[0],
                "count": count,
            },
        )


def test_what_the_commitment_was_is_exact_to_the_microsecond() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    epochs = [
        CapacityEpoch(epoch=n, at=at, capacity_mc=mc, numerator=33, denominator=100, limit_mc=mc * 33 // 100)
        for n, (at, mc) in enumerate(
            [(start - timedelta(days=1), 3031), (start + timedelta(microseconds=1), 0), (start, 9999)]
        )
    ]
    assert statements.entitled(epochs[:1], start, start + timedelta(hours=1)) == 33 * 3031 * 36
    assert statements.entitled(epochs[:2], start, start + timedelta(hours=1)) == 0
    assert statements.entitled(epochs, start, start + timedelta(seconds=1)) == 33 * 9999 // 100
    epochs[2].limit_mc = 4000  # an exception of four slots
    assert statements.entitled(epochs, start, start + timedelta(seconds=1)) == 4000


def test_a_window_that_is_over_is_final_and_the_next_opens_without_its_unused_budget(
    pool: Pool,
    worker: HandWorker,  # noqa: F811
) -> None:
    submit(pool, pool.cell)
    grant = worker.grants()[0]
    item = worker.claim(grant)
    edit(pool, "demo", {"window_budget_core_ms": 10**12})
    transact(pool, _a_day_passes)
    pool.runner.run(loop.sweep(pool.parts.sessions))
    now, before = (pool.get("/v1/admin/statements", pool.operator).json()["items"])[:2]
    assert before["ends_at"] == now["starts_at"]
    path = f"/v1/admin/statements/{before['starts_at']}"
    assert not pool.get(path, pool.operator).json()["final"]
    worker.finish(grant, item)
    worker.serve()
    assert pool.get(path, pool.operator).json()["final"]
    window = pool.get("/v1/me").json()["window"]
    assert (window["starts_at"], window["debt_core_ms"]) == (now["starts_at"], 0)
    assert window["left_core_ms"] == 10**12 - window["settled_core_ms"]
    windows = {row["group"]["window"] for row in usage(pool, pool.cell, "window")}
    assert {now["starts_at"], before["starts_at"]} <= windows


async def _a_day_passes(session: Any) -> None:
    """All that was is moved to the day before; the scheduler has not looked since."""
    for table, columns in {
        "usage_segment": ("started_at", "ended_at", "window_starts_at"),
        "window_account": ("starts_at", "ends_at"),
        "capacity_epoch": ("at",),
        "commitment": ("window_starts_at", "window_ends_at", "accrued_at"),
        "lease": ("granted_at", "claimed_at"),
    }.items():
        moved = ", ".join(f"{column} = {column} - interval '1 day'" for column in columns)
        await session.execute(text(f"UPDATE {table} SET {moved}"))
