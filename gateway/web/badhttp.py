"""Keeps the log of aiohttp's server for our own faults: bad HTTP is the sender's, and answered."""

import logging

from aiohttp.http_exceptions import HttpProcessingError

_log = logging.getLogger("trestle.web")


def server_log() -> logging.Logger:
    """For `web.AppRunner`: a handler that raises is logged with its traceback, strangers' bytes
    that are no HTTP (RFC 9112) are one DEBUG line."""
    log = logging.getLogger("trestle.web.http")
    log.addFilter(_is_our_fault)  # the same one again is not added again
    return log


def _is_our_fault(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    if not isinstance(error, HttpProcessingError):
        return True
    why = " ".join(error.message.split())[:200]
    _log.debug("%s, bad HTTP answered with %d: %s", record.getMessage(), error.code, ascii(why))
    return False
