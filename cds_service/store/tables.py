"""The tables of the store. `migrations` brings a database to this form; a test holds the two against each other.

Nothing in here is patient data: calls, cards and suggestions are known by random ids, token ids by a digest.
"""

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
    sa.Column("same", sa.String(64)),
    sa.Index("ix_feedback_same", "same", unique=True),
)
"""What became of cards. `same` is a digest of what makes two reports the same one, repeated."""

decisions = sa.Table(
    "decisions",
    metadata,
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
"""One row for each answer: who was answered by which version, in what time, with what fetched."""

shown = sa.Table(
    "shown",
    metadata,
    sa.Column("card", sa.String(36), primary_key=True),
    sa.Column("call", sa.String(36), sa.ForeignKey("decisions.call"), nullable=False, index=True),
    sa.Column("row", sa.String(100), nullable=False),
)
"""The cards of an answer, each with the row of the protocol (or the concern) that it came from."""

unknowns = sa.Table(
    "unknowns",
    metadata,
    sa.Column("call", sa.String(36), sa.ForeignKey("decisions.call"), primary_key=True),
    sa.Column("reason", sa.String(50), primary_key=True),
    sa.Column("times", sa.Integer, nullable=False),
)
"""How often an answer met each reason for not knowing something."""

codes_not_understood = sa.Table(
    "codes_not_understood",
    metadata,
    sa.Column("call", sa.String(36), sa.ForeignKey("decisions.call"), primary_key=True),
    sa.Column("code", sa.String(50), primary_key=True),
)
"""Codes of published systems that the terminology does not map. Words are never kept: they may be a name."""

seen_tokens = sa.Table(
    "seen_tokens",
    metadata,
    sa.Column("same", sa.String(64), primary_key=True),
    sa.Column("expires", sa.DateTime(timezone=True), nullable=False, index=True),
)
"""Digests of issuer and id of the tokens that were taken, until they expire."""
