"""What the worked example of training computes, against definitions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="torch is an extra of the examples: pip install worldpool[examples]")

EXAMPLES = str(Path(__file__).parents[2] / "clients" / "python" / "examples")
REWARDS = st.lists(st.floats(-10, 10), min_size=1, max_size=20)


@pytest.fixture(scope="module")
def ppo() -> Iterator[ModuleType]:
    sys.path.insert(0, EXAMPLES)
    yield import_module("ppo")
    sys.path.remove(EXAMPLES)


@given(rewards=REWARDS, seed=st.integers(0, 1000))
def test_advantages_are_discounted_sums_of_surprises(ppo: ModuleType, rewards: list[float], seed: int) -> None:
    values = np.random.default_rng(seed).standard_normal(len(rewards) + 1)
    surprises = np.array(rewards) + ppo.GAMMA * values[1:] - values[:-1]
    found = ppo.gae(np.array(rewards), values[:-1], values[-1])
    for t in range(len(rewards)):
        discounts = (ppo.GAMMA * ppo.LAMBDA) ** np.arange(len(rewards) - t)
        assert found[t] == pytest.approx(np.dot(discounts, surprises[t:]))


@pytest.mark.parametrize("width", [4, 6])
def test_the_graph_computes_what_the_network_does_and_samples_from_it(ppo: ModuleType, width: int) -> None:
    torch.manual_seed(1)
    network = ppo.ActorCritic(4, 2)
    torch.nn.init.normal_(network.actor[-1].weight)
    rng = np.random.default_rng(0)
    seen = (3 * rng.standard_normal((20_000, width)) + 1).astype(np.float32)
    network.observe(torch.from_numpy(seen[:, :4]))
    uniform = rng.random((20_000, 2)).astype(np.float32)
    session = onnxruntime.InferenceSession(network.onnx(width))
    asked = {"observations": seen, "uniform": uniform}
    actions, log_prob, value = session.run(["actions", "log_prob", "value"], asked)
    with torch.no_grad():
        log_probs, values = network(torch.from_numpy(seen[:, :4]))
    np.testing.assert_allclose(value, values, atol=1e-4)
    np.testing.assert_allclose(log_prob, np.take_along_axis(log_probs.numpy(), actions[:, None], 1)[:, 0], atol=1e-4)
    assert actions.mean() == pytest.approx(float(log_probs.exp()[:, 1].mean()), abs=0.01)


def test_observations_are_normalised_by_all_that_was_seen(ppo: ModuleType) -> None:
    seen = torch.from_numpy(np.random.default_rng(0).standard_normal((90, 4)).astype(np.float32) * 5 + 2)
    network = ppo.ActorCritic(4, 2)
    for part in seen.split(40):
        network.observe(part)
    torch.testing.assert_close(network.mean, seen.mean(0))
    torch.testing.assert_close(network.variance, seen.var(0, correction=0))
