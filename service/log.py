"""Log lines: one an event, key=value for a person, JSON for a machine. Never a secret."""

import logging
import sys
from typing import Final

import structlog

_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_BAD_REQUESTS: Final = {
    "aiohttp.http_exceptions.BadHttpMessage",
    "aiohttp.web_protocol.RequestPayloadError",
}


def configure(level: str, form: str) -> None:
    """Write to standard error. `form` is auto (by whether that is a terminal), text or json."""
    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            exception_formatter=structlog.dev.plain_traceback,  # the usual one shows variables
        )
        if as_text
        else structlog.processors.JSONRenderer()
    )
    tracebacks = [] if as_text else [structlog.processors.format_exc_info]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _when_and_what_first,
            *tracebacks,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries speak up only when something is wrong; APScheduler warns of every skipped run.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    logging.getLogger("aiohttp.server").addFilter(_is_our_fault)


def _is_our_fault(record: logging.LogRecord) -> bool:
    """Not a traceback of aiohttp's for a request that is no HTTP: anybody can send one."""
    kind = record.exc_info[0] if record.exc_info else None
    names = {f"{base.__module__}.{base.__name__}" for base in kind.__mro__} if kind else set()
    return not names & _BAD_REQUESTS


def _when_and_what_first(
    logger: object, method: str, line: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    del logger, method
    head = {name: line.pop(name) for name in ("timestamp", "level", "event")}
    return {**head, **line}
