"""nodes whose counter differs from their leases"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("quota_node", sa.Column("frozen", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("quota_node", "frozen")
