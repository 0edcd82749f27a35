# demos
"""The project's settings, where who is on a server that fell silent is gone in seconds. For test_presence.py"""

from config.settings import *  # noqa: F403  (settings are all the names of a module)

CHANNELS_DATABINDING = {"presence_ttl_s": 3}
