"""The worked example of training, as users run it."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import worldpool

from service.embedded.pool import EmbeddedPool
from service.settings import ROOT

PPO = ROOT / "clients" / "python" / "examples" / "ppo.py"
ITERATIONS = 5

pytestmark = pytest.mark.skipif(
    find_spec("torch") is None, reason="torch is no dependency of the service: pip install worldpool[examples]"
)


def training(pool: EmbeddedPool, folder: Path) -> subprocess.Popen[str]:
    told = {
        "WORLDPOOL_URL": pool.url,
        "WORLDPOOL_API_KEY": pool.cell_key,
        "WORLDPOOL_OPERATOR_KEY": pool.operator_key,
        "MPLCONFIGDIR": str(folder.parent / "matplotlib"),
    }
    command = [sys.executable, str(PPO), "--iterations", str(ITERATIONS), "--out", str(folder)]
    return subprocess.Popen(command, env=os.environ | told, stdout=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    shown, _ = process.communicate(timeout=200)
    assert process.returncode == 0, shown
    return shown


def checkpoint(folder: Path) -> dict[str, Any]:
    import torch

    return torch.load(folder / "checkpoint.pt", weights_only=True)


def bits(state: Any) -> Any:
    """Tensors in nested dicts and lists as bytes."""
    if isinstance(state, dict):
        return {name: bits(part) for name, part in state.items()}
    if isinstance(state, list):
        return [bits(part) for part in state]
    return state.numpy().tobytes() if hasattr(state, "numpy") else state


def test_training_that_was_killed_ends_with_the_weights_of_one_that_was_not(
    running: EmbeddedPool, client: worldpool.Client, operator: worldpool.Client, tmp_path: Path
) -> None:
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    shown = finish(training(running, undisturbed))

    process = training(running, killed)
    assert process.stdout is not None
    next(line for line in process.stdout if line.startswith("iteration   2"))
    while not next(iter(client.runs.list(limit=1))).name.endswith("-2"):  # the third iteration's run is submitted
        assert process.poll() is None
    process.kill()
    process.communicate()
    assert "after iteration 2" in finish(training(running, killed))

    one, other = checkpoint(undisturbed), checkpoint(killed)
    assert one["name"] != other["name"]  # so that nothing was simulated for both
    assert bits(one["network"]) == bits(other["network"])
    assert bits(one["optimiser"]) == bits(other["optimiser"])
    assert one["history"] == other["history"]

    returns = [line["return"] for line in one["history"]]
    assert len(returns) == ITERATIONS
    assert returns[-1] > 2 * returns[0]
    assert all(kind in shown for kind in ("train", "interpolation", "composition", "extrapolation", "family"))
    with (undisturbed / "curve.csv").open() as file:
        assert [float(line["return"]) for line in csv.DictReader(file)] == returns
    assert (undisturbed / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert all(key.revoked_at for key in operator.admin.keys.list() if key.label == "ppo")
