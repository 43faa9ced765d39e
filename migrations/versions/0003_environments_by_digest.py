"""environments in the order of their digests, with all that a search asks for"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NEW = {
    "observations": sa.Text,
    "actions": sa.Text,
    "agents": sa.BigInteger,
    "engine": sa.Text,
    "levels": lambda: sa.ARRAY(sa.Text()),
    "make_ms": sa.Double,
    "memory_mb": sa.BigInteger,
    "seed_sensitive": sa.Boolean,
    "snapshot": sa.Text,
    "effect": sa.Double,
    "shown": sa.Text,
}
SCALARS = (
    *("domain", "family", "kind", "observations", "actions", "agents", "engine", "seed_sensitive", "snapshot"),
    *("step_us", "make_ms", "memory_mb", "effect"),
)
LISTS = ("tags", "levels")
"""Indexed from now on; base_task, modifiers and words were."""


TOGETHER = "domain, kind, observations, actions, agents, memory_mb, seed_sensitive, snapshot"
"""Columns that depend on each other: without statistics of them together the planner expects a third of a third of the
rows where there are none, and reads the whole table."""


def upgrade() -> None:
    _empty()
    op.drop_index("ix_environment_family_ordinal", table_name="environment")
    op.drop_index("ix_environment_domain_ordinal", table_name="environment")
    op.drop_column("environment", "ordinal")
    for name, kind in NEW.items():
        op.add_column("environment", sa.Column(name, kind(), nullable=name == "effect"))
    for name in SCALARS:
        op.create_index(f"ix_environment_{name}", "environment", [name])
    for name in LISTS:
        op.create_index(f"ix_environment_{name}", "environment", [name], postgresql_using="gin")
    op.execute(f"CREATE STATISTICS environment_together (mcv) ON {TOGETHER} FROM environment")
    op.execute("ALTER STATISTICS environment_together SET STATISTICS 1000")


def downgrade() -> None:
    _empty()
    op.execute("DROP STATISTICS environment_together")
    for name in (*SCALARS, *LISTS):
        op.drop_index(f"ix_environment_{name}", table_name="environment")
    for name in NEW:
        op.drop_column("environment", name)
    op.add_column("environment", sa.Column("ordinal", sa.BigInteger(), nullable=False))
    op.create_unique_constraint(op.f("uq_environment_ordinal"), "environment", ["ordinal"])
    op.create_index("ix_environment_domain_ordinal", "environment", ["domain", "ordinal"])
    op.create_index("ix_environment_family_ordinal", "environment", ["family", "ordinal"])


def _empty() -> None:
    """The catalogue is loaded again at the next start."""
    op.execute("TRUNCATE environment, catalogue_state")
