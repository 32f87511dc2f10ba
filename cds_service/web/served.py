"""The application of a worker process, with the settings of its environment."""

import gc
import os

from ..settings import Settings
from . import create_app

app = create_app(Settings.from_environ(os.environ))

# What is loaded by now stays. A collection that looks at all of it again in the middle of a large chart finds nothing.
gc.collect()
gc.freeze()
