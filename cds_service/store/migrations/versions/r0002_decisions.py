"""Decision records, seen token ids, and a key by which two hosts keep repeated feedback once.

Feedback of the first release keeps an empty key: what it repeats was already left out when it came.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("feedback", sa.Column("same", sa.String(64)))
    op.create_index("ix_feedback_same", "feedback", ["same"], unique=True)
    op.create_table(
        "decisions",
        sa.Column("call", sa.String(36), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, index=True),
        sa.Column("service", sa.String(100), nullable=False),
        sa.Column("client", sa.String(100), nullable=False),
        sa.Column("protocol", sa.String(100), nullable=False),
        sa.Column("version", sa.String(50), nullable=False),
        sa.Column("cards", sa.Integer, nullable=False),
        sa.Column("duration_ms", sa.Float, nullable=False),
        sa.Column("parts_ms", sa.JSON, nullable=False),
        sa.Column("fetches", sa.JSON, nullable=False),
    )
    op.create_table(
        "shown",
        sa.Column("card", sa.String(36), primary_key=True),
        sa.Column("call", sa.String(36), sa.ForeignKey("decisions.call"), nullable=False, index=True),
        sa.Column("row", sa.String(100), nullable=False),
    )
    op.create_table(
        "unknowns",
        sa.Column("call", sa.String(36), sa.ForeignKey("decisions.call"), primary_key=True),
        sa.Column("reason", sa.String(50), primary_key=True),
        sa.Column("times", sa.Integer, nullable=False),
    )
    op.create_table(
        "codes_not_understood",
        sa.Column("call", sa.String(36), sa.ForeignKey("decisions.call"), primary_key=True),
        sa.Column("code", sa.String(50), primary_key=True),
    )
    op.create_table(
        "seen_tokens",
        sa.Column("same", sa.String(64), primary_key=True),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False, index=True),
    )
