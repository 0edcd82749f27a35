"""One JSON object a line, for whoever collects logs. `log.json` says where it is used: by Django, and by uvicorn before
Django is there."""

import json
import logging
import re
from datetime import UTC, datetime

# Nothing else that a record may carry is written: it could be a row, or a request's cookies.
ABOUT = ("ref", "stream", "user")
# PostgreSQL quotes a row's values there, line breaks too: so up to the next exception of a chain, or the end.
DETAIL = re.compile(r"DETAIL: .*?(?=\n\n(?:The above exception|During handling)|\Z)", re.DOTALL)


class QuietFilter(logging.Filter):
    """Leaves out what uvicorn says of each socket that comes and goes, with the query of its address."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno > logging.INFO or not record.module.startswith(("websockets_", "wsproto_"))


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name in ABOUT if (value := getattr(record, name, None)) is not None}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps({name: DETAIL.sub("DETAIL: …", str(value)) for name, value in line.items()})
