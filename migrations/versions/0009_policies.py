"""policies, and runs of several policies and seeds"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "policy",
        sa.Column("cell_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("signature", postgresql.JSONB(), nullable=True),
        sa.Column("file_sha256", sa.Text(), nullable=True),
        sa.Column("file", sa.LargeBinary(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["cell_id"], ["cell.id"], name=op.f("fk_policy_cell_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy")),
    )
    op.create_index("uq_policy_content", "policy", ["cell_id", "digest"], unique=True)
    op.create_index(op.f("ix_policy_file_sha256"), "policy", ["file_sha256"], unique=False)
    op.create_index(op.f("ix_policy_cell_id_id"), "policy", ["cell_id", "id"], unique=False)

    op.add_column("run", sa.Column("policies", postgresql.ARRAY(sa.Text()), nullable=True))
    op.add_column("run", sa.Column("seeds", postgresql.ARRAY(sa.BigInteger()), nullable=True))
    op.add_column("run", sa.Column("name", sa.Text(), nullable=True))
    op.add_column("run", sa.Column("max_parallel", sa.BigInteger(), nullable=True))
    op.add_column("run", sa.Column("record", postgresql.JSONB(), server_default="{}", nullable=False))
    op.add_column("run", sa.Column("content_sha256", sa.LargeBinary(), nullable=True))
    op.add_column("run", sa.Column("runtime", sa.Text(), nullable=True))
    op.create_index(
        "ix_run_bounded",
        "run",
        ["id"],
        unique=False,
        postgresql_where=sa.text("max_parallel IS NOT NULL AND state IN ('queued', 'running')"),
    )
    op.create_index("ix_run_content", "run", ["cell_id", "content_sha256"], unique=False)
    op.execute("UPDATE run SET policies = ARRAY[policy], seeds = ARRAY[seed]")
    op.alter_column("run", "policies", nullable=False)
    op.alter_column("run", "seeds", nullable=False)
    op.create_index(
        "uq_run_name", "run", ["cell_id", "name"], unique=True, postgresql_where=sa.text("name IS NOT NULL")
    )
    op.add_column("work_item", sa.Column("policy", sa.Text(), nullable=True))
    op.add_column("work_item", sa.Column("seed", sa.BigInteger(), nullable=True))
    op.add_column("work_item", sa.Column("batch", sa.BigInteger(), server_default="1", nullable=False))
    op.execute("UPDATE work_item SET policy = run.policy, seed = run.seed FROM run WHERE run.id = work_item.run_id")
    op.alter_column("work_item", "policy", nullable=False)
    op.alter_column("work_item", "seed", nullable=False)
    op.drop_column("run", "policy")
    op.drop_column("run", "seed")


def downgrade() -> None:
    op.add_column("run", sa.Column("seed", sa.BigInteger(), nullable=True))
    op.add_column("run", sa.Column("policy", sa.Text(), nullable=True))
    op.execute("UPDATE run SET policy = policies[1], seed = seeds[1]")
    op.alter_column("run", "policy", nullable=False)
    op.alter_column("run", "seed", nullable=False)
    for column in ("batch", "seed", "policy"):
        op.drop_column("work_item", column)
    op.drop_index("ix_run_content", table_name="run")
    op.drop_index("ix_run_bounded", table_name="run")
    op.drop_index("uq_run_name", table_name="run")
    for column in (
        "runtime",
        "content_sha256",
        "record",
        "max_parallel",
        "name",
        "seeds",
        "policies",
    ):
        op.drop_column("run", column)
    op.drop_table("policy")
