"""docker-compose.yml and Dockerfile name only what exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.__main__ import VERBS
from service.settings import ROOT
from service.settings import Settings as ServiceSettings
from workers.settings import Settings as WorkerSettings

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
OURS = {name: service for name, service in COMPOSE["services"].items() if "build" in service}
COMMANDS = {"python": ["-m", "service"], "celery": ["--quiet", "-A", "workers.app", "worker"]}
REQUIRED = re.compile(r"\$\{\w+:\?[^}]+\}")


def names(settings: type[ServiceSettings] | type[WorkerSettings]) -> set[str]:
    return {f"WORLDPOOL_{name.upper()}" for name in settings.model_fields}


def test_every_part_is_there() -> None:
    assert set(COMPOSE["services"]) == {"postgres", "redis", "store", "migrate", "api", "scheduler", "worker"}


@pytest.mark.parametrize("service", OURS)
def test_every_variable_is_a_setting_of_what_reads_it(service: str) -> None:
    known = names(WorkerSettings if service == "worker" else ServiceSettings)
    used = {name for name in OURS[service]["environment"] if name.startswith("WORLDPOOL_")}
    assert used <= known
    assert used


def test_a_worker_is_told_no_database() -> None:
    assert "WORLDPOOL_DATABASE_URL" not in OURS["worker"]["environment"]


@pytest.mark.parametrize("service", OURS)
def test_every_command_exists(service: str) -> None:
    program, *arguments = OURS[service]["command"]
    assert arguments[: len(COMMANDS[program])] == COMMANDS[program]
    assert program == "celery" or arguments[-1] in VERBS


@pytest.mark.parametrize("service", COMPOSE["services"])
def test_no_secret_is_written_down(service: str) -> None:
    for name, value in COMPOSE["services"][service]["environment"].items() if service != "redis" else ():
        if name.endswith(("PASSWORD", "SECRET_ACCESS_KEY", "_KEY")):
            assert REQUIRED.fullmatch(value), name
        elif name == "WORLDPOOL_DATABASE_URL":
            assert REQUIRED.search(value), name


def test_settings_that_compose_gives_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    for service, settings in (("api", ServiceSettings), ("worker", WorkerSettings)):
        for name, value in OURS[service]["environment"].items():
            monkeypatch.setenv(name, REQUIRED.sub("wp_secret", value))
        assert str(settings().url) == "http://api:8000"


@pytest.mark.parametrize(
    "service", [name for name in COMPOSE["services"] if name in ("postgres", "redis", "store", "api")]
)
def test_what_others_wait_for_has_a_health_check(service: str) -> None:
    assert COMPOSE["services"][service]["healthcheck"]["test"]
    waiting = [other.get("depends_on", {}).get(service) for other in COMPOSE["services"].values()]
    assert {"condition": "service_healthy"} in waiting


def test_the_image_runs_from_the_lock_as_nobody_special() -> None:
    assert "uv pip sync --no-cache --only-binary :all: --require-hashes" in DOCKERFILE
    user = DOCKERFILE.index("\nUSER worldpool")
    assert DOCKERFILE.index("useradd") < user < DOCKERFILE.index("\nCMD")


def test_the_image_has_every_folder_that_it_runs_and_nothing_else_is_sent() -> None:
    copied = set(re.findall(r"^COPY (\S+) ", DOCKERFILE, re.MULTILINE))
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied == sent
    assert all(Path(ROOT, name).exists() for name in copied)
