"""Rules that hold for the whole tree."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from service.settings import ROOT, Settings, describe, document
from workers.settings import Settings as WorkerSettings

VERBS = ["demo", "up", "test", "fuzz", "bench", "lint", "catalogue", "migrate", "openapi"]
# in pieces, so that this file does not hold what it looks for
REGISTRIES = ["pypi" + ".org", "python" + "hosted.org", "npm" + "js.org", "docker" + ".io", "debian" + ".org"]
MACHINE = [f"/{folder}/" for folder in ("wo" + "rk", "ho" + "me", "ro" + "ot", "o" + "pt")]
BINARY = {".png", ".npz", ".onnx", ".gz", ".arrow", ".parquet"}


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_make_alone_lists_every_verb() -> None:
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    shown = dict(re.findall(r"^  make (\w+) +(\S.*)$", listed, re.MULTILINE))
    assert set(VERBS) <= set(shown)


def test_every_verb_of_make_is_listed() -> None:
    makefile = (ROOT / "Makefile").read_text()
    rules = re.findall(r"^(\w+):", makefile, re.MULTILINE)
    assert rules == re.findall(r"^(\w+):.*## ", makefile, re.MULTILINE)


def test_only_the_settings_of_the_service_read_the_environment() -> None:
    for path in (ROOT / "service").rglob("*.py"):
        nodes = ast.walk(ast.parse(path.read_text()))
        used = {ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute | ast.ImportFrom)}
        reading = [text for text in used if re.search(r"\b(environb?|getenv)\b", text)]
        assert not reading or path == ROOT / "service" / "settings.py", f"{path}: {reading}"


def test_the_settings_page_is_current() -> None:
    expected = document(service=Settings, workers=WorkerSettings)
    assert (ROOT / "docs" / "settings.md").read_text() == expected, "run: make settings"


@pytest.mark.parametrize("settings", [Settings, WorkerSettings])
def test_every_setting_says_what_it_means(settings: type[Settings] | type[WorkerSettings]) -> None:
    for variable, _, meaning in describe(settings):
        assert variable.startswith("WORLDPOOL_")
        assert len(meaning) > 10, variable
        assert meaning.endswith("."), variable


def test_no_file_names_a_package_registry_or_a_folder_of_one_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {text}"
        for path in tracked()
        if path.suffix not in BINARY
        for text in REGISTRIES + MACHINE
        if re.search(
            rf"(?<![\w.]){re.escape(text)}" if text.startswith("/") else re.escape(text),
            path.read_text(errors="replace"),
        )
    ]
    assert found == []


def test_the_lock_names_a_hash_for_everything() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    requirements = re.split(r"\n(?=\S)", lock.strip())
    assert len(requirements) > 100
    for requirement in requirements:
        assert re.match(r"[a-z0-9._-]+==\S+", requirement), requirement
        assert "--hash=sha256:" in requirement, requirement


def test_the_openapi_page_is_printed_without_a_database() -> None:
    done = subprocess.run([sys.executable, "-m", "service", "openapi"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert '"openapi"' in done.stdout
