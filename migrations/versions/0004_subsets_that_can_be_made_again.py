"""subsets that can be made again: the catalogue's version, vectors, coverage and unique names"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DELETE FROM catalogue_state")  # loaded again from the files, with what the new columns hold
    op.execute("DELETE FROM environment")
    op.add_column("environment", sa.Column("vector", sa.LargeBinary(), nullable=False))
    op.add_column("catalogue_state", sa.Column("version", sa.Text(), nullable=False))
    op.add_column("subset", sa.Column("catalogue", sa.Text(), nullable=True))
    op.add_column("subset", sa.Column("coverage", postgresql.JSONB(), nullable=True))
    op.execute(  # the first of a name keeps it
        "UPDATE subset SET name = NULL WHERE EXISTS (SELECT FROM subset AS first"
        " WHERE first.cell_id = subset.cell_id AND first.name = subset.name AND first.id < subset.id)"
    )
    op.create_unique_constraint(op.f("uq_subset_cell_id_name"), "subset", ["cell_id", "name"])
    op.create_index(op.f("ix_subset_digest"), "subset", ["digest"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_subset_digest"), table_name="subset")
    op.drop_constraint(op.f("uq_subset_cell_id_name"), "subset", type_="unique")
    op.drop_column("subset", "coverage")
    op.drop_column("subset", "catalogue")
    op.drop_column("catalogue_state", "version")
    op.drop_column("environment", "vector")
