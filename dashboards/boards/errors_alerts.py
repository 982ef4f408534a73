"""Alerts: those that stand, and when they fired."""

from __future__ import annotations

from dashboards import alerts, links, look
from dashboards.grafana.fields import Link, by_name, by_regex
from dashboards.grafana.panels import Panel, alert_list, state_timeline, table
from dashboards.grafana.targets import prom
from dashboards.grafana.transformations import organize, sort_by
from dashboards.ranked import largest, over_range
from dashboards.scope import PIPELINES

_SILENCED = "Whether an alert is silenced only Alertmanager knows: see Silences in Grafana's menu Alerting."
_PIPELINE = "${__data.fields.Pipeline:percentencode}"
_ENVIRONMENT = "${__data.fields.Environment:percentencode}"


_ORDER = "order"


def _worst_first(expr: str) -> str:
    """The query with a label to sort by: critical before warning before info, what fires before what is pending."""
    for severity, number in look.SEVERITY_NUMBER.items():
        expr = f'label_replace({expr}, "{_ORDER}", "{9 - number}", "severity", "{severity}")'
    return f'label_join({expr}, "{_ORDER}", "", "{_ORDER}", "alertstate")'


def standing() -> Panel:
    """Alerts that fire or are about to, with what they speak of."""
    titles = {
        "alertname": "Alert",
        "severity": "Severity",
        "alertstate": "State",
        "Value": "Since",
        "pipeline": "Pipeline",
        "environment": "Environment",
        "stage": "Stage",
        "stream": "Stream",
        "owner": "Owner",
    }
    rules = Link("Rule", "/alerting/list?search=${__value.raw:percentencode}")
    return table(
        "Alerts",
        "Alerts that fire, or whose condition holds but not yet for long enough (pending). Critical ones wake "
        f"somebody; warnings want a look within the day. {_SILENCED}",
        prom(_worst_first(f"1000 * ({alerts.since()})"), instant=True, format="table"),
        columns=[
            by_name("Alert", min_width=150, links=[rules]),
            by_name("Severity", width=70, mappings=look.SEVERITY, cell="color-text"),
            by_name("State", width=68, mappings=look.ALERT_STATE, cell="color-text"),
            by_name("Since", width=135, unit="dateTimeFromNow"),
            by_name(
                "Pipeline", min_width=170, no_value=" ", links=[links.to_pipeline(links.VALUE, _ENVIRONMENT)]
            ),
            by_name("Environment", width=105, no_value=" "),
            by_name(
                "Stage",
                min_width=80,
                no_value=" ",
                links=[links.to_stage(links.VALUE, _PIPELINE, _ENVIRONMENT)],
            ),
            by_regex("^(Stream|Owner)$", min_width=80, no_value=" "),
            by_name(_ORDER, hidden=True),
        ],
        no_value="No alert fires or is pending, as far as Prometheus answers and has rules loaded.",
        transformations=[
            organize([*titles, _ORDER], rename=titles, exclude=("Time",)),
            sort_by(_ORDER),
        ],
    )


def listed() -> Panel:
    return alert_list(
        "Rules that fire",
        "The same as Grafana lists them, with summary and links to runbook and dashboard: open one. Silence it there. "
        "Empty is good, as long as the exporter's own dashboard says that it is scraped.",
        instances='{pipeline=~"${pipeline:pipe}"}',
    )


_WHOSE = ("pipeline", "environment")
_HISTORY_ROWS = 20


def history() -> Panel:
    """When each pipeline had alerts, by the worst."""
    levels = " or ".join(
        f"{number} * {alerts.firing(_WHOSE, severity=severity)}"
        for severity, number in look.SEVERITY_NUMBER.items()
    )
    # Chosen by the whole range, or other rows would come and go at each moment.
    firing = {**PIPELINES, "alertstate": "firing"}
    longest = over_range("count", alerts.ALERTS, _WHOSE, firing)
    return state_timeline(
        "When pipelines had alerts",
        f"A row for each of the {_HISTORY_ROWS} pipelines with an alert for longest, in the colour of the worst one. "
        f"Rows that begin together have one cause. {_SILENCED}",
        prom(
            largest(_HISTORY_ROWS, f"max by (pipeline, environment) ({levels})", _WHOSE, longest),
            "{{pipeline}} · {{environment}}",
        ),
        mappings=look.SEVERITY_OF_NUMBER,
        no_value="No alert fired in this time range, as far as Prometheus answers.",
        max_points=300,
        merge=True,
        links=links.in_menu(
            links.to_pipeline(links.label("pipeline"), links.label("environment")),
            links.to_errors(pipeline=links.label("pipeline"), environment=links.label("environment")),
        ),
    )
