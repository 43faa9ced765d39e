"""Splits: membership follows from amounts, not from spellings; kinds mean what they say; carving leaves no holdout."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from env_registry import Distribution, Spec, enumerate_specs, families, parse
from env_registry.axes import DistributionKind
from env_registry.splits import DEFAULT, Kind, Rule, RuleProblem, Split, carve, distance, nearest, reasons, unseen_parts

HEAVY = Rule(name="heavy", kind=Kind.EXTRAPOLATION, axis="gravity", trained=(2.0, 16.0), families=("mujoco/*",))
BAND = Rule(name="band", kind=Kind.INTERPOLATION, axis="mass_scale", between=(1.2, 1.8))
STEPS = Rule(
    name="steps", kind=Kind.INTERPOLATION, axis="frame_skip", between=(5, 8), families=("mujoco/half_cheetah",)
)
LATE = Rule(name="late", kind=Kind.EXTRAPOLATION, axis=":delay.steps", trained=(None, 3.0))
WEAK = Rule(name="weak", kind=Kind.EXTRAPOLATION, axis="gear_scale", trained=(0.5, None))
LOST = Rule(name="lost", kind=Kind.INTERPOLATION, axis=":obs_drop.p", between=(0.15, 0.35))
BOTH = Rule(name="both", kind=Kind.COMPOSITION, parts=("friction_scale", ":sticky"))
SHORT = Rule(name="short", kind=Kind.EXTRAPOLATION, axis=":time_limit.steps", trained=(80.0, None))
CARTS = Rule(name="carts", kind=Kind.FAMILY, families=("*/cartpole",))
TASKS = Rule(name="tasks", kind=Kind.FAMILY, families=("formal/*",), tasks={"language": ("dyck1", "copy")})
SPLIT = Split.of((HEAVY, BAND, STEPS, LATE, WEAK, LOST, BOTH, SHORT, CARTS, TASKS))
CHEETAH = "mujoco/half_cheetah"


@pytest.mark.parametrize(
    ("ref", "kind"),
    [
        ("mujoco/half_cheetah", None),
        ("mujoco/half_cheetah;gravity=16", None),
        ("mujoco/half_cheetah;gravity=16.000000000000004", "extrapolation"),
        ("mujoco/half_cheetah;gravity=1.9", "extrapolation"),
        ("mujoco/half_cheetah;mass_scale=1.2", None),
        ("mujoco/half_cheetah;mass_scale=1.8", None),
        ("mujoco/half_cheetah;mass_scale=1.7999999999999998", "interpolation"),
        ("mujoco/half_cheetah;mass_scale=1.2000000000000002", "interpolation"),
        ("mujoco/half_cheetah;mass_scale=1.5", "interpolation"),
        ("mujoco/half_cheetah;mass_scale=1.5;gravity=19", "extrapolation"),  # the harder of two
        ("mujoco/half_cheetah;friction_scale=1.000001:sticky(p=0.5)", "composition"),
        ("mujoco/half_cheetah;friction_scale=1:sticky(p=0.5)", None),
        ("mujoco/half_cheetah;friction_scale=1.5", None),
        ("classic/cartpole", "family"),
        ("dm_control/cartpole", "family"),
        ("formal/language_recognition;language=dyck1", "family"),
        ("formal/language_recognition;language=dyck2", None),
        # the same amount in other words
        ("mujoco/half_cheetah:delay(steps=3)", None),
        ("mujoco/half_cheetah:delay(steps=4)", "extrapolation"),
        ("mujoco/half_cheetah:delay(steps=2):delay(steps=2)", "extrapolation"),
        ("mujoco/half_cheetah:delay(steps=1):delay(steps=2)", None),
        ("mujoco/half_cheetah:delay(steps=1):sticky(p=0.1):delay(steps=3)", "extrapolation"),
        ("mujoco/half_cheetah:latency(ms=1000)", "extrapolation"),
        ("mujoco/half_cheetah;gear_scale=0.7", None),
        ("mujoco/half_cheetah;gear_scale=0.7:action_scale(gain=0.7)", "extrapolation"),
        ("mujoco/half_cheetah:action_scale(gain=0.4)", "extrapolation"),
        ("mujoco/half_cheetah;frame_skip=6", "interpolation"),
        ("mujoco/half_cheetah;frame_skip=3:repeat(k=2)", "interpolation"),
        ("mujoco/half_cheetah;frame_skip=3", None),
        ("mujoco/half_cheetah:time_limit(steps=50)", "extrapolation"),
        ("mpe/simple_spread;max_cycles=50", "extrapolation"),
        ("mpe/simple_spread", None),
        ("mujoco/half_cheetah:obs_drop(p=0.1):obs_drop(p=0.1)", "interpolation"),
        # distributions that may draw it
        ("mujoco/half_cheetah;mass_scale=uniform(1,1.2)", None),
        ("mujoco/half_cheetah;mass_scale=uniform(1,1.3)", "interpolation"),
        ("mujoco/half_cheetah;mass_scale=choice(1,1.5)", "interpolation"),
        ("mujoco/half_cheetah;mass_scale=choice(1,2)", None),
        ("mujoco/half_cheetah;gravity=loguniform(5,17)", "extrapolation"),
        ("mujoco/half_cheetah;gravity=normal(9.81,0.001)", "extrapolation"),
        ("mujoco/half_cheetah;friction_scale=uniform(0.9,1.1):sticky(p=0.5)", "composition"),
    ],
)
def test_amounts_decide_and_not_words(ref: str, kind: str | None) -> None:
    assert SPLIT.kind(parse(ref)) == kind
    assert bool(reasons(SPLIT, parse(ref))) == (kind is not None)


def numbers(low: float, high: float, *borders: float) -> st.SearchStrategy[float]:
    """Any, and many at the borders and a hair away from them."""
    near = [x for b in borders for x in (b, math.nextafter(b, -math.inf), math.nextafter(b, math.inf), b + 1e-9)]
    return st.floats(low, high) | st.sampled_from([x for x in near if low <= x <= high])


@given(
    gravity=numbers(0, 30, 2, 16),
    mass=numbers(0.4, 2.5, 1.2, 1.8),
    gear=numbers(0.4, 2.5, 0.5),
    gains=st.lists(numbers(0.05, 20, 0.5, 1), max_size=2),
    delays=st.lists(st.integers(1, 5), max_size=3),
    lost=st.lists(numbers(0.01, 0.99, 0.15, 0.35), max_size=2),
)
def test_membership_near_the_borders_is_plain_arithmetic(
    gravity: float, mass: float, gear: float, gains: list[float], delays: list[int], lost: list[float]
) -> None:
    uses = [("delay", {"steps": n}) for n in delays] + [("action_scale", {"gain": x}) for x in gains]
    uses += [("obs_drop", {"p": p}) for p in lost]
    spec = Spec.of("mujoco/ant", {"gravity": gravity, "mass_scale": mass, "gear_scale": gear}, uses)
    outside = not 2 <= gravity <= 16 or sum(delays) > 3 or gear * math.prod(gains) < 0.5
    between = 1.2 < mass < 1.8 or len(lost) > 1 or any(0.15 < p < 0.35 for p in lost)
    expected = Kind.EXTRAPOLATION if outside else Kind.INTERPOLATION if between else None
    got = SPLIT.kind(spec)
    if not math.isclose(gear * math.prod(gains), 0.5, rel_tol=1e-12) or len(gains) < 2:  # order of multiplication
        assert got == expected


@given(st.data())
def test_membership_is_stable_under_spelling(data: st.DataObject) -> None:
    spec = data.draw(st.sampled_from(LISTED))
    split = data.draw(st.sampled_from([SPLIT, DEFAULT]))
    names = data.draw(st.permutations([axis.name for axis in spec.source.axes]))
    written = "".join(f";{name}={_other_words(spec.values[name], data)}" for name in names)
    version = data.draw(st.sampled_from(["", f"@{spec.version}"]))
    uses = "".join(
        f":{use.name}({','.join(f'{n}={_other_words(v, data)}' for n, v in use.arguments)})" for use in spec.modifiers
    )
    again = parse(f"{spec.family}{version}{written}{uses}")
    assert split.kind(again) == split.kind(spec)
    assert split.holding(again) == split.holding(spec)


LISTED = list(enumerate_specs())[::97]


def _other_words(value: Any, data: st.DataObject) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(value, int):
        return data.draw(st.sampled_from([str(value), f"+{value}" if value >= 0 else str(value)]))
    return data.draw(
        st.sampled_from([repr(value), f"{value:.20e}", f"{value!r}e0" if "e" not in repr(value) else repr(value)])
    )


def distributions(low: float, high: float) -> st.SearchStrategy[Distribution]:
    pair = st.tuples(st.floats(low, high), st.floats(low, high)).filter(lambda p: p[1] - p[0] > 1e-3)
    several = st.lists(st.floats(low, high), min_size=2, max_size=5).map(tuple)
    return (
        st.builds(Distribution, st.sampled_from([DistributionKind.UNIFORM, DistributionKind.LOGUNIFORM]), pair)
        | st.builds(Distribution, st.just(DistributionKind.CHOICE), several)
        | st.builds(Distribution, st.just(DistributionKind.NORMAL), st.tuples(st.floats(low, high), st.floats(0.01, 1)))
    )


@given(
    mass=distributions(0.4, 2.5),
    gravity=distributions(1, 30),
    skip=st.sampled_from([None, "uniform(1,9)", "choice(4,6,9)", "uniform(6,7)"]),
)
def test_what_may_be_trained_on_draws_no_holdout_and_carving_leaves_just_that(
    mass: Distribution, gravity: Distribution, skip: str | None
) -> None:
    given_ = {"mass_scale": mass, "gravity": gravity} | ({"frame_skip": skip} if skip else {})
    spec = Spec.of(CHEETAH, given_)
    rng = np.random.default_rng(0)
    drawn = [_draw(spec, rng) for _ in range(100)]
    carved = carve(SPLIT, spec)
    if SPLIT.kind(spec) is None:
        assert all(SPLIT.kind(one) is None for one in drawn)
        assert carved is not None
        assert [ref for ref, _ in carved.parts] == [spec.ref]
        return
    if carved is None:
        return
    parts = [parse(ref) for ref, _ in carved.parts]
    assert all(SPLIT.kind(part) is None for part in parts)
    assert all(SPLIT.kind(_draw(part, rng)) is None for part in parts for _ in range(10))
    assert math.fsum(share for _, share in carved.parts) + carved.cut == pytest.approx(1)
    kept = sum(SPLIT.kind(one) is None for one in drawn) / len(drawn)
    assert abs(kept - (1 - carved.cut)) < 0.25


def _draw(spec: Spec, rng: np.random.Generator) -> Spec:
    values = {
        name: spec.source.axis(name).draw(value, rng) if isinstance(value, Distribution) else value  # type: ignore[union-attr]
        for name, value in spec.parameters
    }
    return Spec.of(spec.family, values)


@pytest.mark.parametrize(
    ("ref", "parts", "cut"),
    [
        ("gravity=uniform(5,20)", [("gravity=uniform(5,16)", 11 / 15)], 4 / 15),
        ("mass_scale=uniform(1,2)", [("mass_scale=uniform(1,1.2)", 0.2), ("mass_scale=uniform(1.8,2)", 0.2)], 0.6),
        ("mass_scale=choice(1,1.5,2,2.5)", [("mass_scale=choice(1,2,2.5)", 0.75)], 0.25),
        ("mass_scale=choice(0.5,1.5)", [("mass_scale=0.5", 0.5)], 0.5),
        ("frame_skip=uniform(4,9)", [("frame_skip=uniform(4,5)", 1 / 3), ("frame_skip=uniform(8,9)", 1 / 3)], 1 / 3),
        ("frame_skip=uniform(6,8)", [("frame_skip=8", 1 / 3)], 2 / 3),
    ],
)
def test_carving_shows_what_remains_and_what_is_cut(ref: str, parts: list[tuple[str, float]], cut: float) -> None:
    carved = carve(SPLIT, parse(f"{CHEETAH};{ref}"))
    assert carved is not None
    assert [(part.partition(";")[2], pytest.approx(share)) for part, share in carved.parts] == parts
    assert carved.cut == pytest.approx(cut)


@pytest.mark.parametrize(
    "ref",
    [
        "mass_scale=1.5",  # no distribution
        "mass_scale=uniform(1.3,1.7)",  # nothing remains
        "mass_scale=normal(1,0.1)",  # a cut normal has no name
        "gravity=uniform(5,9):delay(steps=9)",  # held out for something else
        "friction_scale=uniform(0.9,1.1):sticky(p=0.5)",
    ],
)
def test_what_cannot_be_carved_stays_whole(ref: str) -> None:
    assert carve(SPLIT, parse(f"{CHEETAH};{ref}")) is None


def test_reasons_name_axis_hull_and_distance_hardest_kind_first() -> None:
    hard, mild = reasons(SPLIT, parse(f"{CHEETAH};gravity=23;mass_scale=1.5"))
    assert (hard.rule, hard.kind, hard.axis, hard.value, hard.hull) == (
        "heavy",
        "extrapolation",
        "gravity",
        "23",
        (2, 16),
    )
    assert hard.distance == pytest.approx(0.5)
    assert hard.detail == "gravity 23 lies outside 2 to 16, which is trained on"
    assert (mild.rule, mild.kind, mild.between, mild.distance) == ("band", "interpolation", (1.2, 1.8), 0.0)
    (below,) = reasons(SPLIT, parse(f"{CHEETAH};gravity=0.6"))
    assert below.distance == pytest.approx(0.1)
    (unknown,) = reasons(SPLIT, parse(f"{CHEETAH}:latency(ms=20)"))
    assert (unknown.value, unknown.distance) == (None, None)
    assert "not known" in unknown.detail


@pytest.mark.parametrize(
    ("ref", "near"),
    [
        (f"{CHEETAH};gravity=19.62", f"{CHEETAH}@1;gravity=14.715"),
        (f"{CHEETAH};mass_scale=1.3", f"{CHEETAH}@1"),
        (f"{CHEETAH};friction_scale=1.01:sticky(p=0.5)", f"{CHEETAH}@1:sticky(p=0.5)"),
        (f"{CHEETAH}:delay(steps=2):delay(steps=2)", f"{CHEETAH}@1:delay(steps=1):delay(steps=1)"),
        ("classic/cartpole", None),
        (CHEETAH, None),
    ],
)
def test_the_nearest_training_spec_differs_in_what_holds_it_out(ref: str, near: str | None) -> None:
    found = nearest(SPLIT, parse(ref))
    assert (found.ref if found else None) == near


def test_no_listed_value_is_nearer_than_the_nearest() -> None:
    held = [spec for spec in LISTED if DEFAULT.kind(spec) not in (None, Kind.FAMILY)]
    assert held
    for spec in held:
        found = nearest(DEFAULT, spec)
        assert found is not None, spec.ref
        assert DEFAULT.kind(parse(found.ref)) is None
        assert distance(spec, parse(found.ref)) == found.distance > 0
        for name, value in spec.parameters:
            axis = spec.source.axis(name)
            assert axis is not None
            for level in {axis.default, *axis.levels} - {value}:
                other = Spec.of(spec.family, dict(spec.parameters) | {name: level}, _uses(spec), version=spec.version)
                assert DEFAULT.kind(other) is not None or distance(spec, other) >= found.distance - 1e-12


def _uses(spec: Spec) -> list[tuple[str, dict[str, Any]]]:
    return [(f"{use.name}@{use.version}", dict(use.arguments)) for use in spec.modifiers]


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"kind": Kind.FAMILY}, "families", "name the families"),
    ({"kind": Kind.FAMILY, "families": ("?*",)}, "families", "name the families"),
    ({"kind": Kind.FAMILY, "families": ("mujoko/*",)}, "families", "no family"),
    (
        {"kind": Kind.FAMILY, "families": ("formal/*",), "tasks": {"langage": ("copy",)}},
        "tasks.langage",
        "none of these",
    ),
    ({"kind": Kind.FAMILY, "families": ("formal/*",), "tasks": {"language": ("kopy",)}}, "tasks.language", "no value"),
    ({"kind": Kind.FAMILY, "families": ("mujoco/*",), "axis": "gravity"}, "axis", "does not go with"),
    ({"kind": Kind.INTERPOLATION, "axis": "gravity"}, "between", "needs it"),
    ({"kind": Kind.INTERPOLATION, "axis": "gravty", "between": (5, 6)}, "axis", "no number"),
    ({"kind": Kind.INTERPOLATION, "axis": ":partner.policy", "between": (5, 6)}, "axis", "no number"),
    ({"kind": Kind.INTERPOLATION, "axis": ":delay", "between": (5, 6)}, "axis", "no number"),
    ({"kind": Kind.INTERPOLATION, "axis": "gravity", "between": (6, 5)}, "between", "below"),
    ({"kind": Kind.INTERPOLATION, "axis": "mass_scale", "between": (2.2, 3)}, "between", "it would be extrapolation"),
    ({"kind": Kind.EXTRAPOLATION, "axis": "gravity", "trained": (None, None)}, "trained", "at least one"),
    ({"kind": Kind.EXTRAPOLATION, "axis": "mass_scale", "trained": (2, 2)}, "trained", "no range is left"),
    ({"kind": Kind.EXTRAPOLATION, "axis": "mass_scale", "trained": (9, None)}, "trained", "no range is left"),
    ({"kind": Kind.COMPOSITION, "parts": (":delay",)}, "parts", "two"),
    ({"kind": Kind.COMPOSITION, "parts": (":delay", ":dely")}, "parts[1]", "no modifier"),
    ({"kind": Kind.COMPOSITION, "parts": (":delay", "dely")}, "parts[1]", "no parameter"),
    ({"kind": Kind.COMPOSITION, "parts": ("gravity", "slip")}, "parts", "no family"),
]


@pytest.mark.parametrize(("rule", "field", "why"), WRONG)
def test_a_rule_that_does_not_mean_its_kind_is_refused(rule: dict[str, Any], field: str, why: str) -> None:
    with pytest.raises(RuleProblem, match=why) as problem:
        Split.of([BAND, Rule(name="wrong", **rule)])
    assert problem.value.field == f"rules[1].{field}"


def test_a_band_whose_end_another_rule_holds_out_is_no_interpolation() -> None:
    with pytest.raises(RuleProblem, match="'far' holds out an end of it"):
        Split.of([BAND, Rule(name="far", kind=Kind.EXTRAPOLATION, axis="mass_scale", trained=(None, 1.5))])


def test_a_composition_of_parts_that_nothing_trains_on_is_told() -> None:
    split = Split.of([BOTH, Rule(name="no", kind=Kind.FAMILY, families=("mujoco/*",))])
    specs = [parse(f"{CHEETAH};friction_scale=1.5"), parse("classic/pendulum:sticky(p=0.5)")]
    assert unseen_parts(split, specs) == {"both": ["friction_scale"]}


def test_the_default_split_has_all_kinds_in_all_domains_and_leaves_most_to_train_on() -> None:
    specs = list(enumerate_specs())
    total = Counter(spec.source.domain for spec in specs)
    held = Counter((spec.source.domain, kind) for spec in specs if (kind := DEFAULT.kind(spec)))
    for domain in total:
        assert sum(count for (of, _), count in held.items() if of is domain) < total[domain] / 4
        assert {kind for of, kind in held if of is domain} | {Kind.FAMILY} == set(Kind)
        assert any(
            rule.kind is Kind.FAMILY and rule.covers(f)
            for rule in DEFAULT.rules
            for f in families().values()
            if f.domain is domain
        )
    assert unseen_parts(DEFAULT, specs) == {}
