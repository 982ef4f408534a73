"""The generated dashboards, and their queries with the variables filled in as Grafana does."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.support.paths import REPOSITORY

FOLDER = REPOSITORY / "provisioning" / "dashboards" / "Pipelines"

Json = dict[str, Any]


@cache
def boards() -> dict[str, Json]:
    """Dashboards by uid."""
    found = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]
    return {board["uid"]: board for board in found}


def panels(board: Json) -> Iterator[Json]:
    """Panels, those in folded rows included, rows left out."""
    for panel in board["panels"]:
        if panel["type"] == "row":
            yield from panel.get("panels", [])
        else:
            yield panel


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a dashboard: a panel's, a variable's or an annotation's."""

    board: str
    place: str
    language: str
    text: str
    format: str = ""

    def __str__(self) -> str:
        return f"{self.board} | {self.place}"


def queries() -> list[Query]:
    """Every query of every dashboard."""
    return [query for board in boards().values() for query in _queries(board)]


def _queries(board: Json) -> Iterator[Query]:
    uid = board["uid"]
    for panel in panels(board):
        for target in panel.get("targets", []):
            yield from _target(uid, f"{panel['id']} {panel['title']} {target['refId']}", target)
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield _variable(uid, variable)
    for annotation in board["annotations"]["list"]:
        yield from _target(uid, f"annotation {annotation['name']}", annotation.get("target", annotation))


def _target(uid: str, place: str, target: Json) -> Iterator[Query]:
    if target.get("expr"):
        yield Query(uid, place, "promql", target["expr"], target.get("format", ""))
    elif "rawSql" in target:
        yield Query(uid, place, "sql", target["rawSql"], target["format"])


def _variable(uid: str, variable: Json) -> Query:
    place = f"variable {variable['name']}"
    if variable["datasource"]["type"] != "prometheus":
        return Query(uid, place, "sql", variable["query"], "table")
    inside = re.fullmatch(r"label_values\((.*), *(\w+)\)", variable["definition"])
    assert inside, variable["definition"]
    return Query(uid, place, "promql", f"count by ({inside[2]}) ({inside[1]})")


WINDOWS = {
    "$__rate_interval_ms": "60000",
    "$__rate_interval": "1m",
    "$__interval_ms": "60000",
    "$__interval": "1m",
    "$__range_s": "3600",
    "$__range": "1h",
}


def promql(text: str, values: Mapping[str, str], windows: Mapping[str, str] = WINDOWS) -> str:
    """A query of Prometheus with values for its variables; `.*`, all, for those that have none here.

    `windows`: what Grafana's own variables of time are, longer names first.
    """
    for macro, value in windows.items():
        text = text.replace(macro, value)
    text = re.sub(r"\$\{(quoted_\w+):raw\}", lambda found: values.get(found[1], '".*"'), text)
    return re.sub(r"\$\{?([A-Za-z]\w*)(?::\w+)?\}?", lambda found: values.get(found[1], ".*"), text)


def sql(text: str, values: Mapping[str, str], *, since: str = "1 day", step: int = 60) -> str:
    """A query of PostgreSQL with its macros written out, and values for its variables as above.

    `step`: seconds of `$__interval`.
    """
    text = re.sub(r"\$__timeFilter\(([^()]*)\)", rf"\1 BETWEEN now() - interval '{since}' AND now()", text)
    text = re.sub(
        r"\$__timeGroup\(([^(),]*), *\$__interval(?:, *(?:0|NULL))?\)",
        rf"to_timestamp(floor(extract(epoch FROM \1) / {step}) * {step})",
        text,
    )
    text = text.replace("$__interval", f"{step}s")
    text = text.replace("$__timeFrom()", f"(now() - interval '{since}')").replace("$__timeTo()", "now()")
    # All of a variable that Prometheus answers: its values are not known here.
    text = re.sub(
        r"[\w.]+ = ANY\(ARRAY\[\$\{(\w+):sqlstring\}\]::text\[\]\)",
        lambda found: found[0] if found[1] in values else "true",
        text,
    )
    text = re.sub(r"\$\{(\w+):sqlstring\}", lambda found: _quoted(values.get(found[1], ".*")), text)
    return re.sub(r"\$\{(\w+):pipe\}", lambda found: values.get(found[1], ".*"), text)


def _quoted(value: str) -> str:
    escaped = value.replace("'", "''")
    return ", ".join(f"'{part}'" for part in escaped.split("|"))


def chosen(
    board: Json, values: Mapping[str, str], ask: Callable[[str], list[tuple[Any, ...]]]
) -> dict[str, str]:
    """Values of all variables of a dashboard, those given among them: what it shows first, all where it may be all.

    `ask` answers SQL. Several values are joined by `|`.
    """
    found: dict[str, str] = {}
    for variable in board["templating"]["list"]:
        name = variable["name"]
        if name in values:
            found[name] = values[name]
        elif variable["type"] == "custom":
            found[name] = variable["query"].replace(",", "|")
        elif variable["type"] == "textbox":
            found[name] = variable["query"]
        elif variable["type"] == "query" and variable["datasource"]["type"] != "prometheus":
            rows = [str(row[-1]) for row in ask(sql(variable["query"], found))]
            found[name] = "|".join(rows) if variable["multi"] else rows[0] if rows else ""
    return found


def variables_used(text: str) -> set[str]:
    """Names of the dashboard's own variables that a text mentions."""
    found = re.findall(r"\$(?:\{(\w+)(?:[.:\[][^}]*)?\}|(\w+))", text)
    names = {left or right for left, right in found}
    return {name for name in names if not name.startswith("__") and name != "names"}
