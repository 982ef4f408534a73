"""JSON as Grafana 12 writes it."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

SCHEMA_VERSION = 42
GRAFANA_VERSION = "12.4.0"


def plain(value: object) -> Any:
    """The value as dicts, lists and scalars, without what is None; the open end of thresholds stays a null."""
    to_json_data = getattr(value, "to_json_data", None)
    if to_json_data is not None:
        return plain(to_json_data())
    if isinstance(value, dict):
        return {
            str(key): [dict(step) for step in item]
            if key == "steps" and isinstance(item, list)
            else plain(item)
            for key, item in value.items()
            if item is not None
        }
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
