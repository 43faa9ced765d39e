"""What all tests share: one real PostgreSQL a test process, and databases cut from a migrated template."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import psycopg
import pytest
import structlog
from alembic import command
from alembic.config import Config

import env_registry.arithmetic  # noqa: F401  # before any test imports numpy
from service.db import driver_url
from service.embedded.postgres import EmbeddedPostgres

ROOT = Path(__file__).resolve().parent.parent
_numbers = itertools.count()

hypothesis.settings.register_profile("worldpool", deadline=None)  # this machine's speed is not what is tested
hypothesis.settings.load_profile("worldpool")
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres")) as running:
        yield running


@pytest.fixture(scope="session")
def migrated(postgres: EmbeddedPostgres) -> str:
    """The name of a database that has the schema and nothing else; nobody stays connected to it."""
    name = create_database(postgres, "template1")
    config = Config(toml_file=ROOT / "pyproject.toml")
    config.attributes["database_url"] = postgres.url_of(name)
    command.upgrade(config, "head")
    return name


@pytest.fixture
def database_url(postgres: EmbeddedPostgres, migrated: str) -> str:
    """An empty database of this test's own."""
    return postgres.url_of(create_database(postgres, migrated))


def create_database(postgres: EmbeddedPostgres, template: str) -> str:
    name = f"test_{next(_numbers)}"
    with psycopg.connect(driver_url(postgres.url), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE {name} TEMPLATE "{template}"'.encode())
    return name
