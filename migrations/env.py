"""Alembic's entry: migrates the database that WORLDPOOL_DATABASE_URL (or the caller) names."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine, text

from service.models import Base
from service.settings import Settings

LOCK_TIMEOUT = "5s"


def run() -> None:
    url = context.config.attributes.get("database_url") or Settings().database_url
    engine = create_engine(url)
    with engine.connect() as connection:
        connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
        connection.commit()
        context.configure(connection=connection, target_metadata=Base.metadata, compare_server_default=True)
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


run()
