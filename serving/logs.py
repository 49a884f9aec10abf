"""The log of a data plane: one record a line as text or JSON, and nothing in it names a shopper.

An exception is told by its type and the places it went through. Its words are left out, since they may quote what was
asked; what an operator has to know of a failure is in the message of the record.
"""

import logging
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal, NamedTuple

import msgspec

LogFormat = Literal["text", "json"]
FACTS = ("status", "seconds")
"""Facts of a request that a record may carry as ``extra``."""
GRANIAN = {"loggers": {"_granian": {"handlers": [], "propagate": True}}}
"""Granian's own records go the same way."""


class Asked(NamedTuple):
    """The request that is being answered."""

    request_id: str
    route: str


ASKED: ContextVar[Asked | None] = ContextVar("asked", default=None)


class TextFormatter(logging.Formatter):
    """For a person who reads a file: as ever, and which request it was about."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """The line, before the traceback."""
        record.message = _message(record)
        line, asked = super().formatMessage(record), ASKED.get()
        return f"{line} [request {asked.request_id} {asked.route}]" if asked else line

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """Types and places."""
        return "\n".join(["Traceback, without words:", *(f"  {place}" for place in _places(ei))])


class JsonFormatter(logging.Formatter):
    """For a collector of logs."""

    def format(self, record: logging.LogRecord) -> str:
        """One JSON object."""
        asked = ASKED.get()
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
            **(asked._asdict() if asked else {}),
            **{name: vars(record)[name] for name in FACTS if name in vars(record)},
        }
        if record.exc_info:
            told["traceback"] = _places(record.exc_info)
        return msgspec.json.encode(told).decode()


def start_logging(log_format: LogFormat) -> None:
    """Have every record of this process written to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def _message(record: logging.LogRecord) -> str:
    """asyncio shows failed tasks with their exceptions from the second line on."""
    message = record.getMessage()
    return message.partition("\n")[0] if record.name == "asyncio" else message


def _places(
    found: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
) -> list[str]:
    """Where an exception went, innermost last, and its type; those that it came from before it."""
    error, places = found[1], list[str]()
    while error is not None:
        frames = traceback.extract_tb(error.__traceback__)
        places[:0] = [
            *(f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames),
            f"{type(error).__module__}.{type(error).__qualname__}",
        ]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return places
