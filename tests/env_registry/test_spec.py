"""Refs, digests and the refusals that name a field."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from env_registry import (
    Distribution,
    DistributionKind,
    RefProblem,
    Spec,
    SyntaxProblem,
    UnknownName,
    WrongComposition,
    WrongValue,
    families,
    modifiers,
    parse,
)
from env_registry.axes import Axis, BoolAxis, ChoiceAxis, FloatAxis, IntAxis, ValueProblem
from env_registry.family import Family
from env_registry.grammar import MAX_LENGTH

URL_PATH = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@/]+")


def taken(axis: Axis) -> Callable[[Any], bool]:
    def is_taken(value: Any) -> bool:
        try:
            axis.check(value)
        except ValueProblem:
            return False
        return True

    return is_taken


def scalars(axis: Axis) -> st.SearchStrategy[Any]:
    return _scalars(axis).filter(taken(axis))


def _scalars(axis: Axis) -> st.SearchStrategy[Any]:
    match axis:
        case FloatAxis():
            return st.floats(axis.low, axis.high)
        case IntAxis():
            return st.integers(axis.low, axis.high)
        case BoolAxis():
            return st.booleans()
        case ChoiceAxis():
            return st.sampled_from(axis.choices)
    raise AssertionError(f"no strategy for {axis}")


def distributions(axis: Axis) -> st.SearchStrategy[Distribution]:
    return _distributions(axis).filter(taken(axis))


def _distributions(axis: Axis) -> st.SearchStrategy[Distribution]:
    choice = st.lists(scalars(axis), min_size=2, max_size=4).map(
        lambda values: Distribution(DistributionKind.CHOICE, tuple(values))
    )
    if not isinstance(axis, (FloatAxis, IntAxis)):
        return choice
    ends = st.tuples(scalars(axis), scalars(axis)).map(sorted).filter(lambda pair: pair[0] < pair[1])
    uniform = ends.map(lambda pair: Distribution(DistributionKind.UNIFORM, tuple(pair)))
    if isinstance(axis, IntAxis):
        return choice | uniform
    normal = st.tuples(scalars(axis), st.floats(1e-9, 1e9)).map(
        lambda pair: Distribution(DistributionKind.NORMAL, pair)
    )
    loguniform = ends.filter(lambda pair: pair[0] > 0).map(
        lambda pair: Distribution(DistributionKind.LOGUNIFORM, tuple(pair))
    )
    return choice | uniform | normal | loguniform if axis.high > 0 else choice | uniform | normal


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    family: Family = draw(st.sampled_from(list(families().values())))
    axes = draw(st.lists(st.sampled_from(family.axes), unique=True, max_size=4)) if family.axes else []
    values = {
        axis.name: draw(scalars(axis) | distributions(axis) if axis.randomisable else scalars(axis)) for axis in axes
    }
    fitting = [modifier for modifier in modifiers().values() if not modifier.fits(family.traits)]
    uses = draw(st.lists(st.sampled_from(fitting), max_size=4)) if fitting else []
    return Spec.of(
        family.name,
        values,
        [(use.name, {axis.name: draw(scalars(axis)) for axis in use.axes}) for use in uses],
    )


@settings(max_examples=400, deadline=None)
@given(specs())
def test_a_ref_parses_back_to_its_spec_and_is_legal_in_a_url_path(spec: Spec) -> None:
    assert URL_PATH.fullmatch(spec.ref)
    again = parse(spec.ref)
    assert again == spec
    assert again.ref == spec.ref
    assert again.digest == spec.digest == hashlib.sha256(rfc8785.dumps(spec.json())).hexdigest()
    assert [type(value) for value in again.values.values()] == [type(value) for value in spec.values.values()]


def refusal(text: str) -> RefProblem | None:
    try:
        parse(text)
    except RefProblem as problem:
        return problem
    return None


@given(st.text(max_size=200))
def test_any_text_is_parsed_or_refused_with_a_field(text: str) -> None:
    refused = refusal(text)
    assert refused is None or (refused.field and refused.reason)


@given(st.from_regex(r"classic/pendulum(@[0-9]+)?(;[a-z]+=[-a-z0-9.(),]*)*(:[a-z_]+\([a-z0-9=.,]*\))*", fullmatch=True))
def test_any_text_near_a_ref_is_parsed_or_refused_with_a_field(text: str) -> None:
    refused = refusal(text)
    assert refused.field if refused else parse(parse(text).ref) == parse(text)


def test_the_documented_example_reads_as_documented() -> None:
    spec = parse("mujoco/half_cheetah;gravity=4.905:delay(steps=2):sticky(p=0.25):noise(of=range,sd=0.05)")
    assert spec.ref == "mujoco/half_cheetah@1;gravity=4.905:delay(steps=2):sticky(p=0.25):noise(sd=0.05,of=range)"
    assert spec.values["gravity"] == 4.905
    assert [use.version for use in spec.modifiers] == [1, 1, 1]


def test_a_digest_is_the_sha256_of_the_documented_json() -> None:
    spec = parse("pettingzoo/tictactoe:obs_drop(p=0.5):reward_sign()")
    json: Any = {
        "family": "pettingzoo/tictactoe",
        "version": 1,
        "parameters": {},
        "modifiers": [
            {"name": "obs_drop", "version": 1, "arguments": {"p": 0.5}},
            {"name": "reward_sign", "version": 1, "arguments": {}},
        ],
    }
    assert spec.digest == hashlib.sha256(rfc8785.dumps(json)).hexdigest()


@pytest.mark.parametrize(
    ("ref", "digest"),
    [
        ("pettingzoo/tictactoe", "fd862836152e387e2c9ff502dda16bf872ee3fc83ea6ddf2f45e00639406febe"),
        (
            "pettingzoo/tictactoe:obs_drop(p=0.5):reward_sign()",
            "b53c71ba6c064ab890abcbafb67f879870bee8efc72466a7c2c9c009c23e47a0",
        ),
        (
            "classic/pendulum;g=uniform(5,15):noise(sd=0.1,of=range)",
            "22a0c7b00ba49f964124e6398a0478049b03af5accf1e82c6e7981940bee6f97",
        ),
    ],
)
def test_digests_stay_what_they_are(ref: str, digest: str) -> None:
    assert parse(ref).digest == digest


@pytest.mark.parametrize("text", ["5", "5.0", "5.000", "0.5e1", "+5", "05"])
def test_a_number_is_one_value_however_it_is_written(text: str) -> None:
    assert parse(f"classic/pendulum;g={text}") == parse("classic/pendulum;g=5")
    assert parse(f"classic/pendulum;g={text}").ref == "classic/pendulum@1;g=5"


def test_python_numbers_of_equal_value_give_one_spec() -> None:
    whole, real = Spec.of("classic/pendulum", {"g": 5}), Spec.of("classic/pendulum", {"g": 5.0})
    assert whole == real
    assert whole.digest == real.digest
    assert type(whole.values["g"]) is float


def test_minus_zero_is_zero() -> None:
    minus, zero = parse("classic/pendulum;g=-0.0"), parse("classic/pendulum;g=0")
    assert minus.digest == zero.digest
    assert minus.ref == zero.ref == "classic/pendulum@1;g=0"
    assert math.copysign(1, minus.values["g"]) == 1  # type: ignore[arg-type]


def test_an_integer_axis_takes_whole_floats_from_python_and_no_others() -> None:
    assert type(Spec.of("mujoco/ant", {"frame_skip": 4.0}).values["frame_skip"]) is int
    with pytest.raises(WrongValue, match=r"parameters\.frame_skip: must be an integer"):
        Spec.of("mujoco/ant", {"frame_skip": 4.5})
    with pytest.raises(WrongValue, match=r"parameters\.frame_skip: '4\.0' is not an integer"):
        parse("mujoco/ant;frame_skip=4.0")


@pytest.mark.parametrize("value", [True, None, [1], {}, 10**5000, -(10**400), math.nan, math.inf], ids=lambda _: "")
def test_no_python_value_but_a_number_in_range_is_taken(value: Any) -> None:
    for family, name in (("classic/pendulum", "g"), ("mujoco/ant", "frame_skip")):
        with pytest.raises(WrongValue) as caught:
            Spec.of(family, {name: value})
        assert caught.value.field == f"parameters.{name}"


def test_defaults_are_left_out_and_order_does_not_matter() -> None:
    spec = parse("classic/pendulum;m=2;g=10;l=1")
    assert spec.ref == "classic/pendulum@1;m=2"
    assert parse("classic/pendulum;m=2;g=5") == parse("classic/pendulum;g=5;m=2")


def test_the_order_of_modifiers_is_part_of_the_identity() -> None:
    one = parse("classic/pendulum:delay(steps=2):sticky(p=0.25)")
    other = parse("classic/pendulum:sticky(p=0.25):delay(steps=2)")
    assert one.digest != other.digest


def test_arguments_left_out_are_defaults_and_always_shown() -> None:
    assert parse("classic/pendulum:delay()").ref == "classic/pendulum@1:delay(steps=2)"
    assert parse("classic/pendulum:delay@1()") == parse("classic/pendulum:delay(steps=2)")


def test_distributions_keep_their_commas_and_types() -> None:
    spec = parse("classic/pendulum;g=uniform(5,15.5);m=choice(0.5,1,2):delay(steps=2)")
    assert spec.values["g"] == Distribution(DistributionKind.UNIFORM, (5.0, 15.5))
    assert spec.ref == "classic/pendulum@1;g=uniform(5,15.5);m=choice(0.5,1,2):delay(steps=2)"
    assert Spec.of("classic/pendulum", {"g": "uniform(5,15.5)", "m": "choice(0.5,1,2)"}, [("delay", {})]) == spec


@pytest.mark.parametrize(
    ("ref", "kind", "field", "reason"),
    [
        ("", SyntaxProblem, "family", "is no name"),
        ("nothing/here", UnknownName, "family", "no family 'nothing/here'"),
        ("mujoco/halfcheetah", UnknownName, "family", "did you mean mujoco/half_cheetah"),
        ("classic/pendulum@0", SyntaxProblem, "version", "is no version"),
        ("classic/pendulum@", SyntaxProblem, "version", "is no version"),
        ("classic/pendulum@99", UnknownName, "version", "there are 1"),
        ("classic/pendulum;gg=1", UnknownName, "parameters.gg", "did you mean g"),
        ("classic/pendulum;g", SyntaxProblem, "parameters", "is not name=value"),
        ("classic/pendulum;", SyntaxProblem, "parameters", "is not name=value"),
        ("classic/pendulum;g=1;g=2", SyntaxProblem, "parameters.g", "given twice"),
        ("classic/pendulum;g=fast", WrongValue, "parameters.g", "'fast' is not a number"),
        ("classic/pendulum;g=1e999", WrongValue, "parameters.g", "must be a number"),
        ("classic/pendulum;g=-1", WrongValue, "parameters.g", "is outside 0 to"),
        ("classic/pendulum;g=uniform(5)", WrongValue, "parameters.g", "takes two numbers"),
        ("classic/pendulum;g=gamma(5,2)", WrongValue, "parameters.g", "no distribution 'gamma'"),
        ("classic/pendulum;max_speed=uniform(5,6)", WrongValue, "parameters.max_speed", "takes no distribution"),
        ("classic/pendulum;g=(5", SyntaxProblem, "ref", "parenthesis"),
        ("classic/pendulum:delay(steps=2))", SyntaxProblem, "ref", "parenthesis"),
        ("classic/pendulum:delay", SyntaxProblem, "modifiers[0]", "is not modifier(argument=value,...)"),
        ("classic/pendulum:", SyntaxProblem, "modifiers[0]", "is not modifier(argument=value,...)"),
        ("classic/pendulum:dely(steps=2)", UnknownName, "modifiers[0]", "did you mean delay"),
        ("classic/pendulum:delay@2(steps=2)", UnknownName, "modifiers[0].version", "there are 1"),
        ("classic/pendulum:sticky(p=0.5):delay(step=2)", UnknownName, "modifiers[1].step", "did you mean steps"),
        ("classic/pendulum:delay(steps=0)", WrongValue, "modifiers[0].steps", "is outside 1 to"),
        ("classic/pendulum:delay(steps=2,steps=3)", SyntaxProblem, "modifiers[0].steps", "given twice"),
        ("classic/pendulum:delay(steps=uniform(1,3))", WrongValue, "modifiers[0].steps", "takes no distribution"),
        ("classic/pendulum:" + ":".join(["reward_sign()"] * 9), WrongComposition, "modifiers", "at most 8"),
        ("classic/cartpole:sticky(p=0.5):noise(sd=0.1)", WrongComposition, "modifiers[1]", "needs continuous actions"),
        ("pettingzoo/tictactoe:delay(steps=2)", WrongComposition, "modifiers[0]", "needs single or parallel turns"),
        ("classic/pendulum;g=5 ", SyntaxProblem, "ref", "' ' at character 21"),
        ("classic/pendulum;g=５", SyntaxProblem, "ref", "cannot stand in a ref"),
        ("classic/pendulum?g=5", SyntaxProblem, "ref", "cannot stand in a ref"),
        ("classic/pendulum;g=" + "1" * MAX_LENGTH, SyntaxProblem, "ref", "longer than"),
    ],
)
def test_a_refusal_names_the_field_and_what_would_be_right(
    ref: str, kind: type[RefProblem], field: str, reason: str
) -> None:
    with pytest.raises(RefProblem) as caught:
        parse(ref)
    assert type(caught.value) is kind
    assert caught.value.field == field
    assert reason in caught.value.reason


def test_a_spec_whose_ref_would_be_too_long_is_refused() -> None:
    many = Distribution(DistributionKind.CHOICE, tuple(1 + i / 997 for i in range(200)))
    with pytest.raises(SyntaxProblem, match="ref: longer than"):
        Spec.of("classic/pendulum", {"g": many})


def test_the_programmatic_constructor_refuses_like_the_parser() -> None:
    with pytest.raises(UnknownName) as caught:
        Spec.of("classic/pendulum", {"g": 5}, [("delay", {"steps": 2}), ("stiky", {})])
    assert caught.value.field == "modifiers[1]"
    with pytest.raises(UnknownName, match="family"):
        Spec.of("classic/" + "x" * 100_000)


def test_only_plain_text_is_parsed() -> None:
    with pytest.raises(SyntaxProblem, match="ref: must be text"):
        parse(b"classic/pendulum")  # type: ignore[arg-type]


def test_every_number_of_an_axis_has_one_json_form() -> None:
    """RFC 8785 has no integers beyond 2**53."""
    for family in families().values():
        for axis in family.axes:
            if isinstance(axis, IntAxis):
                assert -(2**53) < axis.low <= axis.high < 2**53, f"{family.name}: {axis.name}"


def test_no_axis_both_makes_base_tasks_and_takes_distributions() -> None:
    assert not [(f.name, axis.name) for f in families().values() for axis in f.axes if axis.task and axis.randomisable]
