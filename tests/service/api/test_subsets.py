"""Subsets can be made again, found by what they are, combined, and say what they cover."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from env_registry import metric
from service import subsets
from service.models import Environment
from tests.service.api.test_refusals import problem
from tests.service.conftest import Pool

PENDULUMS = ["classic/pendulum@1", "classic/pendulum@1;g=5", "classic/pendulum@1;g=15"]
OTHERS = ["classic/cartpole@1", "classic/acrobot@1"]


def made(pool: Pool, **body: Any) -> dict[str, Any]:
    answer = pool.post("/v1/subsets", json=body)
    assert answer.status_code == 201, answer.text
    subset: dict[str, Any] = answer.json()
    return subset


def refs(pool: Pool, subset: str) -> list[str]:
    items = pool.get(f"/v1/subsets/{subset}/environments", params={"limit": 1000}).json()["items"]
    return [item["ref"] for item in items]


def located(pool: Pool, where: Any) -> tuple[list[str], np.ndarray[Any, Any]]:
    """Refs and vectors of the catalogued specs for which a condition holds."""

    async def read() -> list[Any]:
        async with pool.parts.sessions() as session:
            return list(await session.execute(select(Environment.ref, Environment.vector).where(where)))

    rows = pool.runner.run(read())
    return [ref for ref, _ in rows], np.array([np.frombuffer(vector, metric.VECTOR) for _, vector in rows], np.int64)


# --- made again


@pytest.mark.parametrize("strategy", ["random", "stratified", "diverse"])
def test_the_same_query_chooses_the_same_whatever_way_the_database_goes(pool: Pool, strategy: str) -> None:
    asked = {"size": 20, "strategy": strategy, "seed": 3}
    first = made(pool, where={"domain": "physics"}, **asked)
    again = made(pool, where={"domain": "physics", "max_step_us": 1e12}, **asked)
    assert again["digest"] == first["digest"]
    assert again["id"] != first["id"]


@pytest.mark.parametrize("strategy", ["random", "stratified", "diverse"])
def test_a_larger_subset_begins_with_the_smaller_one(pool: Pool, strategy: str) -> None:
    few, many = (made(pool, where={}, size=size, strategy=strategy, seed=5)["id"] for size in (7, 19))
    assert refs(pool, many)[:7] == refs(pool, few)


def test_a_subset_names_the_catalogue_that_was_asked(pool: Pool) -> None:
    version = pool.get("/v1/catalogue").json()["version"]
    subset = made(pool, where={"family": "classic/pendulum"}, catalogue=version)
    assert subset["catalogue"] == version
    assert subset["source"]["catalogue"] == version
    assert made(pool, refs=PENDULUMS)["catalogue"] is None


def test_another_catalogue_than_asked_for_is_a_conflict(pool: Pool) -> None:
    answer = problem(pool.post("/v1/subsets", json={"where": {}, "catalogue": "0" * 64}), 409)
    (error,) = answer["errors"]
    assert error["field"] == "body.catalogue"
    assert pool.get("/v1/catalogue").json()["version"] in error["reason"]


# --- found


def test_a_subset_is_found_by_id_digest_and_name(pool: Pool) -> None:
    subset = made(pool, refs=PENDULUMS, name="pendulums")
    for address in ("id", "digest", "name"):
        assert pool.get(f"/v1/subsets/{subset[address]}").json()["digest"] == subset["digest"]
        assert refs(pool, subset[address]) == PENDULUMS
        run = pool.post("/v1/runs", json={"subset": subset[address], "episodes": 1})
        assert run.status_code == 202, run.text
        assert run.json()["environments"] == 3


def test_of_equal_lists_the_digest_finds_the_first(pool: Pool) -> None:
    first, second = made(pool, refs=OTHERS[:1]), made(pool, refs=OTHERS[:1])
    assert first["digest"] == second["digest"]
    assert pool.get(f"/v1/subsets/{first['digest']}").json() == first


def test_a_name_stands_for_one_list(pool: Pool) -> None:
    subset = made(pool, refs=OTHERS, name="others")
    assert made(pool, refs=OTHERS, name="others") == subset
    (error,) = problem(pool.post("/v1/subsets", json={"refs": PENDULUMS, "name": "others"}), 409)["errors"]
    assert error["field"] == "body.name"
    assert subset["id"] in error["reason"]


def test_of_requests_at_once_for_one_name_one_makes_it(pool: Pool) -> None:
    async def both() -> list[Any]:
        bodies = ({"refs": [ref], "name": "raced"} for ref in PENDULUMS[:2] * 2)
        return await asyncio.gather(*(pool.cell.post("/v1/subsets", json=body) for body in bodies))

    answers = pool.runner.run(both())
    assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409]
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1


def test_names_and_digests_of_another_cell_find_nothing(pool: Pool) -> None:
    assert pool.post("/v1/admin/cells", pool.operator, json={"name": "outsiders"}).status_code == 201
    key = pool.post("/v1/admin/keys", pool.operator, json={"cell": "outsiders"}).json()["secret"]
    stranger = pool.client(key)
    subset = made(pool, refs=PENDULUMS[:2], name="ours")
    for address in ("id", "digest", "name"):
        problem(pool.get(f"/v1/subsets/{subset[address]}", stranger), 404)
        body = {"union": [subset[address]]}
        (error,) = problem(pool.post("/v1/subsets", stranger, json=body), 422)["errors"]
        assert error["field"] == "body.union[0]"
    assert pool.post("/v1/subsets", stranger, json={"refs": OTHERS, "name": "ours"}).status_code == 201


@pytest.mark.parametrize("address", ["sub_x", "nobodys", "a%00", "%F0%9F%A6%8A", "0" * 64, "Upper"])
def test_what_names_no_subset_is_not_found(pool: Pool, address: str) -> None:
    problem(pool.get(f"/v1/subsets/{address}"), 404)


# --- combined


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("union", [PENDULUMS[0], PENDULUMS[1], PENDULUMS[2], OTHERS[0]]),
        ("difference", [PENDULUMS[0], PENDULUMS[2]]),
        ("intersection", [PENDULUMS[1]]),
    ],
)
def test_subsets_are_combined_in_the_order_of_the_first(pool: Pool, how: str, expected: list[str]) -> None:
    first = made(pool, refs=PENDULUMS)
    second = made(pool, refs=[OTHERS[0], PENDULUMS[1]], name="second" + how)
    subset = made(pool, **{how: [first["id"], second["name"]]})
    assert refs(pool, subset["id"]) == expected
    assert subset["size"] == len(expected)
    assert subset["source"][how] == [first["id"], second["name"]]
    assert (subset["catalogue"], subset["coverage"]) == (None, None)
    assert subset["digest"] == made(pool, refs=expected)["digest"]


def test_of_three_the_others_all_count(pool: Pool) -> None:
    a, b, c = (made(pool, refs=some)["digest"] for some in (PENDULUMS, PENDULUMS[:2], PENDULUMS[1:]))
    assert refs(pool, made(pool, intersection=[a, b, c])["id"]) == [PENDULUMS[1]]
    problem(pool.post("/v1/subsets", json={"difference": [a, b, c]}), 422)
    assert refs(pool, made(pool, union=[c, b, a])["id"]) == [*PENDULUMS[1:], PENDULUMS[0]]


@pytest.mark.parametrize("how", ["difference", "intersection"])
def test_a_combination_of_nothing_is_refused(pool: Pool, how: str) -> None:
    some = made(pool, refs=PENDULUMS)["id"]
    other = some if how == "difference" else made(pool, refs=OTHERS)["id"]
    (error,) = problem(pool.post("/v1/subsets", json={how: [some, other]}), 422)["errors"]
    assert error["field"] == f"body.{how}"


# --- covered


def test_coverage_is_that_of_all_that_match(pool: Pool) -> None:
    subset = made(pool, where={"family": "mujoco/*", "split": "any"}, size=30, strategy="diverse", seed=1)
    every, vectors = located(pool, Environment.family.startswith("mujoco/"))
    taken = [every.index(ref) for ref in refs(pool, subset["id"])]
    nearest = np.sqrt(((vectors[:, None] - vectors[None, taken]) ** 2).sum(axis=2).min(axis=1)) / metric.UNIT
    coverage = subset["coverage"]
    assert coverage["matching"] == len(every)
    assert coverage["largest_distance"] == pytest.approx(nearest.max(), abs=1e-4)
    assert coverage["mean_distance"] == pytest.approx(nearest.mean(), abs=1e-4)
    families = {ref.partition("@")[0] for ref in every}
    assert coverage["domains"] == {"covered": 1, "of": 1}
    assert coverage["families"]["of"] == len(families)
    assert coverage["families"]["covered"] == len({ref.partition("@")[0] for ref in refs(pool, subset["id"])})
    assert coverage["base_tasks"]["covered"] <= coverage["base_tasks"]["of"]
    assert 0 < coverage["modifiers"]["covered"] <= coverage["modifiers"]["of"]


def test_a_diverse_subset_leaves_nothing_as_far_off_as_a_random_one_does(pool: Pool) -> None:
    def largest(strategy: str, seed: int) -> float:
        subset = made(pool, where={}, size=128, strategy=strategy, seed=seed)
        distance: float = subset["coverage"]["largest_distance"]
        return distance

    for seed in range(3):
        assert largest("diverse", seed) < largest("random", seed)


def test_all_that_match_are_at_no_distance(pool: Pool) -> None:
    coverage = made(pool, where={"family": "classic/pendulum"})["coverage"]
    assert (coverage["largest_distance"], coverage["mean_distance"]) == (0, 0)
    assert coverage["base_tasks"]["covered"] == coverage["base_tasks"]["of"]


def test_too_many_that_choose_at_a_time_are_told_to_come_back(pool: Pool) -> None:
    async def many() -> list[Any]:
        bodies = ({"where": {}, "size": 8, "seed": seed} for seed in range(subsets.MOST_CHOICES + 2))
        return await asyncio.gather(*(pool.cell.post("/v1/subsets", json=body) for body in bodies))

    answers = pool.runner.run(many())
    refused = [answer for answer in answers if answer.status_code != 201]
    assert len(refused) == 2
    for answer in refused:
        problem(answer, 503)
        assert int(answer.headers["retry-after"]) > 0
    made(pool, where={}, size=8)
