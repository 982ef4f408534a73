"""Tell the exporter what a Python program does: `with pipeline("nightly") as execution: …`.

It needs the standard library, and psutil for figures of resources. Nothing here slows or breaks a pipeline: events
are written to a spool and sent by a thread of their own. Only arguments that cannot be right raise ValueError.
"""

from exporter.client.carrying import carried
from exporter.client.delivery import flush
from exporter.client.execution import Execution, current, pipeline, stage
from exporter.client.failure import Skip
from exporter.client.joining import joined
from exporter.client.logs import LogHandler
from exporter.client.stage import Stage

__all__ = [
    "Execution",
    "LogHandler",
    "Skip",
    "Stage",
    "carried",
    "current",
    "flush",
    "joined",
    "pipeline",
    "stage",
]
