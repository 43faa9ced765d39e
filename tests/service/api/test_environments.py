"""Environments can be searched, shown and resolved; subsets are chosen evenly and never change."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

import env_registry
from service import catalogue
from service.models import Environment, Subset, SubsetEnvironment
from tests.service.conftest import Pool


def found(pool: Pool, **conditions: Any) -> list[dict[str, Any]]:
    answer = pool.get("/v1/environments", params={"limit": 1000, **conditions})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


@pytest.fixture(scope="module")
def everything(pool: Pool) -> list[dict[str, Any]]:
    """What the whole catalogue shows, in the order of pages."""

    async def shown() -> list[str]:
        async with pool.parts.sessions() as session:
            return list(await session.scalars(select(Environment.shown).order_by(Environment.digest)))

    return [json.loads(text) for text in pool.runner.run(shown())]


def names(item: dict[str, Any]) -> list[str]:
    return [modifier["name"] for modifier in item["modifiers"]]


def said(item: dict[str, Any]) -> str:
    """All text about a spec, each word between spaces."""
    family = env_registry.families()[item["family"]]
    text = " ".join((item["ref"], *family.tags, family.description)).lower()
    return f" {re.sub(r'[^a-z0-9.]+|[.](?![a-z0-9])', ' ', text)} "


@pytest.mark.parametrize(
    ("conditions", "holds"),
    [
        ({"domain": "social"}, lambda e: e["domain"] == "social"),
        ({"family": "mujoco/ant"}, lambda e: e["family"] == "mujoco/ant"),
        ({"family": "mujoco/*"}, lambda e: e["family"].startswith("mujoco/")),
        ({"family": "*"}, lambda e: True),
        ({"kind": "turn"}, lambda e: e["kind"] == "turn"),
        ({"tag": "mujoco"}, lambda e: "mujoco" in e["tags"]),
        ({"modifier": "reward_delay"}, lambda e: "reward_delay" in names(e)),
        ({"modifier": "none", "family": "mujoco/ant"}, lambda e: e["family"] == "mujoco/ant" and names(e) == []),
        ({"param": "gravity:1..5"}, lambda e: 1 <= e["parameters"].get("gravity", 0) <= 5),
        ({"param": "gravity:..5"}, lambda e: e["parameters"].get("gravity", 6) <= 5),
        ({"text": "half cheetah gravity"}, lambda e: all(f" {w} " in said(e) for w in ("half", "cheetah", "gravity"))),
        ({"text": "Reward, 0.25"}, lambda e: all(f" {w} " in said(e) for w in ("reward", "0.25"))),
        ({"text": "..."}, lambda e: False),
        ({"max_step_us": 20}, lambda e: e["step_us"] <= 20),
        ({"base_task": "classic/cartpole"}, lambda e: e["base_task"] == "classic/cartpole"),
        ({"modifier": ["obs_drop", "obs_delay"]}, lambda e: {"obs_drop", "obs_delay"} <= {*names(e)}),
        ({"min_agents": 3, "max_agents": 4}, lambda e: e["agents"] in (3, 4)),
        ({"min_agents": 6}, lambda e: e["agents"] >= 6),
        ({"observations": "image"}, lambda e: e["observations"] == "image"),
        ({"actions": "masked"}, lambda e: e["actions"] == "masked"),
        ({"domain": "physics", "observations": "discrete"}, lambda e: False),  # many of either, none of both
        ({"engine": "open-spiel"}, lambda e: e["engine"] == "open-spiel"),
        ({"max_make_ms": 1}, lambda e: e["make_ms"] <= 1),
        ({"max_memory_mb": 160}, lambda e: e["memory_mb"] <= 160),
        ({"single_turn": "false"}, lambda e: "single_turn" not in e["tags"]),
        ({"seed_sensitive": "false"}, lambda e: e["seed_sensitive"] is False),
        ({"snapshot": "replay"}, lambda e: e["snapshot"] == "replay"),
        ({"min_effect": 1.04}, lambda e: e["effect"] is not None and e["effect"] >= 1.04),
        ({"param": "map_name:4x4"}, lambda e: e["parameters"].get("map_name") == "4x4"),
        (
            {"param": ["gravity:5", "terrain:grass"]},
            lambda e: (e["parameters"].get("gravity"), e["parameters"].get("terrain")) == (5, "grass"),
        ),
        ({"param": "gravity:4.905"}, lambda e: e["parameters"].get("gravity") == 4.905),  # there are specs with 5, too
    ],
)
def test_a_search_finds_all_that_fits_and_nothing_else(
    pool: Pool, everything: list[dict[str, Any]], conditions: dict[str, Any], holds: Callable[[dict[str, Any]], bool]
) -> None:
    expected = [item for item in everything if holds(item)]
    assert found(pool, **conditions) == expected[:1000]
    assert pool.get("/v1/catalogue/facets", params=conditions).json()["specs"] == len(expected)


def test_pages_neither_skip_nor_repeat(pool: Pool) -> None:
    whole = [item["ref"] for item in found(pool, family="classic/pendulum")]
    refs, cursor = [], None
    while True:
        params = {"family": "classic/pendulum", "limit": 7, **({"cursor": cursor} if cursor else {})}
        page = pool.get("/v1/environments", params=params).json()
        refs += [item["ref"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert refs == whole


def test_facets_count_what_a_search_finds(pool: Pool) -> None:
    conditions = {"family": "mujoco/*", "param": "gravity:1..5"}
    facets = pool.get("/v1/catalogue/facets", params=conditions).json()
    items = found(pool, **conditions)
    assert facets["specs"] == len(items) > 50
    for name in ("domain", "family", "kind", "observations", "actions", "agents", "engine", "snapshot"):
        assert facets[name] == Counter(str(item[name]) for item in items), name
    assert facets["tag"] == Counter(tag for item in items for tag in item["tags"])
    modifiers = Counter(name for item in items for name in {*names(item)} or ["none"])
    assert facets["modifier"] == modifiers
    assert list(facets["modifier"].values()) == sorted(modifiers.values(), reverse=True)


def test_facets_of_the_whole_catalogue_are_those_counted_at_its_load(pool: Pool) -> None:
    whole = pool.get("/v1/catalogue/facets").json()
    assert whole == pool.get("/v1/catalogue/facets", params={"family": "*"}).json()
    several = pool.get("/v1/catalogue/facets", params={"single_turn": "false"}).json()
    assert several["domain"] == pool.get("/v1/catalogue").json()["domains"]
    assert pool.get("/v1/catalogue/facets", params={"text": "nosuchword"}).json()["specs"] == 0


def test_any_range_of_any_parameter_finds_exactly_what_lies_in_it(pool: Pool) -> None:
    items = found(pool, family="classic/*")
    for name in {name for item in items for name in item["parameters"]}:
        values = sorted({v for item in items if type(v := item["parameters"].get(name)) in (int, float)})
        for low, high in values and {(values[0], values[-1]), (values[-1], values[-1]), (values[0] - 1, values[0])}:
            expected = {e["ref"] for e in items if name in e["parameters"] and low <= e["parameters"][name] <= high}
            assert {e["ref"] for e in found(pool, family="classic/*", param=f"{name}:{low}..{high}")} == expected
            assert {e["ref"] for e in found(pool, family="classic/*", param=f"{name}:{low}..")} >= expected


def test_the_conditions_of_a_search_choose_a_subset(pool: Pool) -> None:
    where = {"max_agents": 1, "parameters": {"terrain": {"equals": "grass"}, "gravity": {"equals": 5, "max": None}}}
    subset = pool.post("/v1/subsets", json={"where": where}).json()
    items = pool.get(f"/v1/subsets/{subset['id']}/environments").json()["items"]
    params = {"max_agents": 1, "param": ["terrain:grass", "gravity:5"]}
    assert {item["ref"] for item in items} == {item["ref"] for item in found(pool, **params)} != set()


def test_any_valid_ref_resolves_whether_catalogued_or_not(pool: Pool) -> None:
    shown = pool.get("/v1/environments/mujoco/half_cheetah;gravity=4.2:delay(steps=2):sticky(p=0.25)").json()
    assert shown["ref"] == "mujoco/half_cheetah@1;gravity=4.2:delay(steps=2):sticky(p=0.25)"
    assert shown["digest"] == env_registry.parse(shown["ref"]).digest
    assert shown["catalogued"] is False
    known = pool.get("/v1/environments/classic/cartpole").json()
    assert known["catalogued"] is True
    assert known["card"]["seed_sensitive"] is True
    assert pool.get(f"/v1/environments/{known['digest']}").json() == known


def test_families_and_modifiers_tell_their_axes(pool: Pool) -> None:
    families = pool.get("/v1/families").json()["items"]
    assert {family["name"] for family in families} == set(env_registry.families())
    assert all(family["licence"] and family["source"] for family in families)
    delay = next(m for m in pool.get("/v1/modifiers").json()["items"] if m["name"] == "delay")
    assert delay["arguments"][0]["unit"]


def test_the_counts_are_those_of_the_registry(pool: Pool) -> None:
    counts = pool.get("/v1/catalogue").json()
    listed = list(env_registry.enumerate_specs())
    assert counts["specs"] == sum(counts["domains"].values()) >= 5000
    assert counts["specs"] + counts["single_turn"] == len(listed)
    assert counts["families"] == len({spec.family for spec in listed if not spec.traits.single_turn})


def test_the_catalogue_holds_what_the_registry_enumerates(pool: Pool) -> None:
    async def stored() -> tuple[list[str], list[Environment]]:
        async with pool.parts.sessions() as session:
            refs = list(await session.scalars(select(Environment.ref).order_by(Environment.digest)))
            some = select(Environment).where(Environment.ref.in_(refs[::500])).order_by(Environment.digest)
            return refs, list(await session.scalars(some))

    refs, rows = pool.runner.run(stored())
    specs = sorted(env_registry.enumerate_specs(), key=lambda spec: spec.digest)
    assert refs == [spec.ref for spec in specs]
    for row, spec in zip(rows, specs[::500], strict=True):
        assert row.digest.hex() == spec.digest
        assert row.modifiers == [use.name for use in spec.modifiers]
        detail = pool.get(f"/v1/environments/{spec.ref}").json()
        del detail["card"], detail["split"]
        assert json.loads(row.shown) == detail
        for name in catalogue.COPIED:
            assert getattr(row, name) == detail[name], name


@pytest.mark.parametrize("strategy", ["random", "stratified"])
def test_a_subset_may_be_the_whole_catalogue_and_its_digest_is_that_of_its_list(pool: Pool, strategy: str) -> None:
    async def listed(digest: str) -> list[bytes]:
        async with pool.parts.sessions() as session:
            query = select(SubsetEnvironment.digest).join(Subset, Subset.id == SubsetEnvironment.subset_id)
            ordered = query.where(Subset.digest == digest).order_by(SubsetEnvironment.ordinal)
            return list(await session.scalars(ordered))

    subset = pool.post("/v1/subsets", json={"where": {"split": "any"}, "strategy": strategy}).json()
    digests = pool.runner.run(listed(subset["digest"]))
    assert len(digests) == len(set(digests)) == subset["size"] == pool.get("/v1/catalogue/facets").json()["specs"]
    assert hashlib.sha256(b"".join(digests)).hexdigest() == subset["digest"]


def test_a_stratified_subset_is_even_over_domains_and_families(pool: Pool) -> None:
    subset = pool.post("/v1/subsets", json={"where": {}, "size": 60, "seed": 4}).json()
    assert subset["domains"] == {"physics": 20, "social": 20, "symbolic": 20}
    specs = pool.get(f"/v1/subsets/{subset['id']}/environments").json()["items"]
    by_family = Counter(spec["family"] for spec in specs if spec["domain"] == "physics")
    assert max(by_family.values()) - min(by_family.values()) <= 1


@pytest.mark.parametrize("strategy", ["random", "stratified", "diverse"])
def test_a_subset_follows_from_its_seed_alone(pool: Pool, strategy: str) -> None:
    def choose(seed: int) -> str:
        body = {"where": {"domain": "physics"}, "size": 16, "strategy": strategy, "seed": seed}
        digest: str = pool.post("/v1/subsets", json=body).json()["digest"]
        return digest

    assert choose(1) == choose(1) != choose(2)


def test_a_grid_spans_its_parameters_and_modifiers(pool: Pool) -> None:
    grid = {
        "family": "mujoco/hopper",
        "parameters": {"gravity": [5, 9.81], "friction_scale": [0.5, 1, 2]},
        "modifiers": [[], ["delay(steps=1)", "obs_noise(sd=0.1)"]],
    }
    subset = pool.post("/v1/subsets", json={"grid": grid}).json()
    specs = pool.get(f"/v1/subsets/{subset['id']}/environments").json()["items"]
    assert len({spec["digest"] for spec in specs}) == subset["size"] == 12
    assert specs[0]["ref"] == "mujoco/hopper@1;friction_scale=0.5;gravity=5"


def test_listed_refs_keep_their_order_and_count_once(pool: Pool) -> None:
    refs = ["classic/pendulum", "classic/cartpole@1", "classic/pendulum@1;g=10"]
    subset = pool.post("/v1/subsets", json={"refs": refs}).json()
    specs = pool.get(f"/v1/subsets/{subset['id']}/environments").json()["items"]
    assert [spec["ref"] for spec in specs] == ["classic/pendulum@1", "classic/cartpole@1"]


def test_a_request_sent_again_with_its_key_makes_nothing_new(pool: Pool) -> None:
    body = {"refs": ["classic/cartpole"]}
    first = pool.post("/v1/subsets", json=body, headers={"Idempotency-Key": "again"})
    second = pool.post("/v1/subsets", json=body, headers={"Idempotency-Key": "again"})
    assert (second.status_code, second.content) == (first.status_code, first.content)
    assert second.headers["location"] == first.headers["location"] == f"/v1/subsets/{first.json()['id']}"
    other = pool.post("/v1/subsets", json={"refs": ["classic/pendulum"]}, headers={"Idempotency-Key": "again"})
    assert other.status_code == 422
