"""Environments can be searched, shown and resolved; subsets are chosen evenly and never change."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select

import env_registry
from service.models import Environment, Subset, SubsetEnvironment
from tests.service.conftest import Pool


def found(pool: Pool, **conditions: Any) -> list[dict[str, Any]]:
    answer = pool.get("/v1/environments", params={"limit": 1000, **conditions})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


@pytest.mark.parametrize(
    ("conditions", "holds"),
    [
        ({"domain": "social"}, lambda e: e["domain"] == "social"),
        ({"family": "mujoco/ant"}, lambda e: e["family"] == "mujoco/ant"),
        ({"family": "mujoco/*"}, lambda e: e["family"].startswith("mujoco/")),
        ({"kind": "turn"}, lambda e: e["kind"] == "turn"),
        ({"tag": "mujoco"}, lambda e: "mujoco" in e["tags"]),
        ({"modifier": "reward_delay"}, lambda e: "reward_delay" in [m["name"] for m in e["modifiers"]]),
        ({"modifier": "none", "family": "mujoco/ant"}, lambda e: e["modifiers"] == []),
        ({"param": "gravity:1..5"}, lambda e: 1 <= e["parameters"]["gravity"] <= 5),
        ({"text": "half cheetah gravity"}, lambda e: "half_cheetah" in e["ref"] and "gravity" in e["ref"]),
        ({"max_step_us": 20}, lambda e: e["step_us"] <= 20),
        ({"base_task": "classic/cartpole"}, lambda e: e["base_task"] == "classic/cartpole"),
    ],
)
def test_a_search_finds_what_fits_and_nothing_else(pool: Pool, conditions: dict[str, Any], holds: Any) -> None:
    items = found(pool, **conditions)
    assert items
    assert all(holds(item) for item in items)


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
    assert counts["specs"] == sum(counts["domains"].values()) >= 5000
    assert counts["families"] == len({spec.family for spec in env_registry.enumerate_specs()})


def test_the_catalogue_holds_what_the_registry_enumerates(pool: Pool) -> None:
    async def stored() -> tuple[list[str], list[Environment]]:
        async with pool.parts.sessions() as session:
            refs = await session.scalars(select(Environment.ref).order_by(Environment.ordinal))
            some = select(Environment).where(Environment.ordinal % 500 == 0).order_by(Environment.ordinal)
            return list(refs), list(await session.scalars(some))

    refs, rows = pool.runner.run(stored())
    specs = list(env_registry.enumerate_specs())
    assert refs == [spec.ref for spec in specs]
    for row, spec in zip(rows, specs[::500], strict=True):
        assert row.digest.hex() == spec.digest
        assert row.parameters == spec.json()["parameters"]
        assert row.tags == list(spec.source.tags)
        assert row.modifiers == [use.name for use in spec.modifiers]
        assert row.step_us == pool.get(f"/v1/environments/{spec.ref}").json()["step_us"]


@pytest.mark.parametrize("strategy", ["random", "stratified"])
def test_a_subset_may_be_the_whole_catalogue_and_its_digest_is_that_of_its_list(pool: Pool, strategy: str) -> None:
    async def listed(digest: str) -> list[bytes]:
        async with pool.parts.sessions() as session:
            query = select(SubsetEnvironment.digest).join(Subset, Subset.id == SubsetEnvironment.subset_id)
            ordered = query.where(Subset.digest == digest).order_by(SubsetEnvironment.ordinal)
            return list(await session.scalars(ordered))

    subset = pool.post("/v1/subsets", json={"where": {}, "strategy": strategy}).json()
    digests = pool.runner.run(listed(subset["digest"]))
    assert len(digests) == len(set(digests)) == subset["size"] == pool.get("/v1/catalogue").json()["specs"]
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
