"""The application of a worker process, with the settings of its environment."""

import os

from ..settings import Settings
from . import create_app

app = create_app(Settings.from_environ(os.environ))
