"""What can go wrong with the database."""


class StoreDown(Exception):
    """The database could not be reached or refused the write."""


class StoreRefused(StoreDown):
    """The database is there and will never take this record."""


class BadDatabaseUrl(Exception):
    """The URL names no database that this service can use."""
