"""Small ONNX policies for tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: dict[str, tuple[int, list[int | str]]],
    outputs: dict[str, tuple[int, list[int | str]]],
    constants: dict[str, np.ndarray] | None = None,
) -> bytes:
    """A model; inputs and outputs are (element type, shape) by name."""
    graph = helper.make_graph(
        list(nodes),
        "policy",
        [helper.make_tensor_value_info(name, *kind) for name, kind in inputs.items()],
        [helper.make_tensor_value_info(name, *kind) for name, kind in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    return made.SerializeToString()


def linear(observation: int, action: int, *, batch: int | str = "n", seed: int = 0) -> bytes:
    """Continuous actions tanh(obs W + b), and a value beside them."""
    rng = np.random.default_rng(seed)
    return model(
        [
            helper.make_node("Gemm", ["observations", "w", "b"], ["raw"]),
            helper.make_node("Tanh", ["raw"], ["actions"]),
            helper.make_node("ReduceSum", ["raw", "axis"], ["value"], keepdims=0),
        ],
        {"observations": (TensorProto.FLOAT, [batch, observation])},
        {"actions": (TensorProto.FLOAT, [batch, action]), "value": (TensorProto.FLOAT, [batch])},
        {
            "w": rng.standard_normal((observation, action)).astype(np.float32),
            "b": rng.standard_normal(action).astype(np.float32),
            "axis": np.array([1]),
        },
    )


def sampling(observation: int, actions: int) -> bytes:
    """Discrete actions by the Gumbel trick on linear logits, out of the input `uniform`; masked ones never."""
    rng = np.random.default_rng(1)
    return model(
        [
            helper.make_node("MatMul", ["observations", "w"], ["logits"]),
            helper.make_node("Log", ["uniform"], ["log"]),
            helper.make_node("Neg", ["log"], ["exponential"]),
            helper.make_node("Log", ["exponential"], ["gumbel"]),
            helper.make_node("Sub", ["logits", "gumbel"], ["perturbed"]),
            helper.make_node("Cast", ["mask"], ["legal"], to=TensorProto.BOOL),
            helper.make_node("Where", ["legal", "perturbed", "low"], ["masked"]),
            helper.make_node("ArgMax", ["masked"], ["actions"], axis=1, keepdims=0),
        ],
        {
            "observations": (TensorProto.FLOAT, ["n", observation]),
            "uniform": (TensorProto.FLOAT, ["n", actions]),
            "mask": (TensorProto.INT8, ["n", actions]),
        },
        {"actions": (TensorProto.INT64, ["n"])},
        {"w": rng.standard_normal((observation, actions)).astype(np.float32), "low": np.array(-1e9, np.float32)},
    )


def counting(observation: int) -> bytes:
    """The action is how many steps of the episode came before, modulo 2: carried in a state. Reads one observation."""
    return model(
        [
            helper.make_node("ReduceSum", ["observations", "axis"], ["sum"], keepdims=0),
            helper.make_node("Mul", ["sum", "zero"], ["nothing"]),
            helper.make_node("Add", ["state.steps", "one"], ["more"]),
            helper.make_node("Add", ["more", "nothing"], ["next_state.steps"]),
            helper.make_node("Mod", ["state.steps", "two"], ["parity"], fmod=1),
            helper.make_node("Cast", ["parity"], ["actions"], to=TensorProto.INT64),
            helper.make_node("Identity", ["state.steps"], ["steps"]),
        ],
        {
            "observations": (TensorProto.FLOAT, ["n", observation]),
            "state.steps": (TensorProto.FLOAT, ["n"]),
        },
        {
            "actions": (TensorProto.INT64, ["n"]),
            "next_state.steps": (TensorProto.FLOAT, ["n"]),
            "steps": (TensorProto.FLOAT, ["n"]),
        },
        {
            "axis": np.array([1]),
            "zero": np.array(0, np.float32),
            "one": np.array(1, np.float32),
            "two": np.array(2, np.float32),
        },
    )


def masked(actions: int) -> bytes:
    """The first legal action whose number, shifted by noise, is largest; reads nothing but `mask` and `noise`."""
    return model(
        [
            helper.make_node("Cast", ["mask"], ["legal"], to=TensorProto.BOOL),
            helper.make_node("Where", ["legal", "noise", "low"], ["masked"]),
            helper.make_node("ArgMax", ["masked"], ["actions"], axis=1, keepdims=0),
        ],
        {"noise": (TensorProto.FLOAT, ["n", actions]), "mask": (TensorProto.INT8, ["n", actions])},
        {"actions": (TensorProto.INT64, ["n"])},
        {"low": np.array(-1e9, np.float32)},
    )
