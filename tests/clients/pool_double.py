"""A small pool over real HTTP that speaks the contract, for tests of the client alone.

Answers are built with the service's own schemas, so that they cannot drift from the contract. Faults are scripted:
answers that come instead of the right one, and connections that play given bytes and then end or break.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import socket
import struct
import threading
import zipfile
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import StreamingResponse

import env_registry
from service.api import schemas
from tests.clients.chunk_bytes import single_chunk

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KEY, OPERATOR_KEY = "wp_cell", "wp_operator"
BREAK = b""
"""In a script: the connection is torn here, in the middle of the answer."""


def environment(number: int, domain: str = "physics") -> schemas.Environment:
    return schemas.Environment(
        ref=f"toy/line_{number}@1",
        digest=f"{number:064x}",
        domain=domain,
        family=f"toy/line_{number % 3}",
        base_task="toy/line",
        kind="single",
        tags=["toy"],
        parameters={"gravity": 9.81},
        modifiers=[],
        catalogued=True,
        agents=1,
        observations="vector",
        actions="continuous",
        engine="toy",
        horizon=100,
        step_us=10.0,
        make_ms=1.0,
        memory_mb=100,
        seed_sensitive=True,
        snapshot="exact",
        effect=None,
    )


def run_state(state: str = "running", **changes: Any) -> schemas.Run:
    values: dict[str, Any] = {
        "id": "run_1",
        "state": state,
        "subset": "sub_1",
        "environments": 3,
        "name": None,
        "policies": ["random"],
        "max_parallel": None,
        "max_unread": None,
        "abandon_after_s": None,
        "retention": "keep",
        "record": {},
        "runtime": "r" * 64,
        "episodes": None,
        "steps_per_env": 10,
        "seeds": [0],
        "labels": {},
        "purpose": "train",
        "split": "default@1",
        "held_out": {},
        "carved": [],
        "items_total": 3,
        "items_done": 0,
        "items_failed": 0,
        "items_running": 0,
        "steps_expected": 30,
        "steps_done": 0,
        "episodes_done": 0,
        "chunks": 0,
        "chunks_deleted": 0,
        "bytes": 0,
        "failure": None,
        "waiting": None,
        "created_at": NOW,
        "started_at": NOW,
        "finished_at": None,
    }
    return schemas.Run.model_validate(values | changes)


def frame(header: dict[str, Any], payload: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<I", len(text)) + text + struct.pack("<Q", len(payload)) + payload


def state_frame(kind: str, run: schemas.Run) -> bytes:
    return frame({"kind": kind, "run": run.model_dump(mode="json")})


def chunk_frame(seq: int, data: bytes, sha256: str | None = None) -> bytes:
    return frame({"kind": "chunk", "seq": seq, "sha256": sha256 or hashlib.sha256(data).hexdigest()}, data)


@dataclass
class Seen:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any


@dataclass
class PoolDouble:
    """`refusals` (status, headers, problem fields) come before right answers; streams play `scripts` and `events`, and
    stand still at an event in a script until it is set."""

    environments: list[schemas.Environment] = field(default_factory=lambda: [environment(n) for n in range(25)])
    run: schemas.Run = field(default_factory=run_state)
    what_if: schemas.WhatIf = field(default_factory=lambda: rehearsed())
    quotas: dict[str, Any] = field(default_factory=lambda: {"commitment": {"numerator": 33}, "cells": {"1e3": {}}})
    card: dict[str, Any] = field(default_factory=lambda: {"cost": {"step_us": 10.0}})
    chunks: list[bytes] = field(default_factory=lambda: [single_chunk([n], first_episode=n) for n in range(1, 6)])
    refusals: list[tuple[int, dict[str, str], dict[str, Any]]] = field(default_factory=list)
    scripts: list[Iterable[bytes | threading.Event]] = field(default_factory=list)
    events: list[Iterable[bytes | threading.Event]] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    acknowledged: list[int] = field(default_factory=list)
    """What was acknowledged, in order."""
    refused: int = 0
    """So many acknowledgements are answered with 503 first."""
    streaming: threading.Event = field(default_factory=threading.Event)
    """Set when somebody has asked for a stream."""

    def __post_init__(self) -> None:
        self._told: asyncio.Event | None = None
        self._socket = bound_socket(0)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.app = self._build()

    # --- life

    def start(self) -> None:
        if self._socket.fileno() == -1:  # after a stop: the same address again
            self._socket = bound_socket(int(self.url.rpartition(":")[2]))
        config = uvicorn.Config(self.app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})
        self._socket.listen()  # connections wait in the queue until the loop runs
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    # --- what it answers

    def paths(self, method: str) -> list[str]:
        return [seen.path for seen in self.seen if seen.method == method]

    def stream(self, after: int) -> Iterator[bytes]:
        yield state_frame("progress", self.run)
        for seq, data in enumerate(self.chunks, start=1):
            if seq > after:
                yield chunk_frame(seq, data)
        yield state_frame("end", self.run.model_copy(update={"state": "succeeded", "chunks": len(self.chunks)}))

    def states(self) -> Iterator[bytes]:
        """Half of the chunks, then the end."""
        for kind, state, chunks in (
            ("progress", "running", len(self.chunks) // 2),
            ("end", "succeeded", len(self.chunks)),
        ):
            run = self.run.model_copy(update={"state": state, "chunks": chunks})
            yield f"event: {kind}\ndata: {run.model_dump_json()}\n\n".encode()

    async def share(self) -> AsyncIterator[bytes]:
        """To the only consumer of a group: what is not acknowledged, and the end when all is."""
        yield state_frame("progress", self.run)
        for seq, data in enumerate(self.chunks, start=1):
            if seq not in self.acknowledged:
                yield chunk_frame(seq, data)
        while len(set(self.acknowledged)) < len(self.chunks):
            self._told = asyncio.Event()
            await self._told.wait()
        yield state_frame("end", self.run.model_copy(update={"state": "succeeded", "chunks": len(self.chunks)}))

    def _build(self) -> FastAPI:
        app = FastAPI()

        @app.middleware("http")
        async def remember(request: Request, answer: Any) -> Response:
            body = await request.body()
            query = {name: request.query_params.getlist(name) for name in request.query_params}
            path = request.scope["raw_path"].decode()
            content = json.loads(body) if body else None
            self.seen.append(Seen(request.method, path, query, dict(request.headers), content))
            if request.headers.get("authorization") not in (f"Bearer {KEY}", f"Bearer {OPERATOR_KEY}"):
                return problem(401, {}, {"detail": "the key is unknown"})
            if self.refusals:
                return problem(*self.refusals.pop(0))
            return await answer(request)  # type: ignore[no-any-return]

        self._environment_routes(app)
        self._table_routes(app)
        self._run_routes(app)
        self._queue_routes(app)
        self._webhook_routes(app)
        self._admin_routes(app)
        return app

    def _environment_routes(self, app: FastAPI) -> None:
        @app.get("/v1/catalogue")
        async def catalogue() -> schemas.CatalogueCounts:
            domains = {d: sum(e.domain == d for e in self.environments) for d in ("physics", "social", "symbolic")}
            return schemas.CatalogueCounts(
                version="0" * 64,
                specs=len(self.environments),
                families=3,
                base_tasks=1,
                modifiers=0,
                domains=domains,
                single_turn=0,
            )

        @app.get("/v1/catalogue/facets")
        async def facets() -> schemas.Facets:
            counted = {name: {"toy": 25} for name in schemas.Facets.model_fields if name != "specs"}
            return schemas.Facets.model_validate({"specs": 25, **counted})

        @app.get("/v1/environments")
        async def search(limit: int = 50, cursor: int = 0) -> schemas.Page[schemas.Environment]:
            limit = min(limit, 10)  # small pages, so that a test needs few environments
            following = cursor + limit
            return schemas.Page(
                items=self.environments[cursor:following],
                next_cursor=str(following) if following < len(self.environments) else None,
            )

        @app.get("/v1/environments/{ref:path}")
        async def get(ref: str) -> schemas.EnvironmentDetail:
            return schemas.EnvironmentDetail(**environment(1).model_dump() | {"ref": ref}, card=self.card, split=None)

        @app.post("/v1/subsets", status_code=201)
        async def create_subset(request: schemas.SubsetCreate) -> schemas.Subset:
            size = len(request.refs or ()) or request.size or len(self.environments)
            return subset(size, request.model_dump(mode="json"))

        @app.get("/v1/subsets/{subset_id}/environments")
        async def subset_environments(subset_id: str) -> schemas.Page[schemas.Environment]:
            return schemas.Page(items=self.environments[:3], next_cursor=None)

    def _table_routes(self, app: FastAPI) -> None:
        made: dict[str, schemas.TableDetail] = {}

        @app.post("/v1/tables", status_code=201)
        async def create(request: schemas.TableCreate) -> schemas.Table:
            table = env_registry.Table.of(request.columns, request.weights)
            made[table.digest] = schemas.TableDetail(
                digest=table.digest,
                rows=table.rows,
                columns=sorted(table.columns),
                weighted=table.weights is not None,
                bytes=len(table.content),
                created_at=NOW,
                content=request.model_dump(),
            )
            return made[table.digest]

        @app.get("/v1/tables")
        async def tables() -> schemas.Page[schemas.Table]:
            return schemas.Page[schemas.Table](items=list(made.values()), next_cursor=None)

        @app.get("/v1/tables/{digest}")
        async def get_table(digest: str) -> schemas.TableDetail:
            return made[digest]

    def _run_routes(self, app: FastAPI) -> None:
        @app.post("/v1/runs", status_code=202)
        async def create_run(request: schemas.RunCreate) -> schemas.Run:
            return self.run

        @app.get("/v1/runs")
        async def list_runs() -> schemas.Page[schemas.Run]:
            return schemas.Page(items=[self.run], next_cursor=None)

        @app.post("/v1/runs/{run_id}:cancel")
        async def cancel(run_id: str) -> schemas.Run:
            return self.run.model_copy(update={"state": "cancelled"})

        @app.get("/v1/runs/{run_id}/summary")
        async def summary(run_id: str) -> dict[str, Any]:
            return {"specs": [spec_summary(n, e) for n, e in enumerate(self.environments[:3])]}

        @app.get("/v1/runs/{run_id}/explanation")
        async def explanation(run_id: str) -> schemas.Explanation:
            lifted = schemas.Change(lever="RAISE_BORROWING_LIMIT", node="demo", amount=700, unit="mc")
            slot = schemas.Change(lever="ADD_SLOT", node=None, amount=0, unit=None)
            return schemas.Explanation(
                run=run_id,
                reason="BORROWING_LIMIT",
                node="demo",
                deficit=700,
                unit="mc",
                pool_needed_mc=None,
                expected_end=None,
                start_p50=datetime(2027, 1, 1, 12, tzinfo=UTC),
                start_p90=datetime(2027, 1, 1, 12, 30, tzinfo=UTC),
                ahead=3,
                until=None,
                changes=[lifted, slot],
            )

        @app.get("/v1/runs/{run_id}/scores")
        async def scores(run_id: str) -> dict[str, Any]:
            score = {
                "ref": "a@1",
                "kind": None,
                "policy": "random",
                "seed": 0,
                "env_index": 0,
                "agent": "agent",
                "episode_return": None,
                "length": 2,
            }
            return {"items": [{**score, "episode_index": i} for i in range(2)], "next_cursor": None}

        @app.get("/v1/runs/{run_id}/report")
        async def report_(run_id: str) -> schemas.Report:
            return report()

        @app.get("/v1/runs/{run_id}/stream")
        async def stream(request: Request, run_id: str, after: int = 0) -> StreamingResponse:
            self.streaming.set()
            events = request.headers["accept"] == "text/event-stream"
            scripts = self.events if events else self.scripts
            if scripts or "until" not in request.query_params:
                script = scripts.pop(0) if scripts else list(self.states() if events else self.stream(after))
                return StreamingResponse(play(script))
            if request.query_params["until"] == "acknowledged":
                return StreamingResponse(self.share())
            left = [n for n in range(1, len(self.chunks) + 1) if n not in self.acknowledged]
            frames = [chunk_frame(seq, self.chunks[seq - 1]) for seq in left]
            return StreamingResponse(play([*frames, state_frame("end", run_state("succeeded"))]))

        @app.post("/v1/runs/{run_id}/groups/{group}:ack", response_model=schemas.Group)
        async def acknowledge(run_id: str, group: str, request: schemas.Acknowledgement) -> Any:
            if self.refused:
                self.refused -= 1
                return problem(503, {}, {})
            self.acknowledged += request.seqs
            if self._told is not None:
                self._told.set()
            return reader_group(group)

        @app.get("/v1/runs/{run_id}/groups")
        async def groups(run_id: str) -> schemas.Page[schemas.Group]:
            return schemas.Page[schemas.Group](items=[reader_group("learners")], next_cursor=None)

        @app.delete("/v1/runs/{run_id}/groups/{group}", status_code=204)
        async def delete_group(run_id: str, group: str) -> None:
            return None

        @app.get("/v1/runs/{run_id}/chunks/{seq}")
        async def get_chunk(run_id: str, seq: int) -> Response:
            return Response(self.chunks[seq - 1])

        @app.get("/v1/runs/{run_id}")
        async def get_run(run_id: str) -> schemas.Run:
            return self.run

        @app.delete("/v1/runs/{run_id}", status_code=204)
        async def delete_run(run_id: str) -> None:
            return None

        @app.get("/v1/me")
        async def me() -> schemas.Me:
            return schemas.Me(
                cell="team",
                scopes=["runs:read"],
                share_mc=1000.0,
                nominal_mc=1000,
                used_mc=0,
                borrowed_mc=0,
                commitment_mc=2000,
                commitment_used_mc=0,
                queued_items=0,
                running_items=0,
                used_core_ms=0,
                decayed_core_ms=64577.89833163388,
                held=False,
                small_pool=None,
                window=None,
            )

        @app.get("/v1/usage")
        async def usage(by: Annotated[list[str], Query()]) -> schemas.Page[schemas.Usage]:
            group = {name: "ada" if name.startswith("label:") else "x" for name in by}
            row = schemas.Usage(group=group, core_ms=123_456, leases=7, started_at=NOW, ended_at=NOW)
            return schemas.Page(items=[row], next_cursor=None)

    def _queue_routes(self, app: FastAPI) -> None:
        @app.get("/v1/queue")
        async def queue() -> schemas.Page[schemas.QueueEntry]:
            return schemas.Page(items=[queue_entry()], next_cursor=None)

        @app.get("/v1/shares")
        async def shares() -> schemas.Page[schemas.Share]:
            return schemas.Page(
                items=[share("commitment", 0), share("demo", 1), share("(others)", 1)], next_cursor=None
            )

    def _webhook_routes(self, app: FastAPI) -> None:
        @app.post("/v1/webhooks", status_code=201)
        async def create(request: schemas.WebhookCreate) -> schemas.WebhookWithSecret:
            made = webhook().model_copy(update={"url": request.url, "events": request.events})
            return schemas.WebhookWithSecret(**made.model_dump(), secret="whsec_c2VjcmV0")

        @app.get("/v1/webhooks")
        async def list_webhooks() -> schemas.Page[schemas.Webhook]:
            return schemas.Page(items=[webhook()], next_cursor=None)

        @app.delete("/v1/webhooks/{webhook_id}", status_code=204)
        async def delete(webhook_id: str) -> None:
            return None

        @app.get("/v1/webhooks/{webhook_id}/deliveries")
        async def deliveries(webhook_id: str) -> schemas.Page[schemas.Delivery]:
            return schemas.Page(items=[delivery()], next_cursor=None)

        @app.post("/v1/webhooks/{webhook_id}/deliveries/{event_id}:redeliver")
        async def redeliver(webhook_id: str, event_id: str) -> schemas.Delivery:
            return delivery().model_copy(update={"id": event_id, "state": "waiting"})

    def _admin_routes(self, app: FastAPI) -> None:
        @app.get("/v1/splits")
        async def list_splits() -> schemas.Page[schemas.Split]:
            return schemas.Page(items=[split()], next_cursor=None)

        @app.get("/v1/splits/{name}")
        async def get_split(name: str) -> schemas.Split:
            return split().model_copy(update={"ref": name})

        @app.post("/v1/admin/splits", status_code=201)
        async def declare(request: schemas.SplitCreate) -> schemas.Split:
            return split().model_copy(update={"name": request.name, "budget": request.budget})

        @app.post("/v1/admin/splits/{name}:activate")
        async def activate(name: str) -> schemas.SplitActivation:
            return schemas.SplitActivation(split=name, before=None, unfinished=["run_1"])

        @app.put("/v1/admin/splits/{name}/budgets/{cell}")
        async def set_budget(name: str, cell: str, request: schemas.BudgetPut) -> schemas.BudgetPut:
            return request

        @app.get("/v1/admin/exposures")
        async def exposures() -> dict[str, Any]:
            row = {"cell": "team", "key": "key_1", "run": "run_1", "split": "default@1", "kinds": {"family": 1}}
            counts = {"id": 1, "at": NOW.isoformat(), "specs": 1, "episodes": 2, "steps_per_env": None}
            return {"items": [row | counts], "next_cursor": None}

        @app.post("/v1/admin/cells", status_code=201)
        async def create_cell(request: schemas.CellCreate) -> schemas.Cell:
            return schemas.Cell(id="cell_1", name=request.name, created_at=NOW)

        @app.post("/v1/admin/keys", status_code=201)
        async def create_key(request: schemas.KeyCreate) -> schemas.KeyWithSecret:
            return schemas.KeyWithSecret(
                id="key_1",
                cell=request.cell,
                site=None,
                steward_of=request.steward_of,
                scopes=["runs:read"],
                label=request.label,
                labels=request.labels,
                created_at=NOW,
                expires_at=None,
                revoked_at=None,
                secret=KEY,
            )

        @app.delete("/v1/admin/keys/{key_id}", status_code=204)
        async def revoke_key(key_id: str) -> None:
            return None

        self._quota_routes(app)

    def _quota_routes(self, app: FastAPI) -> None:
        @app.get("/v1/admin/quotas")
        async def quotas() -> schemas.Page[schemas.Quota]:
            nodes = [quota("quota_1"), quota("quota_2").model_copy(update={"name": "axis", "kind": "group"})]
            return schemas.Page[schemas.Quota](items=nodes, next_cursor=None)

        @app.post("/v1/admin/quotas", status_code=201)
        async def create_group(request: schemas.GroupCreate) -> schemas.Quota:
            return quota("quota_3").model_copy(update={"name": request.name, "kind": "group"})

        @app.get("/v1/admin/quotas/document")
        async def document() -> dict[str, Any]:
            return self.quotas

        @app.put("/v1/admin/quotas/document")
        async def put_document(request: schemas.QuotaDocument) -> schemas.Changed:
            return schemas.Changed(edits=self.what_if.edits)

        @app.get("/v1/admin/quotas/{quota_id}")
        @app.patch("/v1/admin/quotas/{quota_id}")
        @app.post("/v1/admin/quotas/{quota_id}:thaw")
        async def get_quota(quota_id: str) -> schemas.Quota:
            return quota(quota_id)

        @app.delete("/v1/admin/quotas/{quota_id}", status_code=204)
        async def delete_quota(quota_id: str) -> None:
            return None

        @app.post("/v1/admin/what-if")
        async def what_if() -> schemas.WhatIf:
            return self.what_if

        @app.get("/v1/admin/changes")
        async def changes() -> schemas.Page[schemas.Scheduled]:
            return schemas.Page[schemas.Scheduled](items=[scheduled()], next_cursor=None)

        @app.post("/v1/admin/changes", status_code=201)
        async def schedule(request: schemas.ScheduleCreate) -> schemas.Scheduled:
            return scheduled()

        @app.post("/v1/admin/changes/{change_id}:cancel")
        async def cancel(change_id: str) -> schemas.Scheduled:
            return scheduled().model_copy(update={"id": change_id, "state": "cancelled"})

        @app.get("/v1/admin/loans")
        async def loans() -> schemas.Loans:
            borrower = schemas.Borrower(name="demo", nominal_mc=1000, used_mc=3000, borrowed_mc=2000, since=NOW)
            lender = schemas.Lender(name="blue", nominal_mc=1000, used_mc=0, lent_mc=1000)
            return schemas.Loans(borrowers=[borrower], lenders=[lender], unlent_mc=1000)

        @app.get("/v1/admin/audit")
        async def audit() -> schemas.Page[schemas.AuditEntry]:
            change = {"weight": [1, 2]}
            entry = schemas.AuditEntry(
                id=1, at=NOW, actor="key_1", action="quota.edit", target="quota_1", change=change, reason="a sprint"
            )
            return schemas.Page[schemas.AuditEntry](items=[entry], next_cursor=None)

        @app.get("/v1/admin/statements")
        async def statements() -> schemas.Page[schemas.StatementWindow]:
            row = schemas.StatementWindow(starts_at=NOW, ends_at=NOW, settled_core_ms=1000)
            return schemas.Page(items=[row], next_cursor=None)

        @app.get("/v1/admin/statements/{at}")
        async def get_statement(at: datetime) -> schemas.Statement:
            return statement(at)

        @app.get("/v1/admin/statements/{at}/export")
        async def export_statement(at: datetime, format: str) -> Response:
            file = io.BytesIO()
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr(f"summary.{format}", "what it says")
            return Response(file.getvalue(), media_type="application/zip")

        @app.get("/v1/admin/commitment")
        @app.patch("/v1/admin/commitment")
        async def commitment() -> schemas.Commitment:
            return schemas.Commitment(
                numerator=33,
                denominator=100,
                capacity_mc=6061,
                limit_mc=2000,
                used_mc=0,
                epoch=1,
                version=4,
                half_life_s=3600,
                window="day",
                window_starts_at=NOW,
                window_ends_at=NOW,
                shares_visible="own",
                debt_since=None,
                leaving_mc=0,
                grants_mc=2000,
                debt=None,
                cooldown_s=0,
                small_pool=None,
                provenance={},
            )

        @app.post("/v1/admin/workers/{worker}:{verb}")
        async def ask_worker(worker: str, verb: str, request: schemas.Drain | None = None) -> schemas.Worker:
            return schemas.Worker(
                id="worker_1",
                name=worker,
                site="local",
                state="draining" if verb == "drain" else "active",
                cordoned=verb != "uncordon",
                departs_at=request.departs_at if request else None,
                slots=2,
                busy=0,
                contributes_mc=6061,
                memory_mb=1000,
                runtime="r",
                registered_at=NOW,
                seen_at=NOW,
            )

        @app.post("/v1/admin/sites/{name}:{verb}")
        async def ask_site(name: str, verb: str, request: schemas.Drain | None = None) -> schemas.Site:
            return schemas.Site(
                id="site_1",
                name=name,
                store_url="file:///store",
                state={"cordon": "cordoned", "drain": "drained"}.get(verb, "active"),
                workers=1,
                slots=2,
                created_at=NOW,
            )


def quota(id: str) -> schemas.Quota:
    return schemas.Quota(
        id=id,
        name="demo",
        kind="cell",
        parent="quota_0",
        cell="cell_1",
        weight=1,
        borrowing_limit_mc=2000,
        lending_limit_mc=None,
        max_loan_ms=None,
        reclaim_first=False,
        window_budget_core_ms=None,
        state="active",
        frozen=None,
        version=7,
        nominal_mc=1000,
        used_mc=0,
        used_core_ms=0,
        decayed_core_ms=0.0,
        small_pool=None,
        effective=schemas.Effective(
            share_mc=666.7,
            siblings_weight=3,
            parent_slots=2,
            ideal_slots=0.667,
            slots=1,
            owed_slots=-0.333,
            borrowed_mc=0,
            spare_mc=1000,
            held_by=None,
        ),
        provenance={"weight": schemas.Provenance(by="key_1", at=NOW, reason="a sprint")},
    )


def rehearsed(*, needed: bool = False) -> schemas.WhatIf:
    """What follows where demo gets less, or where nothing does."""
    edit = schemas.EditLine(action="quota.edit", name="demo", field="weight", before=3, after=1)
    node = schemas.EffectiveDifference(
        name="demo",
        kind="cell",
        nominal_before_mc=2000,
        nominal_after_mc=1000,
        borrowed_before_mc=0,
        borrowed_after_mc=1000,
        leases=2,
    )
    wait = schemas.WaitDifference(
        cell="demo",
        starts_before=1,
        starts_after=0,
        reason_before=None,
        reason_after="BORROWING_LIMIT",
        node_before=None,
        node_after="demo",
    )
    return schemas.WhatIf(
        token="1-abc",
        expires_at=NOW,
        tag='"tree"',
        needed=needed,
        takes=["lowers weight of demo from 3 to 1"] if needed else [],
        edits=[edit] if needed else [],
        limit_before_mc=2000,
        limit_after_mc=2000,
        effective=[node] if needed else [],
        waits=[wait] if needed else [],
        recalled=[],
        drained=None,
    )


def scheduled() -> schemas.Scheduled:
    return schemas.Scheduled(
        id="change_1",
        state="scheduled",
        at=NOW,
        until=None,
        change={"commitment": {"numerator": 30}},
        by="key_1",
        reason=None,
        failure=None,
        created_at=NOW,
    )


def bound_socket(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound


def subset(size: int, source: dict[str, Any]) -> schemas.Subset:
    return schemas.Subset(
        id="sub_1",
        digest="0" * 64,
        size=size,
        domains={"physics": size},
        name=None,
        source=source,
        split="default@1",
        left_out=0,
        catalogue=None,
        coverage=None,
        created_at=NOW,
    )


def queue_entry() -> schemas.QueueEntry:
    return schemas.QueueEntry(
        run=f"run_{1:032x}",
        name=None,
        cell="team",
        running=2,
        waiting=1234,
        reason="BEHIND_OTHERS",
        slurm="Priority",
        ahead=56,
        since=NOW,
    )


def share(name: str, depth: int) -> schemas.Share:
    return schemas.Share(
        name=name,
        kind="cell" if depth else "root",
        depth=depth,
        weight=None if name == "(others)" else 1,
        share_mc=1000.0,
        nominal_mc=1000,
        used_mc=2000,
        borrowed_mc=1000,
        used_core_ms=123456,
        decayed_core_ms=64577.9,
        order=1,
    )


def webhook() -> schemas.Webhook:
    return schemas.Webhook(
        id="webhook_1",
        node="demo",
        url="https://example.org/hook",
        events=["hold.set"],
        created_by="key_1",
        waiting=0,
        delivered=3,
        dead=1,
        created_at=NOW,
    )


def delivery() -> schemas.Delivery:
    return schemas.Delivery(
        id="event_1",
        event="hold.set",
        state="dead",
        attempts=15,
        failure="answered 500",
        content={"event": "hold.set"},
        created_at=NOW,
        due_at=None,
        delivered_at=None,
    )


def reader_group(name: str) -> schemas.Group:
    consumer = schemas.Consumer(name="one", unacknowledged=1, seen_at=NOW)
    return schemas.Group(name=name, given=5, acknowledged=4, unacknowledged=1, consumers=[consumer])


def split() -> schemas.Split:
    return schemas.Split(
        name="default",
        version=1,
        ref="default@1",
        digest="0" * 64,
        in_force=True,
        rules=[{"name": "heavy", "kind": "extrapolation", "axis": "gravity", "trained": [None, 16]}],
        note=None,
        budget=10,
        exposure=schemas.ExposureUse(allowed=10, used=1),
        counts={"train": 20, "extrapolation": 5},
        created_by=None,
        created_at=NOW,
    )


def statement(at: datetime) -> schemas.Statement:
    figures = {"settled_core_ms": 1000, "borrowed_core_ms": 0, "lent_core_ms": 0, "debt_core_ms": 0}
    cell = schemas.CellStatement(cell="red", entitled_core_ms=2000, budget_core_ms=None, **figures)
    lost = schemas.Overage(starts_at=NOW, ends_at=NOW, highest_mc=1000, core_ms=500, epoch=3, cause="w0 fell silent")
    return schemas.Statement(
        starts_at=at,
        ends_at=NOW,
        until=NOW,
        final=True,
        entitled_core_ms=2000,
        used_core_ms=1000,
        by_payer={"cell": 1000, "site": 0, "pool": 0},
        highest_ratio=1.5,
        highest_at=NOW,
        highest_mc=3000,
        overage_core_ms=500,
        overages=[lost],
        cells=[cell],
    )


def report() -> schemas.Report:
    figures = {"scored": 2, "mean": 0.5, "iqm": 0.25, "iqm_interval": None, "mean_interval": None}
    line = {"specs": 3, "episodes": 6, **figures, "reference": figures}
    kinds = {"train": {"low": 0.25, "high": 0.75}, "extrapolation": None}
    lines = [
        schemas.ReportLine.model_validate({**line, "group": {"kind": kind}, "mean_interval": interval})
        for kind, interval in kinds.items()
    ]
    return schemas.Report(run="run_1", split="default@1", by=["kind"], lines=lines)


def spec_summary(number: int, of: schemas.Environment) -> dict[str, Any]:
    return {
        "ref": of.ref,
        "digest": of.digest,
        "domain": of.domain,
        "family": of.family,
        "episodes": number,
        "steps": 10 * number,
        "returns": number,
        "return_mean": float(number) if number else None,
        "return_min": 0.0 if number else None,
        "return_max": 2.0 * number if number else None,
        "wall_ms": 5.0 * number,
    }


def problem(status: int, headers: dict[str, str], fields: dict[str, Any]) -> Response:
    document = {"type": "urn:worldpool:problem:test", "title": "Test", "status": status, "detail": "", "errors": []}
    content = json.dumps(document | {"request_id": "req_1"} | fields)
    return Response(content, status, headers, "application/problem+json")


async def play(script: Iterable[bytes | threading.Event]) -> AsyncIterator[bytes]:
    for data in script:
        if isinstance(data, threading.Event):
            while not data.is_set():  # noqa: ASYNC110  # set by the test, in another thread
                await asyncio.sleep(0.005)
            continue
        if data == BREAK:
            raise ConnectionResetError("torn by the script")
        yield data
