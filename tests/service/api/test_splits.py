"""Splits: declared by stewards, put in force, shown with reasons; search, subsets, runs and evaluations that heed
them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.exc import DBAPIError

from env_registry import parse
from env_registry.splits import DEFAULT
from service import splits
from service.models import Exposure, ExposureBudget, Run, Site, WorkItem
from tests.clients.chunk_bytes import chunk, episode_rows, single_rows
from tests.service.api.test_refusals import problem
from tests.service.api.test_runs import HandWorker, frames
from tests.service.conftest import Pool

TRAIN, HELD, FAR = "mujoco/half_cheetah@1", "mujoco/half_cheetah@1;gravity=19.62", "classic/acrobot@1"
RULE = {"name": "fast", "kind": "extrapolation", "axis": "frame_skip", "trained": [None, 7], "families": ["mujoco/*"]}


def key(pool: Pool, *scopes: str, cell: str | None = "demo") -> httpx.AsyncClient:
    answer = pool.post("/v1/admin/keys", pool.operator, json={"cell": cell, "scopes": list(scopes)})
    assert answer.status_code == 201, answer.text
    return pool.client(answer.json()["secret"])


@pytest.fixture(scope="module")
def evaluator(pool: Pool) -> httpx.AsyncClient:
    return key(pool, "environments:read", "subsets:write", "runs:read", "runs:write", "evaluate")


@pytest.fixture(scope="module")
def viewer(pool: Pool) -> httpx.AsyncClient:
    return key(pool, "runs:read", "trajectories")


def evaluate(pool: Pool, client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = pool.post("/v1/runs", client, json={"refs": [HELD], "episodes": 2, "purpose": "evaluate", **body})
    assert answer.status_code == 202, answer.text
    run: dict[str, Any] = answer.json()
    return run


def declare(pool: Pool, name: str, *rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = pool.post("/v1/admin/splits", pool.operator, json={"name": name, "rules": list(rules), **more})
    assert answer.status_code == 201, answer.text
    split: dict[str, Any] = answer.json()
    return split


def activate(pool: Pool, ref: str) -> dict[str, Any]:
    answer = pool.post(f"/v1/admin/splits/{ref}:activate", pool.operator)
    assert answer.status_code == 200, answer.text
    done: dict[str, Any] = answer.json()
    return done


# --- read


def test_the_shipped_split_is_in_force_and_counts_all_kinds(pool: Pool) -> None:
    shown = pool.get("/v1/splits/default").json()
    assert (shown["ref"], shown["in_force"], shown["digest"]) == ("default@1", True, DEFAULT.digest)
    assert set(shown["counts"]) == {"train", "family", "extrapolation", "composition", "interpolation"}
    assert all(count > 0 for count in shown["counts"].values())
    counted = pool.get("/v1/catalogue").json()
    assert sum(shown["counts"].values()) == counted["specs"] + counted["single_turn"]
    assert pool.get("/v1/splits/default@1").json() == shown
    assert shown in pool.get("/v1/splits").json()["items"]


@pytest.mark.parametrize(
    "name", ["defalt", "default@2", "default@x", "default@", "a%00b", "default@9999999999999999999"]
)
def test_a_split_that_is_not_there_is_not_found(pool: Pool, name: str) -> None:
    answer = pool.get(f"/v1/splits/{name}")
    if name == "default@":
        assert answer.status_code == 200  # the newest
    else:
        assert "there is no split" in problem(answer, 404)["detail"]


def test_an_environment_says_how_it_stands_and_why(pool: Pool) -> None:
    split = pool.get(f"/v1/environments/{HELD}").json()["split"]
    (reason,) = split["reasons"]
    assert (split["split"], split["kind"]) == ("default@1", "extrapolation")
    assert (reason["rule"], reason["axis"], reason["hull"]) == ("strong-gravity", "gravity", [0, 16])
    assert reason["distance"] == pytest.approx(3.62 / 16)
    assert split["nearest"]["ref"] == "mujoco/half_cheetah@1;gravity=14.715"
    assert pool.get(f"/v1/environments/{TRAIN}").json()["split"]["kind"] is None
    far = pool.get(f"/v1/environments/{FAR}").json()["split"]
    assert (far["kind"], far["nearest"]) == ("family", None)


@pytest.mark.parametrize("kind", ["train", "interpolation", "composition", "extrapolation", "family", "heldout"])
def test_search_filters_by_what_the_rules_say(pool: Pool, kind: str) -> None:
    found = pool.get("/v1/environments", params={"split": kind, "limit": 200}).json()["items"]
    assert found
    for one in found:
        got = DEFAULT.kind(parse(one["ref"]))
        assert got is None if kind == "train" else got is not None if kind == "heldout" else got == kind


def test_search_divides_the_catalogue(pool: Pool) -> None:
    counts = pool.get("/v1/splits/default").json()["counts"]
    where = {"family": "classic/acrobot"}

    def count(split: str) -> int:
        found = pool.get("/v1/environments", params={**where, "split": split, "limit": 1000}).json()["items"]
        return len(found)

    assert count("train") == 0
    assert count("family") == count("heldout") == count("any") > 0
    assert counts["family"] >= count("family")
    problem(pool.get("/v1/environments", params={"split": "held"}), 422)


# --- subsets


def test_a_subset_is_of_training_specs_and_says_how_many_were_left_out(pool: Pool) -> None:
    where = {"domain": "physics"}
    trained = pool.post("/v1/subsets", json={"where": where}).json()
    held = pool.post("/v1/subsets", json={"where": {**where, "split": "heldout"}}).json()
    whole = pool.post("/v1/subsets", json={"where": {**where, "split": "any"}}).json()
    assert trained["left_out"] == held["size"] > 0
    assert trained["size"] + held["size"] == whole["size"]
    assert (trained["split"], held["left_out"], whole["left_out"]) == ("default@1", 0, 0)
    assert pool.get(f"/v1/subsets/{trained['id']}").json() == trained
    run = pool.post("/v1/runs", json={"subset": trained["id"], "episodes": 1})
    assert run.status_code == 202
    pool.post(f"{run.headers['location']}:cancel")
    answer = pool.post("/v1/runs", json={"subset": held["id"], "episodes": 1})
    assert f"{held['size']} of {held['size']}" in problem(answer, 403)["detail"]


def test_a_search_that_only_holdouts_match_says_so(pool: Pool) -> None:
    answer = pool.post("/v1/subsets", json={"where": {"family": "classic/acrobot"}})
    (error,) = problem(answer, 422)["errors"]
    assert error["field"] == "body.where"
    assert "held out" in error["reason"]
    assert "default@1" in error["reason"]


# --- training


def test_training_on_a_holdout_is_refused_with_kind_rule_and_a_way_out(pool: Pool) -> None:
    before = count(pool, Run)
    answer = pool.post("/v1/runs", json={"refs": [TRAIN, FAR, HELD], "episodes": 1})
    found = problem(answer, 403)
    assert found["type"] == "urn:worldpool:problem:holdout"
    assert "purpose=evaluate" in found["detail"]
    assert "default@1" in found["detail"]
    assert [error["field"] for error in found["errors"]] == ["body.refs[1]", "body.refs[2]"]
    assert "family, by the rule 'acrobots'" in found["errors"][0]["reason"]
    assert "gravity 19.62 lies outside 0 to 16" in found["errors"][1]["reason"]
    assert count(pool, Run) == before


def count(pool: Pool, table: Any) -> int:
    async def ask() -> int:
        async with pool.parts.sessions() as session:
            return await session.scalar(select(func.count()).select_from(table)) or 0

    return pool.runner.run(ask())


def test_a_distribution_is_carved_on_request_only_and_visibly(pool: Pool) -> None:
    ref = "mujoco/half_cheetah@1;mass_scale=uniform(1,2)"
    body = {"refs": [TRAIN, ref], "episodes": 3}
    (error,) = problem(pool.post("/v1/runs", json=body), 403)["errors"]
    assert "holdout=carve would cut it" in error["reason"]
    run = pool.post("/v1/runs", json={**body, "holdout": "carve"}).json()
    (carved,) = run["carved"]
    parts = [f"mujoco/half_cheetah@1;mass_scale={rest}" for rest in ("uniform(1,1.2)", "uniform(1.8,2)")]
    assert (carved["ref"], [part["ref"] for part in carved["parts"]]) == (ref, parts)
    assert carved["cut"] == pytest.approx(0.6)
    assert run["environments"] == 3
    assert pool.get(f"/v1/runs/{run['id']}").json()["carved"] == run["carved"]
    assert specs_of(pool, run["id"]) == {TRAIN, *parts}
    problem(pool.post("/v1/runs", json={**body, "refs": [ref, HELD], "holdout": "carve"}), 403)
    problem(pool.post("/v1/runs", json={**body, "holdout": "carve", "purpose": "evaluate"}), 422)


def specs_of(pool: Pool, run_id: str) -> set[str]:
    """What a run's work items would simulate."""

    async def ask() -> set[str]:
        async with pool.parts.sessions() as session:
            rows = await session.scalars(select(WorkItem.specs).where(WorkItem.run_id == UUID(run_id[4:])))
            return {spec["ref"] for specs in rows.all() for spec in specs}

    return pool.runner.run(ask())


# --- evaluation


def test_only_a_key_with_the_scope_evaluates(pool: Pool, evaluator: httpx.AsyncClient) -> None:
    body = {"refs": [HELD], "episodes": 1, "purpose": "evaluate"}
    assert "evaluate" in problem(pool.post("/v1/runs", json=body), 403)["detail"]
    assert pool.get("/v1/me").json()["scopes"] == ["environments:read", "runs:read", "runs:write", "subsets:write"]
    run = evaluate(pool, evaluator, refs=[TRAIN, HELD, FAR])
    assert (run["purpose"], run["split"], run["held_out"]) == (
        "evaluate",
        "default@1",
        {"extrapolation": 1, "family": 1},
    )
    # the scope opens nothing else
    problem(pool.post("/v1/runs", evaluator, json={"refs": [HELD], "episodes": 1}), 403)


class Chunks(HandWorker):
    """Writes chunks that can be read: two episodes of each spec, with the returns 10 and 30."""

    def content(self, item: dict[str, Any]) -> bytes:
        refs = [spec["ref"] for spec in item["specs"]]
        of = range(len(refs))
        rows = [(spec, episode, "agent", 2 + episode, 10.0 + 20 * episode) for spec in of for episode in (0, 1)]
        streams = [("single", ["agent"], list(of), single_rows([2]))]
        return chunk(refs, streams, episode_rows(rows), steps=5 * len(refs))


@pytest.fixture
def hand(pool: Pool, tmp_path: Path) -> Iterator[Chunks]:
    async def use(url: str) -> None:
        async with pool.parts.sessions.begin() as session:
            await session.execute(update(Site).values(store_url=url))

    pool.runner.run(use(tmp_path.as_uri()))
    found = Chunks(pool, tmp_path)
    yield found
    found.call(f"workers/{found.id}/leave", {})


def test_an_evaluation_gives_scores_and_nothing_else_by_any_route(
    pool: Pool, hand: Chunks, evaluator: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    run = evaluate(pool, evaluator, refs=[HELD])
    hand.serve()
    path = f"/v1/runs/{run['id']}"
    assert pool.get(path).json()["state"] == "succeeded"
    for client in (pool.cell, evaluator, pool.operator):
        for route in ("stream", "chunks", "chunks/1"):
            assert "trajectories" in problem(pool.get(f"{path}/{route}", client), 403)["detail"]
        events = pool.get(f"{path}/stream", client, headers={"Accept": "text/event-stream"})
        assert "event: end" in events.text
        assert "chunk\n" not in events.text
        assert "sha256" not in events.text
    scores = pool.get(f"{path}/scores", evaluator).json()
    assert {(score["policy"], score["seed"]) for score in scores["items"]} == {("random", run["seeds"][0])}
    assert [(s["ref"], s["kind"], s["episode_index"], s["episode_return"], s["length"]) for s in scores["items"]] == [
        (HELD, "extrapolation", 0, 10.0, 2),
        (HELD, "extrapolation", 1, 30.0, 3),
    ]
    assert scores["next_cursor"] is None
    assert pool.get(f"{path}/summary", evaluator).json()["specs"][0]["ref"] == HELD
    assert [header["kind"] for header, _ in frames(pool.get(f"{path}/stream", viewer).content)] == ["chunk", "end"]
    assert pool.get(f"{path}/chunks", viewer).json()["items"][0]["seq"] == 1
    assert pool.get(f"{path}/chunks/1", viewer).content.startswith(b"WPCHUNK1")


def test_no_other_cell_sees_an_evaluation(pool: Pool, evaluator: httpx.AsyncClient) -> None:
    pool.post("/v1/admin/cells", pool.operator, json={"name": "others"})
    stranger = key(pool, "runs:read", "trajectories", cell="others")
    run = evaluate(pool, evaluator)
    for route in ("", "/scores", "/report", "/summary", "/chunks", "/stream"):
        problem(pool.get(f"/v1/runs/{run['id']}{route}", stranger), 404)


def test_every_evaluation_of_a_holdout_is_logged_for_good(pool: Pool, evaluator: httpx.AsyncClient) -> None:
    before = pool.get("/v1/splits/default", evaluator).json()["exposure"]
    run = evaluate(pool, evaluator, refs=[TRAIN, HELD, FAR], episodes=7)
    logged = pool.get("/v1/admin/exposures", pool.operator).json()["items"][0]
    assert (logged["cell"], logged["run"], logged["split"]) == ("demo", run["id"], "default@1")
    assert (logged["specs"], logged["episodes"], logged["kinds"]) == (2, 7, {"family": 1, "extrapolation": 1})
    assert logged["key"].startswith("key_")
    after = pool.get("/v1/splits/default", evaluator).json()["exposure"]
    assert (after["allowed"], after["used"]) == (before["allowed"], before["used"] + 2)
    evaluate(pool, evaluator, refs=[TRAIN])  # nothing held out: no exposure
    assert pool.get("/v1/admin/exposures", pool.operator).json()["items"][0] == logged
    problem(pool.get("/v1/admin/exposures"), 403)

    async def tamper(statement: Any) -> None:
        async with pool.parts.sessions.begin() as session:
            await session.execute(statement)

    for statement in (delete(Exposure), text("UPDATE exposure SET specs = 0"), text("TRUNCATE exposure")):
        with pytest.raises(DBAPIError, match="only ever added to"):
            pool.runner.run(tamper(statement))


def test_a_budget_is_never_passed_also_by_requests_at_once(pool: Pool, evaluator: httpx.AsyncClient) -> None:
    used = pool.get("/v1/splits/default", evaluator).json()["exposure"]["used"]
    set_budget(pool, used + 5)
    body = {"refs": [HELD, FAR], "episodes": 1, "purpose": "evaluate"}

    async def at_once() -> list[httpx.Response]:
        return await asyncio.gather(*(evaluator.post("/v1/runs", json=body) for _ in range(8)))

    runs = count(pool, Run)
    answers = pool.runner.run(at_once())
    refused = [answer for answer in answers if answer.status_code != 202]
    assert len(refused) == 6
    for answer in refused:
        found = problem(answer, 403)
        assert found["type"] == "urn:worldpool:problem:exposure-budget"
        assert f"{used + 5} evaluations" in found["detail"]
        assert "asks for 2 more" in found["detail"]
    assert count(pool, Run) == runs + 2
    assert pool.get("/v1/splits/default", evaluator).json()["exposure"] == {"allowed": used + 5, "used": used + 4}
    assert exposed(pool) == used + 4
    assert pool.post("/v1/runs", evaluator, json={**body, "refs": [HELD]}).status_code == 202
    set_budget(pool, 100_000)


def set_budget(pool: Pool, allowed: int) -> None:
    answer = pool.request(pool.operator, "PUT", "/v1/admin/splits/default@1/budgets/demo", json={"allowed": allowed})
    assert answer.status_code == 200, answer.text


def exposed(pool: Pool) -> int:
    async def ask() -> int:
        async with pool.parts.sessions() as session:
            logged = await session.scalar(select(func.sum(Exposure.specs)))
            counted = await session.scalar(select(func.sum(ExposureBudget.used)))
            assert logged == counted
            return int(logged or 0)

    return pool.runner.run(ask())


def test_a_report_tells_kinds_apart(pool: Pool, hand: Chunks, evaluator: httpx.AsyncClient) -> None:
    random = pool.get("/v1/environments/classic/cartpole@1").json()["card"]["random_return"]
    refs = ["classic/cartpole@1", "classic/cartpole@1;gravity=4.9", "classic/cartpole@1;gravity=19.6", FAR]
    run = evaluate(pool, evaluator, refs=refs)
    hand.serve()
    report = pool.get(f"/v1/runs/{run['id']}/report", evaluator).json()
    lines = {line["group"]["kind"]: line for line in report["lines"]}
    assert (report["run"], report["split"]) == (run["id"], "default@1")
    assert list(lines) == ["train", "interpolation", "composition", "extrapolation", "family"]
    nothing = {"scored": 0, **dict.fromkeys(("mean", "mean_interval", "iqm", "iqm_interval"))}
    assert lines["interpolation"] == {
        "group": {"kind": "interpolation"},
        **dict.fromkeys(("specs", "episodes"), 0),
        **nothing,
        "reference": nothing,
    }
    assert lines["extrapolation"]["specs"] == lines["family"]["specs"] == 1
    assert lines["extrapolation"]["mean_interval"] is None
    assert pool.get(f"/v1/runs/{run['id']}/report", evaluator).json() == report
    score = (2.5 - random) / random  # 2.5 is what the worker played by hand reports of everything
    train = lines["train"]
    assert (train["specs"], train["scored"], train["episodes"]) == (2, 2, 2)
    other = pool.get("/v1/environments/classic/cartpole@1;gravity=4.9").json()["card"]["random_return"]
    assert train["mean"] == pytest.approx((score + (2.5 - other) / other) / 2)
    assert train["mean_interval"]["low"] <= train["mean"] <= train["mean_interval"]["high"]
    problem(pool.get(f"/v1/runs/{run['id']}/report", params={"split": "nothing"}), 404)
    reference = train["reference"]
    goal = pool.get("/v1/environments/classic/cartpole@1").json()["card"]["reference_return"]
    assert reference["scored"] == 1
    assert reference["mean"] == pytest.approx((2.5 - random) / (goal - random))


def test_a_report_groups_by_what_is_asked_for(pool: Pool, hand: Chunks, evaluator: httpx.AsyncClient) -> None:
    refs = ["classic/cartpole@1", "classic/cartpole@1;gravity=19.6", "puzzles/lights_out@1"]
    run = evaluate(pool, evaluator, refs=refs, policies=["random", "still"], seeds=[1, 2])
    hand.serve()

    def groups(*by: str) -> list[tuple[tuple[str, ...], int, int]]:
        report = pool.get(f"/v1/runs/{run['id']}/report", evaluator, params={"by": by}).json()
        assert report["by"] == list(by) or not by
        return [(tuple(line["group"].values()), line["specs"], line["episodes"]) for line in report["lines"]]

    assert groups("policy") == [(("random",), 3, 6), (("still",), 3, 6)]
    assert groups("domain", "seed") == [
        (("physics", "1"), 2, 4),
        (("physics", "2"), 2, 4),
        (("symbolic", "1"), 1, 2),
        (("symbolic", "2"), 1, 2),
    ]
    assert next(group for group, *_ in groups()) == ("random", "train")
    assert len(groups("base_task")) == 2
    problem(pool.get(f"/v1/runs/{run['id']}/report", evaluator, params={"by": "colour"}), 422)


# --- stewards


@pytest.mark.parametrize("path", ["/v1/admin/splits", "/v1/admin/splits/default@1:activate"])
def test_only_stewards_declare_and_activate(pool: Pool, path: str) -> None:
    body = {"json": {"name": "mine", "rules": [RULE]}} if path.endswith("splits") else {}
    problem(pool.post(path, pool.anonymous, **body), 401)
    assert "splits:write" in problem(pool.post(path, **body), 403)["detail"]
    plain = key(pool, "admin:read", "admin:write", cell=None)
    assert "splits:write" in problem(pool.post(path, plain, **body), 403)["detail"]


def test_a_declared_split_has_versions_that_never_change(pool: Pool) -> None:
    first = declare(pool, "mine", RULE, note="faster", budget=5)
    assert (first["ref"], first["in_force"], first["counts"]["extrapolation"] > 0) == ("mine@1", False, True)
    again = pool.post("/v1/admin/splits", pool.operator, json={"name": "mine", "rules": [RULE]})
    assert "mine@1 has the same rules" in problem(again, 409)["detail"]
    second = declare(pool, "mine", {**RULE, "trained": [None, 6]})
    assert second["ref"] == "mine@2"
    assert pool.get("/v1/splits/mine@1").json()["rules"] == first["rules"]
    assert pool.get("/v1/splits/mine").json()["ref"] == "mine@2"
    assert pool.get("/v1/admin/audit", pool.operator).json()["items"][0]["action"] == "split.declare"


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"kind": "extrapolated"}, "body.rules.0.kind"),
        ({"axis": "gravty"}, "body.rules[0].axis"),
        ({"trained": [None, None]}, "body.rules[0].trained"),
        ({"trained": [None]}, "body.rules.0.trained"),
        ({"between": [1, 2]}, "body.rules[0].between"),
        ({"families": ["nothing/*"]}, "body.rules[0].families"),
        ({"families": []}, "body.rules.0.families"),
        ({"sort": 1}, "body.rules.0.sort"),
        ({"name": "A name"}, "body.rules.0.name"),
    ],
)
def test_a_rule_that_cannot_be_names_its_field(pool: Pool, rule: dict[str, Any], field: str) -> None:
    body = {"name": "wrong", "rules": [{**RULE, **rule}]}
    answer = pool.post("/v1/admin/splits", pool.operator, json=body)
    assert field in {error["field"] for error in problem(answer, 422)["errors"]}
    problem(pool.get("/v1/splits/wrong"), 404)


def test_a_composition_whose_parts_nothing_trains_on_is_refused(pool: Pool) -> None:
    parts = {"name": "c", "kind": "composition", "parts": ["slip", ":pixels"], "families": ["formal/*"]}
    no = {"name": "f", "kind": "extrapolation", "axis": "slip", "trained": [None, 1e-9], "domain": "symbolic"}
    answer = pool.post("/v1/admin/splits", pool.operator, json={"name": "unseen", "rules": [parts, no]})
    (error,) = problem(answer, 422)["errors"]
    assert error["field"] == "body.rules[0].parts"
    assert "slip" in error["reason"]


def test_a_change_of_the_split_holds_for_submissions_after_it_and_names_what_goes_on(pool: Pool) -> None:
    fast = "mujoco/half_cheetah@1;frame_skip=8"
    running = pool.post("/v1/runs", json={"refs": [fast], "episodes": 1}).json()
    split = declare(pool, "later", RULE)
    assert pool.get(f"/v1/environments/{fast}").json()["split"]["split"] == "default@1"
    done = activate(pool, split["ref"])
    try:
        assert (done["split"], done["before"]) == ("later@1", "default@1")
        assert pool.get(f"/v1/environments/{fast}").json()["split"]["split"] == "later@1"
        assert running["id"] in done["unfinished"]
        assert pool.get(f"/v1/runs/{running['id']}").json()["split"] == "default@1"
        assert "later@1" in problem(pool.post("/v1/runs", json={"refs": [fast], "episodes": 1}), 403)["detail"]
        assert pool.post("/v1/runs", json={"refs": [FAR], "episodes": 1}).status_code == 202
        kinds = {e["split"] for e in pool.get("/v1/admin/exposures", pool.operator).json()["items"]}
        assert kinds <= {"default@1"}
        found = pool.get("/v1/environments", params={"split": "heldout", "limit": 1000}).json()["items"]
        assert {one["family"].partition("/")[0] for one in found} == {"mujoco"}
    finally:
        activate(pool, "default@1")


def test_a_change_of_the_split_waits_for_submissions_under_way(pool: Pool) -> None:
    async def race() -> None:
        async with pool.parts.sessions() as submitting, pool.parts.sessions() as steward:
            assert await splits.in_force(submitting, hold=True)
            pid = await steward.scalar(text("SELECT pg_backend_pid()"))
            change = asyncio.create_task(splits.activate(steward, await splits.find(steward, "default@1")))
            waiting = text("SELECT 1 FROM pg_stat_activity WHERE pid = :pid AND wait_event_type = 'Lock'")
            async with pool.parts.sessions() as watcher, asyncio.timeout(30):
                while not await watcher.scalar(waiting, {"pid": pid}):
                    assert not change.done()
                    await watcher.rollback()
            await submitting.commit()
            await change

    pool.runner.run(race())
