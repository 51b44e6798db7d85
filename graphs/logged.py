"""Both ends of what somebody asked for, in the log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

_log = logging.getLogger("assay.manager")


@contextmanager
def logged(what: str) -> Iterator[None]:
    """That it begins, and that it is done or why it is not; what was raised goes on."""
    _log.info("%s …", what)
    try:
        yield
    except Exception as error:
        _log.warning("%s: not done: %s", what, error)
        raise
    _log.info("%s: done", what)
