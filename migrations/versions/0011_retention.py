"""retention of runs"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("run", sa.Column("retention", sa.Text(), server_default="keep", nullable=False))
    op.add_column("run", sa.Column("retain_s", sa.BigInteger(), nullable=True))
    op.add_column("run", sa.Column("chunks_deleted", sa.BigInteger(), server_default="0", nullable=False))
    op.create_index(
        "ix_run_expiring",
        "run",
        ["id"],
        unique=False,
        postgresql_where=sa.text("retention <> 'keep' AND chunks_deleted < next_seq - 1"),
    )


def downgrade() -> None:
    op.drop_index("ix_run_expiring", table_name="run")
    op.drop_column("run", "chunks_deleted")
    op.drop_column("run", "retain_s")
    op.drop_column("run", "retention")
