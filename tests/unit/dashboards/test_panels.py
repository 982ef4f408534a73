"""The layer over grafanalib: which datasource a panel asks, how fields are worked out, where links lead."""

from __future__ import annotations

from dashboards import links
from dashboards.grafana.fields import Link
from dashboards.grafana.json import plain
from dashboards.grafana.panels import markdown, stat, timeseries
from dashboards.grafana.targets import MIXED, PROMETHEUS, SQL, prom, sql
from dashboards.grafana.transformations import calculate, without_rows_where_null

STEPS = ((None, "text"),)


def test_a_panel_asks_the_datasource_of_its_queries() -> None:
    one = timeseries("t", "d", sql("SELECT 1"), sql("SELECT 2"), unit="s")
    assert plain(one)["datasource"] == SQL


def test_a_panel_whose_queries_go_to_several_datasources_asks_grafanas_own_for_that() -> None:
    figures = plain(stat("t", "d", [sql("SELECT 1"), prom("up")], steps=STEPS))
    assert figures["datasource"] == MIXED
    assert [target["datasource"] for target in figures["targets"]] == [SQL, PROMETHEUS]
    assert [target["refId"] for target in figures["targets"]] == ["A", "B"]


def test_a_panel_without_queries_needs_no_other_datasource_than_the_default() -> None:
    assert plain(markdown("t", "d", "words"))["datasource"] == PROMETHEUS


def test_a_chart_says_how_many_points_it_wants() -> None:
    assert plain(timeseries("t", "d", prom("up"), unit="s", max_points=60))["maxDataPoints"] == 60
    assert "maxDataPoints" not in plain(timeseries("t", "d", prom("up"), unit="s"))


def test_a_field_is_worked_out_of_two_by_their_names() -> None:
    found = plain(calculate("Duration", "-", "Usual", name="over"))
    assert found["id"] == "calculateField"
    assert found["options"]["alias"] == "over"
    assert found["options"]["binary"] == {
        "left": {"matcher": {"id": "byName", "options": "Duration"}},
        "operator": "-",
        "right": {"matcher": {"id": "byName", "options": "Usual"}},
    }


def test_rows_without_a_field_can_be_left_out() -> None:
    found = plain(without_rows_where_null("Stage"))
    assert found["options"]["type"] == "exclude"
    assert found["options"]["filters"] == [
        {"fieldName": "Stage", "config": {"id": "isNull", "options": {}}},
    ]


def test_links_within_an_execution_keep_it_and_the_datasources() -> None:
    found: list[Link] = [
        links.to_this_execution(begin="1", end="2"),
        links.to_logs_of_stage("load"),
        links.to_comparison("abc"),
    ]
    for link in found:
        path, _, query = link.url.partition("?")
        assert path == "/d/pipelines-execution/execution"
        assert {"${execution_id:queryparam}", "${sql:queryparam}", "${datasource:queryparam}"} <= set(
            query.split("&")
        )
    assert found[0].url.endswith("&from=1&to=2")
    assert "&var-stage=load&${__url_time_range}" in found[1].url
    assert "&var-other=abc&${__url_time_range}" in found[2].url


def test_a_pipeline_can_be_opened_in_another_time_range() -> None:
    assert links.to_pipeline("p", "e").url.endswith("&${__url_time_range}")
    assert links.to_pipeline("p", "e", time="from=1&to=2").url.endswith("&var-pipeline=p&from=1&to=2")


def test_of_several_links_in_one_place_none_takes_the_click_alone() -> None:
    both = links.in_menu(links.to_pipeline("p"), links.to_errors())
    assert [plain(link).get("oneClick") for link in both] == [None, None]
    assert plain(links.to_pipeline("p"))["oneClick"] is True
