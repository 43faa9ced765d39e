"""ONNX graphs: what an uploaded one may be, and what it takes and gives. See docs/decisions/0015-policies.md.

A graph is data and never code: standard operators of an allowed list, without randomness of their own, loops, functions
or files beside it. It is parsed here, and run by workers alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, checker

MIN_OPSET, MAX_OPSET = 11, 23
MAX_NODES = 10_000
ARITHMETIC = (
    *("Abs", "Add", "And", "Ceil", "Clip", "Cos", "Div", "Equal", "Erf", "Exp", "Floor", "Greater", "GreaterOrEqual"),
    *("IsInf", "IsNaN", "Less", "LessOrEqual", "Log", "Max", "Mean", "Min", "Mod", "Mul", "Neg", "Not", "Or", "Pow"),
    *("Reciprocal", "Round", "Sign", "Sin", "Sinh", "Sqrt", "Sub", "Sum", "Tan", "Acos", "Asin", "Atan", "Where"),
    *("Xor", "Cosh", "Einsum", "CumSum", "BitShift", "Det"),
)
ACTIVATIONS = (
    *("Celu", "Elu", "Gelu", "HardSigmoid", "HardSwish", "Hardmax", "LeakyRelu", "LogSoftmax", "Mish", "PRelu", "Relu"),
    *("Selu", "Sigmoid", "Softmax", "Softplus", "Softsign", "Tanh", "ThresholdedRelu"),
)
LAYERS = (
    *("AveragePool", "BatchNormalization", "Conv", "ConvTranspose", "GRU", "Gemm", "GlobalAveragePool"),
    *("GlobalMaxPool", "GroupNormalization", "InstanceNormalization", "LRN", "LSTM", "LayerNormalization", "LpPool"),
    *("MatMul", "MatMulInteger", "MaxPool", "MeanVarianceNormalization", "RMSNormalization", "RNN", "Attention"),
    *("QLinearConv", "QLinearMatMul", "ConvInteger", "DequantizeLinear", "DynamicQuantizeLinear", "QuantizeLinear"),
)
REDUCTIONS = (
    *("ArgMax", "ArgMin", "LpNormalization", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax"),
    *("ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "TopK"),
)
SHAPES = (
    *("Cast", "CastLike", "Compress", "Concat", "Constant", "ConstantOfShape", "DepthToSpace", "Expand", "EyeLike"),
    *("Flatten", "Gather", "GatherElements", "GatherND", "Identity", "NonZero", "OneHot", "Pad", "Range", "Reshape"),
    *("Resize", "ScatterElements", "ScatterND", "Shape", "Size", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile"),
    *("Transpose", "Trilu", "Unsqueeze"),
)
OPERATORS = frozenset((*ARITHMETIC, *ACTIVATIONS, *LAYERS, *REDUCTIONS, *SHAPES))
DTYPES: Mapping[int, str] = {
    TensorProto.FLOAT: "float32",
    TensorProto.DOUBLE: "float64",
    TensorProto.INT64: "int64",
    TensorProto.INT32: "int32",
    TensorProto.UINT8: "uint8",
    TensorProto.INT8: "int8",
    TensorProto.BOOL: "bool",
}
RANDOM = ("noise", "uniform")


class GraphProblem(ValueError):
    """The graph cannot be a policy; the message says why."""


@dataclass(frozen=True)
class Tensor:
    """An input or output: its dtype and the shape of one row, None for sizes that the graph leaves open."""

    dtype: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class Signature:
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]


def read(content: bytes) -> Signature:
    """What a graph takes and gives.

    Raises
    ------
    GraphProblem
        It is no ONNX model, or one that no policy may be.
    """
    try:
        model = onnx.load_model_from_string(content)
        checker.check_model(model)
    except (DecodeError, checker.ValidationError, ValueError) as error:
        raise GraphProblem(f"is no valid ONNX model: {str(error).splitlines()[0][:300]}") from None
    _check_opset(model)
    _check_nodes(model.graph)
    weights = {tensor.name for tensor in model.graph.initializer}
    signature = Signature(
        _tensors(given for given in model.graph.input if given.name not in weights), _tensors(model.graph.output)
    )
    _check_names(signature)
    return signature


def _check_opset(model: onnx.ModelProto) -> None:
    for used in model.opset_import:
        if used.domain not in ("", "ai.onnx"):
            raise GraphProblem(f"uses operators of the domain {used.domain[:100]!r}; only standard ones are run")
        if not MIN_OPSET <= used.version <= MAX_OPSET:
            raise GraphProblem(f"has the opset {used.version}; run are {MIN_OPSET} to {MAX_OPSET}")
    if model.functions:
        raise GraphProblem("brings functions of its own; inline them")
    if len(model.graph.node) > MAX_NODES:
        raise GraphProblem(f"has {len(model.graph.node)} nodes; run are up to {MAX_NODES}")


def _check_nodes(graph: onnx.GraphProto) -> None:
    for node in graph.node:
        if node.op_type not in OPERATORS or node.domain not in ("", "ai.onnx"):
            raise GraphProblem(f"uses the operator {node.op_type[:100]}, which no policy may; see GET /v1/policies")
    for tensor in (*graph.initializer, *(a.t for node in graph.node for a in node.attribute if a.HasField("t"))):
        if tensor.external_data or tensor.data_location == TensorProto.EXTERNAL:
            raise GraphProblem(f"keeps {tensor.name[:100]!r} in another file; store all weights in the model")


def _tensors(given: Iterable[onnx.ValueInfoProto]) -> dict[str, Tensor]:
    found = {}
    for one in given:
        kind = one.type.tensor_type
        if kind.elem_type not in DTYPES:
            raise GraphProblem(f"{one.name[:100]} is no tensor of {', '.join(DTYPES.values())}")
        if not kind.HasField("shape") or not kind.shape.dim:
            raise GraphProblem(f"{one.name[:100]} has no first dimension for the batch")
        sizes = [dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim[1:]]
        found[one.name] = Tensor(DTYPES[kind.elem_type], tuple(sizes))
    return found


def _check_names(signature: Signature) -> None:
    inputs, outputs = signature.inputs, signature.outputs
    if "actions" not in outputs:
        raise GraphProblem("has no output named actions")
    for name, tensor in inputs.items():
        known = name == "mask" or name in RANDOM or name == "observations" or name.startswith("observations.")
        if name.startswith("state."):
            after = outputs.get("next_state." + name.removeprefix("state."))
            if after is None or (after.dtype, after.shape) != (tensor.dtype, tensor.shape):
                raise GraphProblem(f"{name} needs an output next_{name} of the same dtype and shape")
        elif not known:
            raise GraphProblem(
                f"has an input {name[:100]!r}; inputs are observations, mask, noise, uniform and state.*"
            )
        if name in RANDOM and tensor.dtype not in ("float32", "float64"):
            raise GraphProblem(f"{name} is {tensor.dtype}; it must be a float")
        if not name.startswith("observations") and None in tensor.shape and name != "mask":
            raise GraphProblem(f"{name} leaves a size open besides the batch's")
    for name, tensor in outputs.items():
        if name.startswith("next_state.") and "state." + name.removeprefix("next_state.") not in inputs:
            raise GraphProblem(f"{name} has no input {name.removeprefix('next_')}")
        if None in tensor.shape and name != "actions":
            raise GraphProblem(f"{name} leaves a size open besides the batch's")
