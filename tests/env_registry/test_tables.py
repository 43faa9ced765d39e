"""Tables: what they may hold, what names them, and how rows are drawn."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from env_registry import EpisodeSeeds, RefProblem, Table, TableProblem, card_of, make, parse
from env_registry.conformance import check
from env_registry.packing import pack

finite = st.floats(allow_nan=False, allow_infinity=False)
names = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,9}", fullmatch=True)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    rows = draw(st.integers(1, 5))
    column = st.lists(finite, min_size=rows, max_size=rows)
    columns = draw(st.dictionaries(names, column, min_size=1, max_size=3))
    weight = st.floats(0, 1e300, exclude_min=True)
    return Table.of(columns, draw(st.none() | st.lists(weight, min_size=rows, max_size=rows)))


# ------------------------------------------------------------------ content and digest


@given(tables())
def test_a_table_is_read_back_from_its_canonical_form(table: Table) -> None:
    again = Table.read(table.content)
    assert again == table
    assert again.digest == table.digest == hashlib.sha256(table.content).hexdigest()
    assert rfc8785.dumps(json.loads(table.content, parse_int=float)) == table.content


def test_equal_numbers_in_any_type_and_order_are_one_table() -> None:
    one = Table.of({"a": [1, 0], "b": [2.5, 3]}, [1, 2])
    other = Table.of({"b": np.array([2.5, 3], np.float32), "a": np.array([1, -0.0])}, np.array([1, 2]))  # type: ignore
    assert one.digest == other.digest
    assert one.digest != Table.of({"a": [1, 0], "b": [2.5, 3]}).digest
    assert one.digest != Table.of({"a": [0, 1], "b": [3, 2.5]}, [2, 1]).digest


@pytest.mark.parametrize(
    ("columns", "weights", "field"),
    [
        ({}, None, "columns"),
        ([], None, "columns"),
        ({"a": [math.nan]}, None, "columns.a[0]"),
        ({"a": [0, math.inf]}, None, "columns.a[1]"),
        ({"a": [10**400]}, None, "columns.a[0]"),
        ({"a": [True]}, None, "columns.a[0]"),
        ({"a": [1j]}, None, "columns.a[0]"),
        ({"a": "12"}, None, "columns.a"),
        ({"a": {1, 2}}, None, "columns.a"),
        ({"a,b": [1]}, None, "columns.a,b"),
        ({"a": [1, 2]}, [1, -1], "weights[1]"),
        ({"a": [1, 2]}, [1, math.nan], "weights[1]"),
        ({"a": [1, 2]}, [1, 2, 3], "weights"),
    ],
)
def test_what_is_no_table_is_refused_with_its_field(columns: Any, weights: Any, field: str) -> None:
    with pytest.raises(TableProblem) as caught:
        Table.of(columns, weights)
    assert caught.value.field == field


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"1", b'{"columns": {"a": [1]}}', b"[" * 10_000, b"\xff"])
def test_bytes_that_are_no_table_are_refused(content: bytes) -> None:
    with pytest.raises(TableProblem):
        Table.read(content)


# ------------------------------------------------------------------ rows


@given(tables(), st.integers(0, 2**32))
def test_every_drawn_row_is_there_and_depends_on_the_stream_alone(table: Table, seed: int) -> None:
    row = table.draw(np.random.default_rng(seed))
    assert 0 <= row < table.rows
    assert row == Table.read(table.content).draw(np.random.default_rng(seed))


@pytest.mark.parametrize(("weights", "shares"), [(None, [1 / 3] * 3), ([1, 2, 5], [1 / 8, 2 / 8, 5 / 8])])
def test_rows_are_drawn_in_proportion_to_their_weights(weights: list[float] | None, shares: list[float]) -> None:
    table, rng = Table.of({"a": [1, 2, 3]}, weights), np.random.default_rng(0)
    drawn = Counter(table.draw(rng) for _ in range(20_000))
    assert [drawn[row] / 20_000 for row in range(3)] == pytest.approx(shares, abs=0.015)


def test_a_weighted_row_is_the_one_whose_sum_of_weights_is_above_the_draw() -> None:
    table = Table.of({"a": [1, 2, 3]}, [0.1, 0.2, 0.3])
    sums = [0.1, 0.1 + 0.2, 0.1 + 0.2 + 0.3]
    for seed in range(50):
        u = np.random.default_rng(seed).random() * sums[-1]
        assert table.draw(np.random.default_rng(seed)) == min(sum(s <= u for s in sums), 2)


# ------------------------------------------------------------------ specs that draw from tables

JOINT = Table.of({"gravity": [5, 6, 7, 8], "friction": [0.5, 0.6, 0.7, 0.8]})
OTHER = Table.of({"mass": [1, 2, 0.5]})
REF = (
    f"mujoco/hopper;friction_scale=table({JOINT.digest},friction);gravity=table({JOINT.digest},gravity)"
    f";mass_scale=table({OTHER.digest},mass);damping_scale=uniform(0.5,2)"
)


def test_parameters_of_one_table_come_from_one_row_and_tables_are_independent() -> None:
    simulator = make(REF, tables=[OTHER, JOINT])
    seen = set()
    for seed in range(60):
        simulator.reset(EpisodeSeeds.of(seed))
        drawn = dict(simulator.drawn)
        assert drawn["gravity"] == pytest.approx(10 * drawn["friction_scale"])  # type: ignore[operator]
        seen.add((drawn["gravity"], drawn["mass_scale"]))
    assert len(seen) == 12


def test_what_is_drawn_stands_in_the_stream_in_order_of_parameters() -> None:
    simulator, seeds = make(REF, tables=[OTHER, JOINT]), EpisodeSeeds.of(3)
    simulator.reset(seeds)
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(3).spawn(5)[4]))
    damping, joint, other = rng.uniform(0.5, 2), int(rng.integers(4)), int(rng.integers(3))
    assert simulator.drawn == {
        "damping_scale": damping,
        "friction_scale": JOINT.columns["friction"][joint],
        "gravity": JOINT.columns["gravity"][joint],
        "mass_scale": OTHER.columns["mass"][other],
    }


def test_an_integer_parameter_gets_integers() -> None:
    table = Table.of({"skip": [2, 4]})
    simulator = make(f"mujoco/hopper;frame_skip=table({table.digest},skip)", tables=[table])
    simulator.reset(EpisodeSeeds.of(0))
    assert type(simulator.drawn["frame_skip"]) is int


def test_a_saved_state_holds_the_row_that_was_drawn() -> None:
    one, other = make(REF, tables=[JOINT, OTHER]), make(REF, tables=[JOINT, OTHER])
    one.reset(EpisodeSeeds.of(1))
    other.reset(EpisodeSeeds.of(2))
    state = one.save()
    assert state is not None
    assert one.drawn != other.drawn
    other.load(state)
    assert other.drawn == one.drawn
    action = one.action_spaces["agent"].high  # type: ignore[attr-defined]
    assert pack([one.step(action)[:4] for _ in range(9)]) == pack([other.step(action)[:4] for _ in range(9)])


def test_the_content_of_a_table_is_part_of_a_specs_identity() -> None:
    changed = Table.of({"gravity": [5, 6, 7, 9], "friction": [0.5, 0.6, 0.7, 0.8]})
    spec, other = parse(REF), parse(REF.replace(JOINT.digest, changed.digest))
    assert spec.digest != other.digest
    assert spec.tables == {JOINT.digest, OTHER.digest}
    assert parse(spec.ref) == spec
    assert JOINT.digest in json.dumps(spec.json())


@pytest.mark.parametrize(
    ("ref", "given", "field", "reason"),
    [
        (REF, [JOINT], "parameters.mass_scale", f"the table {OTHER.digest} is not here; give it"),
        (f"mujoco/hopper;gravity=table({JOINT.digest},grvity)", [JOINT], "parameters.gravity", "did you mean gravity"),
        (
            f"mujoco/hopper;mass_scale=table({JOINT.digest},gravity)",
            [JOINT],
            "parameters.mass_scale",
            f"row 0 of column 'gravity' of table {JOINT.digest}: 5.0 is outside 0.4 to 2.5",
        ),
        ("mujoco/hopper;gravity=table(x,gravity)", [], "parameters.gravity", "64 hexadecimal digits"),
        (f"mujoco/hopper;gravity=table({JOINT.digest},a b)", [], "ref", "' '"),
        (f"mujoco/hopper;terminate_when_unhealthy=table({JOINT.digest},x)", [], None, "is for numbers"),
        (f"mujoco/hopper;exclude_current_positions_from_observation=table({JOINT.digest},x)", [], None, "takes no"),
    ],
)
def test_what_does_not_fit_says_what_and_where(ref: str, given: list[Table], field: str | None, reason: str) -> None:
    with pytest.raises(RefProblem) as caught:
        make(ref, tables=given)
    assert field in (None, caught.value.field)
    assert reason in caught.value.reason


def test_a_spec_with_distributions_has_a_card_and_passes_the_kit() -> None:
    spec = parse("classic/pendulum;g=uniform(5,12)")
    card = card_of(spec)
    assert card is not None
    assert card.horizon == 200
    assert card.fingerprint is None
    assert card.observation_spaces is not None
    assert [verdict for verdict in check(spec.ref) if verdict.problem] == []
