"""What the variables of a dashboard choose: label matchers for PromQL, conditions for SQL, the variables themselves."""

from __future__ import annotations

from dashboards.grafana.json import Json
from dashboards.grafana.variables import datasource, label_values
from exporter.catalogue.metrics import PIPELINE_INFO, STAGE_INFO
from exporter.catalogue.promql import Regex, Wanted, select

PIPELINES: dict[str, Wanted] = {
    "environment": Regex("$environment"),
    "pipeline": Regex("$pipeline"),
}
"""The chosen pipelines: `rate(EXECUTIONS, "5m", where=PIPELINES)`."""
ONE_PIPELINE: dict[str, Wanted] = {"environment": Regex("$environment"), "pipeline": "$pipeline"}
ONE_STAGE: dict[str, Wanted] = {**ONE_PIPELINE, "stage": "$stage"}


def chosen(column: str, variable: str) -> str:
    """SQL condition: the column is among the variable's values.

    It holds for all where there are none: of a time that Prometheus knows nothing of, the history still may.
    """
    values = f"ARRAY[${{{variable}:sqlstring}}]::text[]"
    return f"({column} = ANY({values}) OR {values} = '{{}}')"


WHERE_PIPELINES = f"{chosen('pipeline', 'pipeline')} AND {chosen('environment', 'environment')}"
"""The chosen pipelines in the SQL views."""
WHERE_PIPELINE = f"pipeline = ${{pipeline:sqlstring}} AND {chosen('environment', 'environment')}"
WHERE_STAGE = f"{WHERE_PIPELINE} AND name = ${{stage:sqlstring}}"

DATASOURCES: tuple[Json, ...] = (
    datasource("datasource", "Metrics", "prometheus"),
    datasource("sql", "History", "grafana-postgresql-datasource"),
    datasource("traces", "Traces", "jaeger"),
)


def environments() -> Json:
    return label_values("environment", "Environment", select(PIPELINE_INFO), "environment", multi=True)


def pipelines(*, multi: bool) -> Json:
    chosen = select(PIPELINE_INFO, environment=Regex("$environment"))
    return label_values("pipeline", "Pipeline", chosen, "pipeline", multi=multi)


def stages() -> Json:
    return label_values("stage", "Stage", select(STAGE_INFO, where=ONE_PIPELINE), "stage", multi=False)


def of_pipelines() -> list[Json]:
    """Variables of a dashboard over several pipelines."""
    return [*DATASOURCES, environments(), pipelines(multi=True)]


def of_pipeline() -> list[Json]:
    """Variables of a dashboard on one pipeline."""
    return [*DATASOURCES, environments(), pipelines(multi=False)]


def of_stage() -> list[Json]:
    return [*of_pipeline(), stages()]
