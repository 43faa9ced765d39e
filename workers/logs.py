"""Logs are events with fields, one line each on stderr. Keys and payloads are never logged."""

from __future__ import annotations

import logging
import sys

import structlog


def configure(log_level: str) -> None:
    """Our own events from this level; of libraries (Celery tells every task) only warnings."""
    level = logging.getLevelNamesMapping()[log_level.upper()]
    logging.basicConfig(
        level=max(level, logging.WARNING), stream=sys.stderr, format="%(levelname)s %(name)s %(message)s"
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=24),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
