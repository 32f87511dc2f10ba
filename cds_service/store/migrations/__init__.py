"""The history of the database, one file for each change. Changes only add, so that two releases can share a database."""
