"""The history of the database, one file for each change. Changes only add, so two releases can share a database."""
