"""Dashboards as Grafana takes them: queries over what is exposed, panels that explain themselves, links that lead."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest

from dashboards.__main__ import FOLDER
from dashboards.boards import all_boards
from dashboards.generated import changed, texts
from exporter.catalogue.metrics import CATALOGUE
from exporter.catalogue.summed import BUCKETS, TOTALS
from tests.support.boards import Json, Query, boards, panels, promql, queries, variables_used
from tests.support.promql import metric_of, selectors, unknown

ALL = dict.fromkeys(("environment", "pipeline", "stream", "rule", "provider", "model", "stage"), ".*")
VALUES = {"asked_at": "1700000000"}
"""Where a pattern for all is no value."""
EVERY_PANEL = [
    pytest.param(panel, id=f"{uid} {panel['id']}: {panel['title']}")
    for uid, board in boards().items()
    for panel in panels(board)
]
PROMQL = [pytest.param(query, id=str(query)) for query in queries() if query.language == "promql"]

WITHOUT_UNIT = {"table", "logs", "traces", "text", "alertlist", "nodeGraph", "state-timeline", "barchart"}
WITHOUT_NO_VALUE = {"logs", "traces", "text", "alertlist"}
STEPPED = {"stat", "gauge", "bargauge"}

PANEL_TYPES = {
    "alertlist", "barchart", "bargauge", "gauge", "heatmap", "logs", "nodeGraph", "row", "stat", "state-timeline",
    "status-history", "table", "text", "timeseries", "traces", "histogram", "piechart",
}  # fmt: skip
TRANSFORMATIONS = {
    "calculateField", "concatenate", "configFromData", "convertFieldType", "extractFields", "filterByValue",
    "filterFieldsByName", "formatTime", "groupBy", "groupingToMatrix", "joinByField", "joinByLabels",
    "labelsToFields", "limit", "merge", "organize", "partitionByValues", "prepareTimeSeries", "reduce",
    "renameByRegex", "rowsToFields", "seriesToRows", "sortBy", "timeSeriesTable", "transpose",
}  # fmt: skip
PROPERTIES = {
    "color", "custom.align", "custom.axisPlacement", "custom.cellOptions", "custom.drawStyle", "custom.fillOpacity",
    "custom.filterable", "custom.hideFrom", "custom.hideFrom.viz", "custom.inspect", "custom.lineStyle",
    "custom.lineWidth", "custom.minWidth", "custom.pointSize", "custom.scaleDistribution", "custom.showPoints",
    "custom.stacking", "custom.transform", "custom.width", "custom.wrapText", "custom.axisLabel", "custom.spanNulls",
    "custom.footer", "decimals", "description", "displayName", "links", "mappings", "max", "min", "noValue",
    "thresholds", "unit",
}  # fmt: skip
"""Grafana 12's own ids: it passes over any other without a word."""


def test_the_files_are_what_the_code_writes() -> None:
    assert changed(FOLDER, texts(all_boards())) == []


def test_each_dashboard_has_its_own_uid_named_like_its_file() -> None:
    assert len(boards()) == len(list(FOLDER.glob("*.json")))
    for uid, board in boards().items():
        assert re.fullmatch(r"pipelines-[a-z]+", uid)
        assert (FOLDER / f"{uid.removeprefix('pipelines-')}.json").exists()
        assert board["title"].startswith("Pipelines / ")
        assert board["description"]
        assert board["tags"] == ["pipeline-exporter"]
        assert board["schemaVersion"] == 42


@pytest.mark.parametrize("uid", sorted(boards()))
def test_panels_lie_side_by_side_on_the_grid(uid: str) -> None:
    board = boards()[uid]
    ids = [panel["id"] for panel in board["panels"]] + [
        inner["id"] for panel in board["panels"] for inner in panel.get("panels", [])
    ]
    assert len(ids) == len(set(ids))
    for group in (board["panels"], *(panel.get("panels", []) for panel in board["panels"])):
        for panel in group:
            assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24, panel["title"]
        for one, other in itertools.combinations(group, 2):
            assert not _overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])


def _overlap(one: Json, other: Json) -> bool:
    return bool(
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


@pytest.mark.parametrize("panel", EVERY_PANEL)
def test_a_panel_explains_itself(panel: Json) -> None:
    kind, defaults = panel["type"], panel["fieldConfig"]["defaults"]
    assert kind in PANEL_TYPES
    assert panel["title"]
    assert len(panel["description"]) > 15
    assert panel["description"].endswith((".", "?"))
    if kind not in WITHOUT_UNIT and not defaults.get("mappings"):
        units = [defaults.get("unit"), *(_property(panel, "unit"))]
        assert any(units) or panel["options"].get("yAxis", {}).get("unit"), "no unit"
    if kind not in WITHOUT_NO_VALUE:
        assert defaults.get("noValue"), "no noValue"
    if kind in STEPPED:
        steps = defaults["thresholds"]["steps"]
        assert steps[0]["value"] is None
        values = [step["value"] for step in steps[1:]]
        assert values == sorted(values)
    if kind == "stat" and panel["gridPos"]["w"] <= 4:
        assert len(panel["title"]) <= 17, "the title of a narrow figure is cut"


@pytest.mark.parametrize("panel", EVERY_PANEL)
def test_no_answer_is_not_the_colour_of_all_is_well(panel: Json) -> None:
    if panel["type"] == "stat":
        assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["color"] != "green"


@pytest.mark.parametrize("panel", EVERY_PANEL)
def test_a_timeline_says_why_it_is_empty(panel: Json) -> None:
    """Of a frame without fields it would say what it lacks instead."""
    if panel["type"] in {"state-timeline", "status-history"}:
        assert panel["transformations"][-1]["id"] == "filterFieldsByName"


def _property(panel: Json, id_: str) -> list[Any]:
    return [
        each["value"]
        for override in panel["fieldConfig"]["overrides"]
        for each in override["properties"]
        if each["id"] == id_
    ]


@pytest.mark.parametrize("panel", EVERY_PANEL)
def test_a_panel_uses_only_what_grafana_knows(panel: Json) -> None:
    used = {each["id"] for each in panel.get("transformations", [])}
    assert used <= TRANSFORMATIONS
    properties = {
        each["id"] for override in panel["fieldConfig"]["overrides"] for each in override["properties"]
    }
    assert properties <= PROPERTIES
    refs = [target["refId"] for target in panel.get("targets", [])]
    assert len(refs) == len(set(refs))
    if len({str(target["datasource"]) for target in panel.get("targets", [])}) > 1:
        assert panel["datasource"]["uid"] == "-- Mixed --"


@pytest.mark.parametrize("panel", EVERY_PANEL)
def test_a_table_fits_a_panel_of_its_width(panel: Json) -> None:
    """On a window of 1600 pixels with the menu open, columns with a width leave room for those without."""
    if panel["type"] != "table":
        return
    hidden, widths = set(), {}
    for override in panel["fieldConfig"]["overrides"]:
        properties = {each["id"]: each["value"] for each in override["properties"]}
        name = override["matcher"]["options"]
        width = properties.get("custom.width") or properties.get("custom.minWidth")
        if properties.get("custom.hideFrom.viz"):
            hidden.add(name)
        elif width:
            widths[name] = width
    room = 1300 * panel["gridPos"]["w"] / 24
    assert sum(width for name, width in widths.items() if name not in hidden) <= room


@pytest.mark.parametrize("query", PROMQL)
def test_a_query_reads_only_what_is_exposed_or_recorded(query: Query) -> None:
    assert unknown(promql(query.text, VALUES)) == []


@pytest.mark.parametrize("uid", sorted(boards()))
def test_variables_are_declared_where_they_are_used(uid: str) -> None:
    board = boards()[uid]
    declared = {variable["name"] for variable in board["templating"]["list"]}
    text = repr([board["panels"], board["annotations"], board["templating"]])
    missing = {name for name in variables_used(text) if name not in declared}
    # What stands in a link to a value, as `$1` in label_replace does, is none.
    assert {name for name in missing if not name.isdigit()} == set()


@pytest.mark.parametrize("uid", sorted(boards()))
def test_every_link_leads_to_a_dashboard_that_exists(uid: str) -> None:
    targets = re.findall(r"/d/([a-z-]+)", repr(boards()[uid]))
    assert targets
    assert set(targets) <= set(boards())
    for link in boards()[uid]["links"]:
        assert link["keepTime"]
        assert link["includeVars"]


def test_every_dashboard_but_home_is_reached_from_another() -> None:
    reached = {
        target
        for uid, board in boards().items()
        for target in re.findall(r"/d/([a-z-]+)", repr(board))
        if target != uid
    }
    assert reached == set(boards())


NOT_SHOWN = {
    # How much durations spread, and on how many they rest: rules need it to keep quiet.
    "pipeline_execution_duration_baseline_mad_seconds",
    "pipeline_execution_duration_baseline_runs",
    "pipeline_execution_earlier_duration_mad_seconds",
    "pipeline_stage_earlier_duration_mad_seconds",
    # Shown as the lag, which is now minus the watermark.
    "pipeline_stream_watermark_timestamp_seconds",
}


def test_every_metric_is_on_a_panel() -> None:
    """By itself, or as a total that is recorded of it."""
    asked = {
        metric_of(selector.metric)
        for query in queries()
        if query.language == "promql"
        for selector in selectors(promql(query.text, VALUES))
    }
    asked |= {total.of.name for total in (*TOTALS, *BUCKETS) if total.metric.name in asked}
    assert {metric.name for metric in CATALOGUE} - asked - NOT_SHOWN == set()


def test_a_panel_has_no_interval_beside_its_targets_own() -> None:
    """Grafana's Prometheus datasource looks at the panel's only if the target has none."""
    for uid, board in boards().items():
        for panel in panels(board):
            if any(target.get("interval") for target in panel.get("targets", [])):
                assert not panel.get("interval"), (uid, panel["title"])


def test_what_is_recorded_each_minute_is_asked_over_several_minutes() -> None:
    """A window with fewer than two samples in it answers nothing."""
    for uid, board in boards().items():
        for panel in panels(board):
            for target in panel.get("targets", []):
                recorded = re.search(r"\w+:\w+:\w+\{?[^\[]*\[(\$__\w+)\]", target.get("expr", ""))
                if recorded and recorded[1] == "$__interval":
                    assert (target.get("interval") or panel.get("interval")) == "5m", (uid, panel["title"])
                if recorded and recorded[1] == "$__rate_interval":
                    assert target.get("interval") in ("1m", "2m", "5m"), (uid, panel["title"])
