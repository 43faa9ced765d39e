"""One arithmetic on every machine with AVX2: libraries must not choose their code by the processor."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from env_registry import arithmetic
from env_registry.runtime import processor
from env_registry.sweep import MeasuringProcess

needs_avx2 = pytest.mark.skipif("OPENBLAS_CORETYPE" not in arithmetic.SETTINGS, reason="needs x86-64 with AVX2 and FMA")


@needs_avx2
def test_this_process_is_of_the_common_class() -> None:
    assert processor() == "x86_64-v3"


@needs_avx2
def test_importing_the_registry_is_enough() -> None:
    bare = {name: value for name, value in os.environ.items() if name not in arithmetic.SETTINGS}
    code = "import env_registry, env_registry.runtime as r; print(r.processor())"
    done = subprocess.run([sys.executable, "-c", code], env=bare, capture_output=True, text=True, check=True)
    assert done.stdout == "x86_64-v3\n"


@pytest.mark.skipif("avx512f" not in Path("/proc/cpuinfo").read_text(), reason="needs AVX-512")
def test_another_kernel_of_blas_gives_other_bits_and_is_never_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """simple_line's rewards are dot products of two numbers; its own process must not take up what it inherits."""
    ref = "mpe/simple_line:partner(policy=copy)"
    code = "import sys; from env_registry import parse, probe as p; print(p.fingerprint(p.Probe(parse(sys.argv[1]))))"
    found = {}
    for kernel in ("Haswell", "SkylakeX"):
        environment = os.environ | {"OPENBLAS_CORETYPE": kernel}
        done = subprocess.run(
            [sys.executable, "-c", code, ref], env=environment, capture_output=True, text=True, check=True
        )
        found[kernel] = done.stdout.strip()
    assert found["Haswell"] != found["SkylakeX"]
    monkeypatch.setenv("OPENBLAS_CORETYPE", "SkylakeX")
    process = MeasuringProcess("1")
    assert process.ask({"ask": "print", "ref": ref})["fingerprint"] in found["Haswell"]
    process.close()
