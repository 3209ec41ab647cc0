"""Logging: one JSON object a line on stderr, with whatever might be a secret masked.

Keys: `at` (RFC 3339, UTC), `level`, `process`, `logger`, `message`, the fields given as `extra={...}`, and
`error` (a traceback). Coupon codes, tokens and passwords in addresses are masked last, over the whole line:
they also arrive inside other people's exception texts (a violated constraint quotes the row).
"""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

_SECRETS = re.compile(
    r"""(?P<code>\b[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}\b)
      | (?P<stored_code>(?<=\(code\)=\()[^)]*)
      | (?P<token>\beyJ[\w-]+\.[\w-]+\.[\w-]*)
      | (?P<bearer>(?<=[Bb]earer\ )[^\s"]+)
      | (?P<password>(?<=://)[^/\s"@]*:[^\s"@]*(?=@))""",
    re.VERBOSE,
)


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON for the process called `process`."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": f"{datetime.fromtimestamp(record.created, UTC):%FT%T.%f}"[:-3] + "Z",
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update({k: v for k, v in vars(record).items() if k not in _STANDARD})
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return masked(json.dumps(line, default=str, ensure_ascii=False))


def masked(text: str) -> str:
    """`text` with coupon codes, tokens and passwords in URLs replaced by `***`."""
    return _SECRETS.sub("***", text)


def log_to_stderr(process: str, level: int = logging.INFO) -> None:
    """Send every logger of this process to stderr as JSON lines; what was configured before is dropped."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(process))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    # These speak at INFO of every connection and request; their warnings matter, their chatter does not.
    for chatty in ("aiokafka", "uvicorn", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
