"""The demo, as users run it, against a pool double."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from tests.clients.chunk_bytes import single_chunk
from tests.clients.pool_double import OPERATOR_KEY, PoolDouble, environment

DEMO = Path(__file__).parents[2] / "clients" / "python" / "examples" / "demo.py"


def test_the_demo_makes_a_cell_streams_rollouts_and_plots_returns(
    double: PoolDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    double.environments = [environment(n, domain) for n, domain in enumerate(("physics", "social", "symbolic"))]
    double.chunks = [single_chunk([3, 5, 4], ref=environment.ref) for environment in double.environments]
    monkeypatch.setenv("WORLDPOOL_URL", double.url)
    monkeypatch.setenv("WORLDPOOL_OPERATOR_KEY", OPERATOR_KEY)
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "matplotlib"))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(DEMO), run_name="__main__")
    assert double.paths("POST") == ["/v1/admin/cells", "/v1/admin/keys", "/v1/subsets", "/v1/runs"]
    assert (tmp_path / ".worldpool" / "demo-returns.png").read_bytes().startswith(b"\x89PNG")
    shown = capsys.readouterr().out
    assert all(environment.ref in shown for environment in double.environments)
    assert "core-seconds used so far" in shown
