"""limits → **subject** → complaints → …

Whose write a log record is about: its ref, stream and user, on all that is logged while it is done, by hooks too.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any


@contextmanager
def subject(**names: Any) -> Iterator[None]:
    """Have what is logged within be about this."""
    token = _subject.set(names)
    try:
        yield
    finally:
        _subject.reset(token)


class SubjectFilter(logging.Filter):
    """Gives a record `ref`, `stream` and `user`, where it has them: for a handler in LOGGING."""

    def filter(self, record: logging.LogRecord) -> bool:
        for name, value in _subject.get().items():
            setattr(record, name, value)
        return True


_subject: ContextVar[Mapping[str, Any]] = ContextVar("channels_databinding subject", default={})  # noqa: B039  (never changed, only replaced)
