"""What the gateway tells its own clients of how to use a model."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.add_column("versions", sa.Column("hints", sa.Text(), nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column("versions", "hints")
