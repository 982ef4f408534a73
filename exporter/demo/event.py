"""One CloudEvent, as the demo sends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

SOURCE = "pipeline-exporter-demo"
"""CloudEvents `source` of everything the demo sends."""


def timestamp(instant: datetime) -> str:
    """RFC 3339 in UTC with microseconds and `Z`, as the API wants times."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True, slots=True)
class Event:
    """What happened when; `id` stays the same however often it is sent."""

    id: str
    type: str
    time: datetime
    data: Mapping[str, object]

    def as_cloudevent(self) -> dict[str, object]:
        """CloudEvents 1.0, structured mode."""
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": SOURCE,
            "type": self.type,
            "time": timestamp(self.time),
            "datacontenttype": "application/json",
            "data": dict(self.data),
        }
