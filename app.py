"""The WSGI entry for any server: `app`, with the settings of the environment."""

from cds_service.web.served import app

__all__ = ["app"]
