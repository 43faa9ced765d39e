"""Requests generated from the OpenAPI document, by the thousand: nothing answers 500, and problems are problems."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.embedded.pool import EmbeddedPool

SECONDS = os.environ.get("FUZZ_SECONDS", "20")
"""`make fuzz` asks for more."""


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPool]:
    """A pool of its own: keys may be revoked, splits changed and quotas taken away."""
    with EmbeddedPool(tmp_path_factory.mktemp("fuzzed")) as pool:
        yield pool


@pytest.mark.parametrize("who", ["cell_key", "operator_key"])
def test_no_generated_request_gets_a_500(fuzzed: EmbeddedPool, who: str, tmp_path: Path) -> None:
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", f"{fuzzed.url}/v1/openapi.json",
        "--header", f"Authorization: Bearer {getattr(fuzzed, who)}",
        "--checks", "not_a_server_error,content_type_conformance,response_schema_conformance",
        "--exclude-path-regex", "/stream$", "--phases", "examples,coverage,fuzzing,stateful",
        "--max-time", str(int(SECONDS) // 2), "--request-timeout", "60",
        "--suppress-health-check", "filter_too_much", "--no-color",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-12000:] + done.stderr[-2000:]
