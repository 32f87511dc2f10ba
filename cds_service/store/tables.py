"""The tables of the store."""

import sqlalchemy as sa

metadata = sa.MetaData()

feedback = sa.Table(
    "feedback",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("service", sa.String(100), nullable=False),
    sa.Column("card", sa.String(200), nullable=False, index=True),
    sa.Column("outcome", sa.String(20), nullable=False),
    sa.Column("accepted", sa.Text, nullable=False),
    sa.Column("reason_system", sa.String(200), nullable=False),
    sa.Column("reason_code", sa.String(200), nullable=False),
    sa.Column("outcome_at", sa.String(64), nullable=False),
    sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
)
