"""The demo, as users run it, against a pool double."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from tests.clients.chunk_bytes import single_chunk
from tests.clients.pool_double import OPERATOR_KEY, PoolDouble, environment

DEMO = Path(__file__).parents[2] / "clients" / "python" / "examples" / "demo.py"


@pytest.mark.parametrize("again", [False, True])
def test_the_demo_joins_streams_rollouts_plots_returns_and_gives_its_key_back(
    double: PoolDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], again: bool
) -> None:
    double.environments = [environment(n, domain) for n, domain in enumerate(("physics", "social", "symbolic"))]
    double.environments[1].ref = "toy/line@1;" + ";".join(f"parameter_{n}={n}" for n in range(20))
    double.refusals = [(409, {}, {"detail": "there is such a cell"})] if again else []
    double.chunks = [single_chunk([3, 5, 4], ref=environment.ref) for environment in double.environments]
    monkeypatch.setenv("WORLDPOOL_URL", double.url)
    monkeypatch.setenv("WORLDPOOL_OPERATOR_KEY", OPERATOR_KEY)
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "matplotlib"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(DEMO), run_name="__main__")
    assert double.paths("POST") == ["/v1/admin/cells", "/v1/admin/keys", "/v1/subsets", "/v1/runs"]
    assert double.paths("DELETE") == ["/v1/admin/keys/key_1"]
    cell, key = (seen.body for seen in double.seen[:2])
    assert key["cell"] == cell["name"]
    assert (tmp_path / ".worldpool" / "demo-returns.png").read_bytes().startswith(b"\x89PNG")
    shown = capsys.readouterr().out
    assert ("made by an earlier demo" in shown) == again
    assert all(environment.ref in shown for environment in double.environments)
    assert "core-seconds used so far" in shown
