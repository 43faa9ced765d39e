"""cordon, drain, planned departure, the exception for small pools, cooldown"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("worker", sa.Column("duty", sa.Text(), server_default="active", nullable=False))
    op.add_column("worker", sa.Column("leaving", sa.Boolean(), server_default="false", nullable=False))
    op.add_column("worker", sa.Column("departs_at", sa.DateTime(timezone=True), nullable=True))
    _one_live_worker("joining", "active", "draining", "drained")
    op.add_column("commitment", sa.Column("leaving_mc", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("commitment", sa.Column("cooldown_s", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("commitment", sa.Column("min_slots", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("commitment", sa.Column("min_slots_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("commitment", sa.Column("min_slots_by", sa.Text(), nullable=True))
    op.add_column("capacity_epoch", sa.Column("min_slots", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("claim", sa.Column("lent", sa.Boolean(), server_default="false", nullable=False))
    op.create_index("ix_claim_reclaimed", "claim", ["closed_at"], postgresql_where=sa.text("granted AND lent"))


def downgrade() -> None:
    op.drop_index("ix_claim_reclaimed", table_name="claim")
    op.drop_column("claim", "lent")
    op.drop_column("capacity_epoch", "min_slots")
    for column in ("min_slots_by", "min_slots_until", "min_slots", "cooldown_s", "leaving_mc"):
        op.drop_column("commitment", column)
    op.execute("UPDATE worker SET state = 'left' WHERE state = 'drained'")
    _one_live_worker("joining", "active", "draining")
    for column in ("departs_at", "leaving", "duty"):
        op.drop_column("worker", column)


def _one_live_worker(*states: str) -> None:
    op.drop_index("uq_worker_live", table_name="worker")
    live = sa.text(f"state IN ({', '.join(map(repr, states))})")
    op.create_index("uq_worker_live", "worker", ["site_id", "name"], unique=True, postgresql_where=live)
