"""Listing costs no engine; families of other packages are found; the public names are what is listed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import env_registry
from env_registry.runtime import runtime

ROOT = Path(__file__).parents[2]


def python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_listing_everything_imports_no_engine() -> None:
    code = """
import sys
import env_registry
for family in env_registry.families().values():
    env_registry.parse(family.name)
specs = list(env_registry.enumerate_specs())
cards = [env_registry.card_of(spec) for spec in specs[:1000]]
engines = {"mujoco", "gymnasium", "pettingzoo", "mpe2", "minigrid", "pyspiel", "open_spiel", "pymunk", "pygame"}
engines |= {"reasoning_gym", "sympy"}
print(len(specs) > 0, sorted(engines & sys.modules.keys()))
"""
    assert python(code) == "True []"


def test_public_names_exist_and_are_listed_once() -> None:
    assert len(set(env_registry.__all__)) == len(env_registry.__all__)
    assert all(hasattr(env_registry, name) for name in env_registry.__all__)


def test_another_package_adds_a_family_by_its_entry_point(tmp_path: Path) -> None:
    (tmp_path / "other_envs.py").write_text(
        """
from env_registry.family import Actions, Domain, Family, Observations, Traits
from env_registry.simulator import Kind

def make(values):
    raise NotImplementedError

def family(version):
    return Family(name="other/thing", version=version, domain=Domain.PHYSICS, make=make, horizon=1,
                  description="A thing.",
                  traits=Traits(kind=Kind.SINGLE, actions=Actions.DISCRETE, observations=Observations.VECTOR),
                  source="here", licence="MIT", distribution="other")

FAMILIES = (family(1), family(2))
"""
    )
    info = tmp_path / "other_envs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-envs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[worldpool.families]\nother = other_envs:FAMILIES\n")
    code = "import env_registry as e; print(e.parse('other/thing').ref, e.parse('other/thing@1').ref)"
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    assert python(code, PYTHONPATH=path) == "other/thing@2 other/thing@1"


def test_the_runtime_digest_covers_the_engines_python_and_the_machine() -> None:
    here = runtime()
    assert here.versions["mujoco"] == version("mujoco")
    assert here.versions["open-spiel"] == version("open-spiel")
    assert here.versions["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    lines = "\n".join(sorted(f"{name}=={found}" for name, found in here.versions.items()))
    assert here.digest == hashlib.sha256(lines.encode()).hexdigest()
    assert here.digest == python(
        "from env_registry.runtime import runtime; print(runtime().digest)", PYTHONHASHSEED="5"
    )
