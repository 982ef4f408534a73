"""Dashboards by uid, and how one leads to another. Never change a uid: Grafana would keep both."""

from __future__ import annotations

from dataclasses import replace

from dashboards.grafana.dashboard import TAG
from dashboards.grafana.fields import Link
from dashboards.grafana.json import Json

HOME = "pipelines-home"
PIPELINE = "pipelines-pipeline"
STAGE = "pipelines-stage"
EXECUTION = "pipelines-execution"
ERRORS = "pipelines-errors"
STREAMS = "pipelines-streams"
QUALITY = "pipelines-quality"
LLM = "pipelines-llm"
SCHEDULES = "pipelines-schedules"
LIVE = "pipelines-live"
EXPORTER = "pipelines-exporter"

_SOURCES = "${datasource:queryparam}&${sql:queryparam}&${traces:queryparam}"


def _path(uid: str) -> str:
    return f"/d/{uid}/{uid.removeprefix('pipelines-')}"


def field(name: str) -> str:
    """Value of another field in the clicked row, fit for a URL."""
    return (
        f"${{__data.fields[{name!r}]:percentencode}}".replace("'", '"')
        if " " in name
        else (f"${{__data.fields.{name}:percentencode}}")
    )


def label(name: str) -> str:
    """Value of a label of the clicked series, fit for a URL."""
    return f"${{__field.labels.{name}:percentencode}}"


VALUE = "${__value.raw:percentencode}"
"""The clicked value itself, fit for a URL."""
VARIABLE_ENVIRONMENT = "${environment:queryparam}"
VARIABLE_PIPELINE = "${pipeline:queryparam}"


def to_board(uid: str, title: str, *, extra: str = "") -> Link:
    """Another dashboard with the same environment, pipelines and time."""
    query = "&".join(
        filter(None, (_SOURCES, VARIABLE_ENVIRONMENT, VARIABLE_PIPELINE, "${__url_time_range}", extra))
    )
    return Link(title, f"{_path(uid)}?{query}")


def to_pipeline(pipeline: str, environment: str | None = None, *, time: str = "${__url_time_range}") -> Link:
    """One pipeline. `environment`: where the row says it; else the chosen ones. `time`: as in a URL."""
    where = f"var-environment={environment}" if environment else VARIABLE_ENVIRONMENT
    return Link("Open pipeline", f"{_path(PIPELINE)}?{_SOURCES}&{where}&var-pipeline={pipeline}&{time}")


def to_stage(stage: str, pipeline: str | None = None, environment: str | None = None) -> Link:
    """One stage of a pipeline: the row's, or the chosen one."""
    where = f"var-environment={environment}" if environment else VARIABLE_ENVIRONMENT
    whose = f"var-pipeline={pipeline}" if pipeline else VARIABLE_PIPELINE
    return Link(
        "Open stage", f"{_path(STAGE)}?{_SOURCES}&{where}&{whose}&var-stage={stage}&${{__url_time_range}}"
    )


def to_board_of_row(board: str, stage: str) -> Link:
    """The dashboard whose uid stands in one field of the row, with the stage that another one names."""
    variables = f"{_SOURCES}&{VARIABLE_ENVIRONMENT}&{VARIABLE_PIPELINE}&var-stage={field(stage)}"
    return Link("Open", f"/d/{field(board)}?{variables}&${{__url_time_range}}")


def to_execution(
    execution: str = "${__data.fields.execution_id}",
    begin: str = "${__data.fields.from_ms}",
    end: str = "${__data.fields.to_ms}",
) -> Link:
    """One execution in its own time range, out of the row's hidden columns."""
    return Link(
        "Open execution", f"{_path(EXECUTION)}?{_SOURCES}&var-execution_id={execution}&from={begin}&to={end}"
    )


def to_execution_now(execution: str, *, title: str = "Open execution") -> Link:
    """One execution in the dashboard's time range, where the row knows no better."""
    return Link(title, f"{_path(EXECUTION)}?{_SOURCES}&var-execution_id={execution}&${{__url_time_range}}")


def to_this_execution(*, begin: str, end: str, extra: str = "") -> Link:
    """The execution that is shown, in another time range."""
    query = "&".join(
        filter(None, (_SOURCES, "${execution_id:queryparam}", f"from={begin}", f"to={end}", extra))
    )
    return Link("Set the time range to this execution", f"{_path(EXECUTION)}?{query}")


def to_logs_of_stage(stage: str) -> Link:
    """The execution that is shown, its log lines of one stage alone."""
    query = f"{_SOURCES}&${{execution_id:queryparam}}&var-stage={stage}&${{__url_time_range}}"
    return Link("Logs of this stage", f"{_path(EXECUTION)}?{query}")


def to_comparison(other: str) -> Link:
    """The execution that is shown, compared with another."""
    query = f"{_SOURCES}&${{execution_id:queryparam}}&var-other={other}&${{__url_time_range}}"
    return Link("Compare with this one", f"{_path(EXECUTION)}?{query}")


def in_menu(*several: Link) -> list[Link]:
    """Links for one place: a click offers them all, where one with `one_click` would hide the others."""
    return [replace(link, one_click=False) for link in several]


def to_errors(
    *, pipeline: str | None = None, environment: str | None = None, extra: str = "", title: str = "Errors"
) -> Link:
    """The errors of a pipeline."""
    where = f"var-environment={environment}" if environment else VARIABLE_ENVIRONMENT
    whose = f"var-pipeline={pipeline}" if pipeline else VARIABLE_PIPELINE
    query = "&".join(filter(None, (_SOURCES, where, whose, "${__url_time_range}", extra)))
    return Link(title, f"{_path(ERRORS)}?{query}")


_TOP = (
    (HOME, "Home", "What is wrong, where, since when"),
    (ERRORS, "Errors", "Errors and alerts"),
    (SCHEDULES, "Schedules", "What is late or was missed; service levels"),
    (STREAMS, "Streams", "Rates, lag, buffers, dead letters"),
    (QUALITY, "Quality", "Data quality"),
    (LLM, "LLM", "Language models: tokens, cost, latency"),
    (LIVE, "Live", "This very second"),
    (EXPORTER, "Exporter", "The exporter itself"),
)


_SHORT = (HOME,)


def navigation(own: str, *, pipeline: bool = False, short: bool = False) -> list[Json]:
    """The links on top of a dashboard: to all others, with variables and time.

    `short`: most of them in a menu. Beside a time range of two dates a narrow window has room for few.
    """
    shown = [(uid, title, tooltip) for uid, title, tooltip in _TOP if not short or uid in _SHORT]
    found = [_dashboard_link(title, _path(uid), tooltip) for uid, title, tooltip in shown if uid != own]
    if pipeline:
        found.insert(1, _dashboard_link("Pipeline", _path(PIPELINE), "The pipeline"))
    if short:
        found.append(_menu("More", "All dashboards"))
    return found


def _dashboard_link(title: str, url: str, tooltip: str) -> Json:
    return {**_link(title, tooltip), "type": "link", "url": url, "icon": "apps"}


def _menu(title: str, tooltip: str) -> Json:
    return {**_link(title, tooltip), "type": "dashboards", "asDropdown": True, "tags": [TAG]}


def _link(title: str, tooltip: str) -> Json:
    return {
        "title": title,
        "tooltip": tooltip,
        "keepTime": True,
        "includeVars": True,
        "asDropdown": False,
        "targetBlank": False,
        "tags": [],
    }
