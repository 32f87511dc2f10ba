"""Runs the changes on the connection that it is given. Alembic asks for a module of this name."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
