"""Splits: declared, put in force, shown with reasons, and search and subsets that heed them."""

from __future__ import annotations

from typing import Any

import pytest

from env_registry import enumerate_specs
from env_registry.splits import DEFAULT
from tests.service.api.test_refusals import problem
from tests.service.conftest import Pool

HELD = "mujoco/half_cheetah@1;gravity=19.62"


def test_the_shipped_split_is_in_force_and_counts_all_kinds(pool: Pool) -> None:
    (shown,) = pool.get("/v1/splits").json()["items"]
    assert (shown["ref"], shown["in_force"], shown["digest"]) == ("default@1", True, DEFAULT.digest)
    assert all(shown["counts"][kind] > 0 for kind in ("train", "family", "extrapolation", "composition", "interpolation"))
    assert sum(shown["counts"].values()) == pool.get("/v1/catalogue").json()["specs"]
    assert pool.get("/v1/splits/default").json() == pool.get("/v1/splits/default@1").json() == shown
