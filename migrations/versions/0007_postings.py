"""postings: search by sets of specs instead of by twenty indexes"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SCALARS = (
    *("domain", "family", "base_task", "kind", "observations", "actions", "agents", "engine", "seed_sensitive"),
    *("snapshot", "step_us", "make_ms", "memory_mb", "effect"),
)
LISTS = ("tags", "modifiers", "levels", "words")
"""What had an index."""
GONE = {
    "kind": sa.Text,
    "engine": sa.Text,
    "tags": lambda: postgresql.ARRAY(sa.Text()),
    "levels": lambda: postgresql.ARRAY(sa.Text()),
    "words": postgresql.TSVECTOR,
    "parameters": lambda: postgresql.JSONB(astext_type=sa.Text()),
    "step_us": sa.Double,
    "make_ms": sa.Double,
    "memory_mb": sa.BigInteger,
    "effect": sa.Double,
}
TOGETHER = "domain, kind, observations, actions, agents, memory_mb, seed_sensitive, snapshot"


def upgrade() -> None:
    _empty()
    op.execute("DROP STATISTICS environment_together")
    for name in (*SCALARS, *LISTS):
        op.drop_index(f"ix_environment_{name}", table_name="environment")
    for name in GONE:
        op.drop_column("environment", name)
    op.drop_constraint("uq_environment_ref", "environment")
    op.add_column("environment", sa.Column("number", sa.BigInteger(), nullable=False))
    op.create_unique_constraint(op.f("uq_environment_number"), "environment", ["number"])
    op.create_table(
        "posting",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("specs", sa.BigInteger(), nullable=False),
        sa.Column("numbers", sa.LargeBinary(), nullable=False),
        sa.Column("values", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("name", "step", name=op.f("pk_posting")),
    )
    op.drop_table("holdout")
    op.create_table(
        "holdout",
        sa.Column("split_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("specs", sa.BigInteger(), nullable=False),
        sa.Column("numbers", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["split_id"], ["split.id"], name=op.f("fk_holdout_split_id_split")),
        sa.PrimaryKeyConstraint("split_id", "kind", name=op.f("pk_holdout")),
    )
    for table, column in (("posting", "numbers"), ("posting", "values"), ("holdout", "numbers")):  # packed already
        op.execute(f'ALTER TABLE {table} ALTER COLUMN "{column}" SET STORAGE EXTERNAL')


def downgrade() -> None:
    _empty()
    op.drop_table("holdout")
    op.create_table(
        "holdout",
        sa.Column("split_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["split_id"], ["split.id"], name=op.f("fk_holdout_split_id_split")),
        sa.PrimaryKeyConstraint("split_id", "digest", name=op.f("pk_holdout")),
    )
    op.drop_table("posting")
    op.drop_constraint("uq_environment_number", "environment")
    op.drop_column("environment", "number")
    op.create_unique_constraint("uq_environment_ref", "environment", ["ref"])
    for name, kind in GONE.items():
        op.add_column("environment", sa.Column(name, kind(), nullable=name == "effect"))
    for name in SCALARS:
        op.create_index(f"ix_environment_{name}", "environment", [name])
    for name in LISTS:
        op.create_index(f"ix_environment_{name}", "environment", [name], postgresql_using="gin")
    op.execute(f"CREATE STATISTICS environment_together (mcv) ON {TOGETHER} FROM environment")
    op.execute("ALTER STATISTICS environment_together SET STATISTICS 1000")


def _empty() -> None:
    """The catalogue, and what splits hold out of it, is loaded again at the next start."""
    op.execute("TRUNCATE environment, catalogue_state")
    op.execute("UPDATE split SET catalogue = NULL")
