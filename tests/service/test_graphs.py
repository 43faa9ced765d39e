"""What a graph may be: standard operators of the allowed list, weights inside, inputs and outputs by known names."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, defs, helper

from service.graphs import MAX_OPSET, MIN_OPSET, OPERATORS, GraphProblem, Tensor, read
from tests import graphs

FLOAT = TensorProto.FLOAT
IN = {"observations": (FLOAT, ["n", 4])}
OUT = {"actions": (FLOAT, ["n", 4])}


def copying(operator: str = "Identity", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(operator, ["observations"], ["actions"], **attributes)


def changed(**changes: Any) -> onnx.ModelProto:
    model = onnx.load_model_from_string(graphs.model([copying()], IN, OUT))
    for name, value in changes.items():
        setattr(model, name, value)
    return model


def test_a_graph_tells_what_it_takes_and_gives() -> None:
    found = read(graphs.linear(17, 6))
    assert found.inputs == {"observations": Tensor("float32", (17,))}
    assert found.outputs == {"actions": Tensor("float32", (6,)), "value": Tensor("float32", ())}


@pytest.mark.parametrize("content", [graphs.sampling(4, 2), graphs.counting(4), graphs.masked(7)])
def test_graphs_with_states_masks_and_random_inputs_are_taken(content: bytes) -> None:
    assert "actions" in read(content).outputs


@given(st.binary(max_size=400))
def test_other_bytes_are_no_graph(content: bytes) -> None:
    with pytest.raises(GraphProblem):
        read(content)


@given(st.data())
def test_a_damaged_graph_is_read_or_refused(data: st.DataObject) -> None:
    content = bytearray(graphs.linear(3, 2))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with suppress(GraphProblem):
        read(bytes(content))


def external() -> bytes:
    model = onnx.load_model_from_string(graphs.linear(4, 4))
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="/etc/passwd")
    return model.SerializeToString()


def custom() -> bytes:
    model = changed()
    model.graph.node[0].domain = "com.microsoft"
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return model.SerializeToString()


def hidden() -> bytes:
    """A random operator inside a branch."""
    branch = helper.make_graph(
        [helper.make_node("RandomUniform", [], ["x"], shape=[1, 4])],
        "b",
        [],
        [helper.make_tensor_value_info("x", FLOAT, [1, 4])],
    )
    return graphs.model(
        [helper.make_node("If", ["condition"], ["actions"], then_branch=branch, else_branch=branch)],
        IN,
        OUT,
        {"condition": np.array(True)},
    )


def with_opset(version: int) -> bytes:
    model = changed()
    model.opset_import[0].version = version
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (graphs.model([copying("RandomNormalLike")], IN, OUT), "RandomNormalLike"),
        (graphs.model([copying("Bernoulli")], IN, OUT), "Bernoulli"),
        (hidden(), "operator If"),
        (external(), "another file|External|external"),
        (custom(), "com.microsoft"),
        (with_opset(MAX_OPSET + 1), "opset"),
        (with_opset(MIN_OPSET - 1), "opset"),
        (graphs.model([helper.make_node("Identity", ["x"], ["actions"])], {"x": IN["observations"]}, OUT), "'x'"),
        (graphs.model([helper.make_node("Identity", ["observations"], ["y"])], IN, {"y": OUT["actions"]}), "actions"),
        (
            graphs.model(
                [copying(), helper.make_node("Identity", ["state.h"], ["other"])],
                {**IN, "state.h": (FLOAT, ["n", 2])},
                {**OUT, "other": (FLOAT, ["n", 2])},
            ),
            "next_state.h",
        ),
        (graphs.model([copying()], {"observations": (FLOAT, [])}, {"actions": (FLOAT, [])}), "first dimension"),
    ],
)
def test_what_no_policy_may_be_is_refused_with_the_reason(content: bytes, why: str) -> None:
    with pytest.raises(GraphProblem, match=why):
        read(content)


def test_every_allowed_operator_is_a_standard_one_without_randomness_or_subgraphs() -> None:
    standard = {schema.name: schema for schema in defs.get_all_schemas_with_history() if schema.domain == ""}
    assert standard.keys() >= OPERATORS
    latest = {schema.name: schema for schema in defs.get_all_schemas() if schema.domain == ""}
    graphs_inside = {
        name
        for name, schema in latest.items()
        if any(attribute.type == defs.OpSchema.AttrType.GRAPH for attribute in schema.attributes.values())
    }
    assert not OPERATORS & graphs_inside
    assert not {name for name in OPERATORS if "Random" in name or name in ("Bernoulli", "Multinomial", "Dropout")}
