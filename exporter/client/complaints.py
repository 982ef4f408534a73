"""What the client has to say about itself: each thing once, through `logging`, never as an exception."""

from __future__ import annotations

import logging

LOGGER = "exporter.client"
_SAID: set[str] = set()


def complain(key: str, message: str, *, again: bool = False, level: int = logging.WARNING) -> None:
    """Log a warning; the second with the same key is left out unless `again`.

    The wrapper passes on errors alone: what its user has to put right.
    """
    if key in _SAID and not again:
        return
    _SAID.add(key)
    logging.getLogger(LOGGER).log(level, "%s", message)
