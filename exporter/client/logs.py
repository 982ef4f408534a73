"""A `logging.Handler` that sends log lines to the run and stage in which they were written."""

from __future__ import annotations

import logging
import traceback

from exporter.client.complaints import LOGGER
from exporter.client.execution import current

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class LogHandler(logging.Handler):
    """`logging.getLogger().addHandler(LogHandler())`. Lines outside a run are none of ours; `extra` becomes fields."""

    def __init__(self, level: int | str = logging.INFO) -> None:
        super().__init__(level)

    def emit(self, record: logging.LogRecord) -> None:
        """Send one line."""
        if record.name == LOGGER:
            return  # what the client says of itself would come back to it
        scope = current()
        if scope is None:
            return
        try:
            facts = {key: value for key, value in vars(record).items() if key not in _OWN}
            facts["logger"] = record.name
            if record.exc_info and record.exc_info[0] is not None:
                facts["exception"] = "".join(traceback.format_exception(*record.exc_info))[-16_000:]
            scope._tell_log(record.getMessage(), record.levelname.lower()[:128] or "info", facts, 0)
        except Exception:  # as all handlers do: logging's own way to tell of it
            self.handleError(record)
