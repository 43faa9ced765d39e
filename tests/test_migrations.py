"""Migrations go up and down, and lead to what the models say."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, inspect

from service.embedded.postgres import EmbeddedPostgres
from tests.conftest import ROOT, create_database


def test_migrations_go_up_down_and_up_again_and_match_the_models(postgres: EmbeddedPostgres) -> None:
    url = postgres.url_of(create_database(postgres, "template1"))
    config = Config(toml_file=ROOT / "pyproject.toml")
    config.attributes["database_url"] = url
    command.upgrade(config, "head")
    command.check(config)  # raises where a model has no migration
    command.downgrade(config, "base")
    engine = create_engine(url)
    assert set(inspect(engine).get_table_names()) == {"alembic_version"}
    engine.dispose()
    command.upgrade(config, "head")
