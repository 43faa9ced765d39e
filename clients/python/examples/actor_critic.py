"""The network of ppo.py, as torch learns it and as an ONNX graph that acts in the pool."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

OPSET = 17


class ActorCritic(nn.Module):
    """Log-probabilities of discrete actions, and the value of the state.

    Observations (rows x `observations`) are normalised by the mean and variance of those that `observe` was told of.
    """

    def __init__(self, observations: int, actions: int, hidden: int = 64) -> None:
        super().__init__()
        self.observations, self.actions = observations, actions
        self.actor = _layers(observations, hidden, actions)
        self.critic = _layers(observations, hidden, 1)
        nn.init.zeros_(self.actor[-1].weight)  # all states are alike to a policy that knows nothing
        self.register_buffer("mean", torch.zeros(observations))
        self.register_buffer("variance", torch.ones(observations))
        self.register_buffer("seen", torch.tensor(0.0))

    def forward(self, observations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probabilities (rows x actions) and values (rows)."""
        normal = (observations - self.mean) / self.variance.sqrt()
        return self.actor(normal).log_softmax(dim=1), self.critic(normal).squeeze(1)

    def observe(self, observations: torch.Tensor) -> None:
        """Take more observations into mean and variance (Chan et al., 1979)."""
        n, shift = len(observations), observations.mean(0) - self.mean
        share = n / (self.seen + n)
        self.variance += share * (observations.var(0, correction=0) - self.variance) + share * (1 - share) * shift**2
        self.mean += share * shift
        self.seen += n

    def onnx(self, width: int | None = None) -> bytes:
        """The graph: the same arithmetic, one action sampled from it, and what PPO wants to know of that.

        Inputs are `observations` and `uniform`; outputs `actions`, and for the record `log_prob` and `value`. With a
        `width` it takes wider observations, of which it reads the first ones.
        """
        constants = {name: tensor.numpy() for name, tensor in self.state_dict().items() if name != "seen"}
        constants["deviation"] = np.sqrt(constants.pop("variance"))
        constants |= {"first": np.array([0]), "end": np.array([self.observations]), "axis": np.array([1])}
        nodes: list[onnx.NodeProto] = []

        def node(operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
            name = name or f"{operator}.{len(nodes)}"
            nodes.append(helper.make_node(operator, inputs, [name], **attributes))
            return name

        def layers(part: str, x: str) -> str:
            for layer in (0, 2):
                x = node("Tanh", node("Gemm", x, f"{part}.{layer}.weight", f"{part}.{layer}.bias", transB=1))
            return node("Gemm", x, f"{part}.4.weight", f"{part}.4.bias", transB=1)

        read = node("Slice", "observations", "first", "end", "axis")
        normal = node("Div", node("Sub", read, "mean"), "deviation")
        logits = layers("actor", normal)
        gumbel = node("Neg", node("Log", node("Neg", node("Log", "uniform"))))
        action = node("ArgMax", node("Add", logits, gumbel), axis=1, keepdims=1)  # a sample of softmax(logits)
        node("Squeeze", action, "axis", name="actions")
        log_probs = node("LogSoftmax", logits, axis=1)
        node("Squeeze", node("GatherElements", log_probs, action, axis=1), "axis", name="log_prob")
        node("Squeeze", layers("critic", normal), "axis", name="value")

        tensor = helper.make_tensor_value_info
        graph = helper.make_graph(
            nodes,
            "actor-critic",
            [
                tensor("observations", TensorProto.FLOAT, ["n", width or self.observations]),
                tensor("uniform", TensorProto.FLOAT, ["n", self.actions]),
            ],
            [
                tensor("actions", TensorProto.INT64, ["n"]),
                tensor("log_prob", TensorProto.FLOAT, ["n"]),
                tensor("value", TensorProto.FLOAT, ["n"]),
            ],
            [numpy_helper.from_array(value, name) for name, value in constants.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
        return bytes(model.SerializeToString())


def _layers(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    first, second, last = nn.Linear(inputs, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, outputs)
    return nn.Sequential(first, nn.Tanh(), second, nn.Tanh(), last)
