"""Variables of dashboards."""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.grafana.json import Json
from dashboards.grafana.targets import PROMETHEUS, SQL

ALL = {"selected": True, "text": "All", "value": "$__all"}


def datasource(name: str, label: str, type_: str) -> Json:
    """Which datasource to ask; hidden where there is but one of its type."""
    return {
        "type": "datasource",
        "name": name,
        "label": label,
        "query": type_,
        "current": {"text": "default", "value": "default"},
        "hide": 2,
        "includeAll": False,
        "multi": False,
        "options": [],
        "refresh": 1,
        "regex": "",
    }


def label_values(
    name: str, label: str, metric: str, source_label: str, *, multi: bool, hide: int = 0, regex: str = ""
) -> Json:
    """Values of a label, out of Prometheus. Where all are chosen, all stand in the query, as SQL needs them quoted."""
    query = f"label_values({metric}, {source_label})"
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": PROMETHEUS,
        "definition": query,
        "query": {"query": query, "refId": f"variable-{name}", "qryType": 1},
        "current": ALL if multi else None,
        "includeAll": multi,
        "multi": multi,
        "hide": hide,
        "options": [],
        "refresh": 2,
        "regex": regex,
        "sort": 1,
    }


def sql_values(name: str, label: str, query: str, *, multi: bool = False, hide: int = 0) -> Json:
    """Values out of the SQL views. All chosen ones stand in the query, so they need no pattern for all."""
    query = " ".join(query.split())
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": SQL,
        "definition": query,
        "query": query,
        "current": ALL if multi else None,
        "includeAll": multi,
        "multi": multi,
        "hide": hide,
        "options": [],
        "refresh": 2,
        "sort": 0,
    }


def choices(name: str, label: str, values: Sequence[str], *, multi: bool = True, first: str = "") -> Json:
    """A fixed list."""
    return {
        "type": "custom",
        "name": name,
        "label": label,
        "query": ",".join(values),
        "current": ALL if multi else {"selected": True, "text": first, "value": first},
        "includeAll": multi,
        "multi": multi,
        "hide": 0,
        "options": [{"selected": value == first, "text": value, "value": value} for value in values],
    }


def text_box(name: str, label: str, value: str = "") -> Json:
    """Free text. Put it into SQL only as `${name:sqlstring}`."""
    return {
        "type": "textbox",
        "name": name,
        "label": label,
        "query": value,
        "current": {"selected": True, "text": value, "value": value},
        "hide": 0,
        "options": [{"selected": True, "text": value, "value": value}],
    }
