"""limits → **log** → protocol → …

What is logged, under one name. Each record says whose write it is about. What fails for one and stops
nobody else is logged once: not again at each change, nor for each frame of somebody who wants the log full.
"""

import logging
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

logger = logging.getLogger("channels_databinding")


def complain(about: Any, which: str, what: str, error: Exception) -> None:
    """Log that `what` failed, of `which` row or question about a class."""
    key = (about, which, what, type(error))
    if key not in _complaints:
        _complaints.append(key)
        name = getattr(about, "__name__", about)
        logger.error("%s, %s: %s failed. Everybody else goes on.", name, which, what, exc_info=error)


@contextmanager
def subject(**names: Any) -> Iterator[None]:
    """Have what is logged within, by hooks too, be about this ref, stream and user."""
    token = _subject.set(names)
    try:
        yield
    finally:
        _subject.reset(token)


class SubjectFilter(logging.Filter):
    """Gives a record `ref`, `stream` and `user`, where it has them: for a handler in LOGGING."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.__dict__.update(_subject.get())
        return True


_complaints: deque[tuple[Any, ...]] = deque(maxlen=1_000)  # a fault not seen for a while is logged again
_subject: ContextVar[Mapping[str, Any]] = ContextVar("channels_databinding subject", default={})  # noqa: B039  (never changed, only replaced)
