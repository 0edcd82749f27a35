"""limits → **complaints** → protocol → …

What fails for one and stops nobody else is logged once: not again at each change, nor for each frame of somebody who
wants the log full.
"""

import logging
from collections import deque
from typing import Any

logger = logging.getLogger(__name__)


def complain(about: Any, which: str, what: str, error: Exception) -> None:
    """Log that `what` failed, of `which` row or question about a class."""
    key = (about, which, what, type(error))
    if key not in _complaints:
        _complaints.append(key)
        name = getattr(about, "__name__", about)
        logger.error("%s, %s: %s failed. Everybody else goes on.", name, which, what, exc_info=error)


_complaints: deque[tuple[Any, ...]] = deque(maxlen=1_000)  # a fault not seen for a while is logged again
